#include "core/kcp/ack_list.h"

#include <algorithm>

namespace culvert::kcp {

void AckList::OnData(TimePoint now, SerialNumber number, uint32_t timestamp, bool at_once) {
  ++arrivals_;
  // Within one delay a number is listed once, however often it arrives: only the most recent arrivals can repeat.
  const size_t look_back = std::min<size_t>(fresh_.size(), 4);
  for (size_t i = 0; i < look_back; ++i) {
    if (fresh_[fresh_.size() - 1 - i].number == number) return;
  }
  if (fresh_.size() == kMaxFresh) return;
  fresh_.push_back({number, timestamp});
  if (!any_ || number.IsAfter(highest_)) highest_ = number;
  any_ = true;
  repeats_ = 0;
  // The first data after a pause answers at once: the peer may be waiting for exactly this.
  if (peer_ticks_) LearnPeerTick(timestamp);
  const Duration delay = peer_ticks_ ? std::chrono::milliseconds(peer_tick_) / 2 : kMaxAckDelay;
  const bool after_pause = now - last_sent_at_ >= delay;
  const size_t enough = peer_ticks_ ? kMaxAckNumbersSent : kNumbersPerAck;
  const bool is_due = after_pause || fresh_.size() >= enough || (at_once && !peer_ticks_);
  Schedule(is_due ? now : now + delay);
}

void AckList::LearnPeerTick(uint32_t timestamp) {
  const uint32_t gap = timestamp - latest_timestamp_;
  if (gap == 0 || gap >= 0x80000000u) return;  // the same burst, or one that was overtaken
  latest_timestamp_ = timestamp;
  // Pauses make gaps longer, never shorter.
  if (gap >= kMinPeerTick && gap <= kMaxPeerTick) peer_tick_ = gap < peer_tick_ ? gap : peer_tick_ + (gap - peer_tick_) / 8;
}

void AckList::OnDuplicate(TimePoint now, SerialNumber number, uint32_t timestamp) {
  const uint32_t kept = std::min(recent_end_, kRecent);
  bool is_recent = false;
  for (uint32_t i = 0; i < kept && !is_recent; ++i) is_recent = (*recent_)[i].number == number;
  for (size_t i = 0; i < fresh_.size() && !is_recent; ++i) is_recent = fresh_[i].number == number;
  ++arrivals_;
  repeats_ = 0;
  if (!is_recent && fresh_.size() < kMaxFresh) fresh_.push_back({number, timestamp});
  Schedule(now + kDuplicateAckDelay);
}

void AckList::OnPeerProgress(SerialNumber sending_next) {
  peer_sending_next_ = SerialNumber::Later(peer_sending_next_, sending_next);
  // Everything said has arrived: no repetition is due.
  if (peer_sending_next_.IsAfter(highest_)) repeat_at_ = kInfiniteFuture;
}

AckList::Content AckList::Peek() const {
  Content content;
  for (const Entry& entry : fresh_) {
    if (content.count == kMaxAckNumbersSent) break;
    content.numbers[content.count++] = entry.number.value();
    content.timestamp = content.has_fresh
                            ? SerialNumber::Later(SerialNumber(content.timestamp), SerialNumber(entry.timestamp)).value()
                            : entry.timestamp;
    content.lowest_fresh = content.has_fresh ? SerialNumber::Earlier(content.lowest_fresh, entry.number) : entry.number;
    content.has_fresh = true;
  }
  const uint32_t kept = std::min(recent_end_, kRecent);
  // A repetition that the timer asks for says everything; otherwise as much as what arrived pays for.
  const uint32_t fillers = arrivals_ == 0 ? kRecent : std::min(kRecent, kFillersPerArrival * arrivals_);
  const uint32_t limit = std::min<uint32_t>(content.count + fillers, kMaxAckNumbersSent);
  for (uint32_t i = 1; i <= kept && content.count < limit; ++i) {
    const Entry& entry = (*recent_)[(recent_end_ - i) & (kRecent - 1)];
    if (entry.number.IsBefore(peer_sending_next_)) continue;
    // A repetition echoes what the lost ack echoed: the peer may be waiting for exactly that echo.
    if (!content.has_fresh && content.timestamp == 0) content.timestamp = entry.timestamp;
    content.numbers[content.count++] = entry.number.value();
  }
  return content;
}

void AckList::OnSent(TimePoint now, Duration rto, uint32_t max_repeats) {
  const size_t said = std::min(fresh_.size(), kMaxAckNumbersSent);
  if (said > 0 && recent_ == nullptr) recent_ = std::make_unique<std::array<Entry, kRecent>>();
  for (size_t i = 0; i < said; ++i) (*recent_)[recent_end_++ & (kRecent - 1)] = fresh_[i];
  fresh_.erase(fresh_.begin(), fresh_.begin() + static_cast<ptrdiff_t>(said));
  last_sent_at_ = now;
  arrivals_ = 0;
  if (!fresh_.empty()) {
    due_at_ = now;
    return;
  }
  due_at_ = kInfiniteFuture;
  if (is_confirmed() || repeats_ >= max_repeats) {
    repeat_at_ = kInfiniteFuture;
    return;
  }
  // rto/2, rto, 2 rto, ... bounded so that the last repetition falls within a few seconds.
  const Duration gap = std::max(Duration(std::chrono::milliseconds(20)), rto / 2) * (1u << std::min(repeats_, 4u));
  repeat_at_ = now + gap;
  ++repeats_;
}

void AckList::Clear() {
  fresh_.clear();
  recent_end_ = 0;
  due_at_ = repeat_at_ = kInfiniteFuture;
}

void AckList::ReleaseSpare() {
  if (!fresh_.empty() || !is_confirmed()) return;
  fresh_ = std::vector<Entry>();
  recent_.reset();
  recent_end_ = 0;
}

}  // namespace culvert::kcp
