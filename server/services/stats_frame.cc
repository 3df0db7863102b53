#include "server/services/stats_frame.h"

#include <utility>

#include "server/object_kind.h"
#include "server/stats_proto.h"

namespace culvert::server {

StatsFrames::StatsFrames(const v1::WatchStatsRequest& request)
    : session_id_(StripCollection(request.session(), "sessions")),
      listener_(request.listener()),
      dialer_(request.dialer()),
      only_changed_(request.only_changed()) {}

void StatsFrames::Offer(ReportPtr report) {
  if (waiting_ != nullptr) ++conflated_;
  waiting_ = std::move(report);
}

bool StatsFrames::Matches(const SessionSnapshot& session) const {
  return (session_id_.empty() || session.id == session_id_) && (listener_.empty() || session.listener == listener_) &&
         (dialer_.empty() || session.dialer == dialer_);
}

void StatsFrames::BeginFrame() {
  current_ = std::exchange(waiting_, nullptr);
  samples_.clear();
  sent_ = 0;
  total_ = 0;
  std::unordered_map<std::string, Fingerprint> now;
  for (size_t i = 0; i < current_->sessions.size(); ++i) {
    const SessionSnapshot& session = current_->sessions[i];
    if (!Matches(session)) continue;
    ++total_;
    if (only_changed_) {
      const SessionStats& stats = session.stats;
      const Fingerprint counters{stats.rx_bytes,     stats.tx_bytes,      stats.rx_datagrams,
                                 stats.tx_datagrams, stats.lost_segments, stats.retransmitted_segments};
      now.emplace(session.id, counters);
      const auto before = seen_.find(session.id);
      if (before != seen_.end() && before->second == counters) continue;
    }
    samples_.push_back(i);
  }
  seen_ = std::move(now);
}

bool StatsFrames::Next(v1::WatchStatsResponse& message) {
  if (current_ == nullptr) {
    if (waiting_ == nullptr) return false;
    BeginFrame();
  }
  *message.mutable_wall_time() = ToTimestamp(current_->taken_at_unix_ns);
  *message.mutable_monotonic_time() = ToProto(current_->taken_at.time_since_epoch());
  message.set_total_subjects(total_);
  message.set_conflated_frames(conflated_);
  size_t bytes = 0;
  while (sent_ < samples_.size() && bytes < kMaxFrameMessageBytes) {
    v1::Session& sample = *message.add_samples();
    sample = ToProto(current_->sessions[samples_[sent_++]]);
    bytes += sample.ByteSizeLong();
  }
  if (sent_ == samples_.size()) {
    message.set_end_of_frame(true);
    current_ = nullptr;
  }
  return true;
}

}  // namespace culvert::server
