#include "cli/watch/rates.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "cli/text/units.h"

namespace culvert::cli {
namespace {

// A counter that went back belongs to another session of the same name, or to a daemon that began anew.
uint64_t Difference(uint64_t now, uint64_t before) { return now >= before ? now - before : 0; }

std::optional<double> Share(uint64_t part, uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

template <typename Subject>
double RttOf(const Subject& subject) {
  if constexpr (std::is_same_v<Subject, v1::Session>) return Seconds(subject.path().smoothed_rtt());
  return 0;
}

template <typename Subject>
double ValueOf(const Rated<Subject>& rated, SortKey key) {
  switch (key) {
    case SortKey::kTx:
      return rated.tx_bytes_per_second;
    case SortKey::kRx:
      return rated.rx_bytes_per_second;
    case SortKey::kRtt:
      return RttOf(rated.subject);
    case SortKey::kLoss:
      return rated.loss.value_or(-1);
    case SortKey::kName:
      break;
  }
  return 0;
}

template <typename Subject>
void SortOne(std::vector<Rated<Subject>>& subjects, SortKey key) {
  std::sort(subjects.begin(), subjects.end(), [key](const Rated<Subject>& a, const Rated<Subject>& b) {
    const double left = ValueOf(a, key), right = ValueOf(b, key);
    return left != right ? left > right : a.subject.name() < b.subject.name();
  });
}

}  // namespace

template <typename Subject>
void Rates::Work(std::vector<Rated<Subject>>& subjects, double elapsed, RateFrame& frame,
                 std::map<std::string, v1::Counters>& counters) const {
  for (Rated<Subject>& rated : subjects) {
    const v1::Counters& now = rated.subject.counters();
    const auto before = before_.find(rated.subject.name());
    if (frame.has_rates && before != before_.end()) {
      rated.has_rates = true;
      rated.rx_bytes_per_second = static_cast<double>(Difference(now.rx_bytes(), before->second.rx_bytes())) / elapsed;
      rated.tx_bytes_per_second = static_cast<double>(Difference(now.tx_bytes(), before->second.tx_bytes())) / elapsed;
      const uint64_t sent = Difference(now.tx_segments(), before->second.tx_segments());
      rated.loss = Share(Difference(now.lost_packets(), before->second.lost_packets()), sent);
      rated.retransmit = Share(Difference(now.retransmitted_packets(), before->second.retransmitted_packets()), sent);
      frame.rx_bytes_per_second += rated.rx_bytes_per_second;
      frame.tx_bytes_per_second += rated.tx_bytes_per_second;
    }
    counters[rated.subject.name()] = now;
  }
}

std::optional<RateFrame> Rates::Add(const v1::WatchStatsResponse& message) {
  pending_bytes_ += message.ByteSizeLong();
  if (pending_bytes_ <= kMaxFrameBytes) {
    for (const v1::Session& one : message.samples()) pending_.sessions.emplace_back().subject = one;
    for (const v1::Stream& one : message.streams()) pending_.streams.emplace_back().subject = one;
    for (const v1::UdpFlow& one : message.udp_flows()) pending_.udp_flows.emplace_back().subject = one;
    for (const v1::ForwardSample& one : message.forwards()) pending_.forwards.emplace_back().subject = one;
  }
  if (!message.end_of_frame()) return std::nullopt;
  pending_bytes_ = 0;
  RateFrame frame = std::exchange(pending_, {});
  frame.skipped_frames = message.conflated_frames();
  frame.wall_seconds = message.wall_time().seconds();
  const double seconds = Seconds(message.monotonic_time());
  const double elapsed = seconds - before_seconds_;
  if (!has_before_) first_seconds_ = seconds;
  frame.seconds_since_first = static_cast<int64_t>(seconds - first_seconds_);
  frame.has_rates = has_before_ && elapsed > 0;
  std::map<std::string, v1::Counters> counters;
  Work(frame.sessions, elapsed, frame, counters);
  Work(frame.streams, elapsed, frame, counters);
  Work(frame.udp_flows, elapsed, frame, counters);
  Work(frame.forwards, elapsed, frame, counters);
  before_ = std::move(counters);
  before_seconds_ = seconds;
  has_before_ = true;
  return frame;
}

std::string SortName(SortKey key) {
  switch (key) {
    case SortKey::kTx:
      return "tx";
    case SortKey::kRx:
      return "rx";
    case SortKey::kRtt:
      return "rtt";
    case SortKey::kLoss:
      return "loss";
    case SortKey::kName:
      break;
  }
  return "name";
}

void Sort(RateFrame& frame, SortKey key) {
  SortOne(frame.sessions, key);
  SortOne(frame.streams, key);
  SortOne(frame.udp_flows, key);
  SortOne(frame.forwards, key);
}

}  // namespace culvert::cli
