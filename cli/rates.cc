#include "cli/rates.h"

#include <algorithm>
#include <utility>

#include "cli/units.h"

namespace culvert::cli {
namespace {

// A counter that went back belongs to another session of the same name, or to a daemon that began anew.
uint64_t Difference(uint64_t now, uint64_t before) { return now >= before ? now - before : 0; }

std::optional<double> Share(uint64_t part, uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::optional<RateFrame> Rates::Add(const v1::WatchStatsResponse& message) {
  for (const v1::Session& session : message.samples()) {
    if (pending_.size() < kMaxSessions) pending_.push_back(session);
  }
  if (!message.end_of_frame()) return std::nullopt;
  RateFrame frame;
  frame.skipped_frames = message.conflated_frames();
  const double seconds = Seconds(message.monotonic_time());
  const double elapsed = seconds - before_seconds_;
  if (!has_before_) first_seconds_ = seconds;
  frame.seconds_since_first = static_cast<int64_t>(seconds - first_seconds_);
  frame.has_rates = has_before_ && elapsed > 0;
  std::map<std::string, v1::Counters> counters;
  for (v1::Session& session : pending_) {
    SessionRate rate;
    const v1::Counters& now = session.counters();
    const auto before = before_.find(session.name());
    if (frame.has_rates && before != before_.end()) {
      rate.has_rates = true;
      rate.rx_bytes_per_second = static_cast<double>(Difference(now.rx_bytes(), before->second.rx_bytes())) / elapsed;
      rate.tx_bytes_per_second = static_cast<double>(Difference(now.tx_bytes(), before->second.tx_bytes())) / elapsed;
      const uint64_t sent = Difference(now.tx_segments(), before->second.tx_segments());
      rate.loss = Share(Difference(now.lost_packets(), before->second.lost_packets()), sent);
      rate.retransmit = Share(Difference(now.retransmitted_packets(), before->second.retransmitted_packets()), sent);
      frame.rx_bytes_per_second += rate.rx_bytes_per_second;
      frame.tx_bytes_per_second += rate.tx_bytes_per_second;
    }
    counters[session.name()] = now;
    rate.session.Swap(&session);
    frame.sessions.push_back(std::move(rate));
  }
  pending_.clear();
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
  const auto value = [key](const SessionRate& rate) {
    switch (key) {
      case SortKey::kTx:
        return rate.tx_bytes_per_second;
      case SortKey::kRx:
        return rate.rx_bytes_per_second;
      case SortKey::kRtt:
        return Seconds(rate.session.path().smoothed_rtt());
      case SortKey::kLoss:
        return rate.loss.value_or(-1);
      case SortKey::kName:
        break;
    }
    return 0.0;
  };
  std::sort(frame.sessions.begin(), frame.sessions.end(), [&](const SessionRate& a, const SessionRate& b) {
    const double left = value(a), right = value(b);
    return left != right ? left > right : a.session.name() < b.session.name();
  });
}

}  // namespace culvert::cli
