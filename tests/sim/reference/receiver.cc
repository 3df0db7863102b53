#include "tests/sim/reference/receiver.h"

#include <algorithm>
#include <utility>

namespace culvert::reference {
namespace {

constexpr size_t kMaxNumbers = 128;

}  // namespace

bool Receiver::ProcessData(const Segment& data) {
  if (data.number - next_ >= window_) return false;
  ProcessSendingNext(data.sending_next);
  acks_.push_back({data.number, data.timestamp, 0});
  dirty_ = true;
  arrived_.emplace(data.number, data.payload);
  return readable();
}

void Receiver::ProcessSendingNext(uint32_t sending_next) {
  const size_t before = acks_.size();
  std::erase_if(acks_, [&](const Entry& entry) { return entry.number < sending_next; });
  if (acks_.size() != before) dirty_ = true;
}

void Receiver::Flush(uint32_t now, uint32_t rto, const std::function<void(Segment)>& send) {
  Segment ack;
  const auto fill_in = [&] {
    ack.command = kAck;
    ack.receiving_next = next_;
    ack.receiving_window = next_ + window_;
  };
  std::vector<uint32_t> fillers;
  for (Entry& entry : acks_) {
    if (entry.due > now) {
      if (fillers.size() < kMaxNumbers) fillers.push_back(entry.number);
      continue;
    }
    ack.numbers.push_back(entry.number);
    if (entry.timestamp - ack.timestamp < 0x7fffffff) ack.timestamp = entry.timestamp;
    entry.due = now + std::max(20u, rto / 2);
    if (ack.numbers.size() == kMaxNumbers) {
      fill_in();
      send(std::exchange(ack, {}));
      dirty_ = false;
    }
  }
  if (!dirty_ && ack.numbers.empty()) return;
  for (const uint32_t filler : fillers) {
    if (ack.numbers.size() == kMaxNumbers) break;
    ack.numbers.push_back(filler);
  }
  fill_in();
  send(std::move(ack));
  dirty_ = false;
}

Bytes Receiver::Read() {
  Bytes bytes;
  for (auto it = arrived_.find(next_); it != arrived_.end(); it = arrived_.find(next_)) {
    bytes.insert(bytes.end(), it->second.begin(), it->second.end());
    arrived_.erase(it);
    ++next_;
  }
  return bytes;
}

}  // namespace culvert::reference
