#include "server/services/stats_frame.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "core/base/status_macros.h"
#include "server/error_builder.h"
#include "server/object_kind.h"
#include "server/stats_proto.h"

namespace culvert::server {

StatsFrames::StatsFrames(const v1::WatchStatsRequest& request)
    : session_id_(StripCollection(request.session(), "sessions")),
      listener_(request.listener()),
      dialer_(request.dialer()),
      forward_(request.forward()),
      scope_(request.scope()),
      only_changed_(request.only_changed()) {}

namespace {

const google::protobuf::Descriptor& SubjectType(v1::WatchStatsRequest::Scope scope) {
  switch (scope) {
    case v1::WatchStatsRequest::SCOPE_STREAMS: return *v1::Stream::descriptor();
    case v1::WatchStatsRequest::SCOPE_UDP_FLOWS: return *v1::UdpFlow::descriptor();
    case v1::WatchStatsRequest::SCOPE_FORWARDS: return *v1::ForwardSample::descriptor();
    default: return *v1::Session::descriptor();
  }
}

using ForwardCounters = std::pair<std::string, ObjectCounters>;

v1::ForwardSample ToProto(const ForwardCounters& forward) {
  v1::ForwardSample sample;
  sample.set_name(forward.first);
  *sample.mutable_counters() = server::ToProto(forward.second);
  sample.set_udp_flows(forward.second.udp_flows);
  return sample;
}

}  // namespace

absl::Status StatsFrames::Parse(const v1::WatchStatsRequest& request) {
  CULVERT_ASSIGN_OR_RETURN(filter_, Filter::Parse(request.filter(), SubjectType(scope_)));
  CULVERT_ASSIGN_OR_RETURN(order_, Order::Parse(request.order_by(), SubjectType(scope_)));
  if (request.limit() < 0) return InvalidField("limit", std::to_string(request.limit()) + " is not 0 or more");
  limit_ = static_cast<size_t>(request.limit());
  return absl::OkStatus();
}

void StatsFrames::Offer(ReportPtr report) {
  if (current_ != nullptr && report->taken_at - current_->taken_at >= kMaxFrameAge) {
    current_ = nullptr;
    ++conflated_;
  }
  if (waiting_ != nullptr) ++conflated_;
  waiting_ = std::move(report);
}

namespace {

bool IsWanted(const std::string& wanted, const std::string& value) { return wanted.empty() || wanted == value; }

std::array<uint64_t, 6> FingerprintOf(const SessionSnapshot& session) {
  const SessionStats& stats = session.stats;
  return {stats.rx_bytes, stats.tx_bytes, stats.rx_datagrams, stats.tx_datagrams, stats.lost_segments, stats.retransmitted_segments};
}
std::array<uint64_t, 6> FingerprintOf(const StreamSnapshot& stream) { return {stream.rx_bytes, stream.tx_bytes, stream.is_open ? 1u : 0u}; }
std::array<uint64_t, 6> FingerprintOf(const UdpFlowSnapshot& flow) { return {flow.rx_packets, flow.tx_packets, flow.dropped}; }
std::array<uint64_t, 6> FingerprintOf(const ForwardCounters& forward) {
  const ObjectCounters& counters = forward.second;
  return {counters.rx_bytes, counters.tx_bytes, counters.opened, counters.closed, counters.failed, counters.udp_flows_opened};
}

template <typename Subject>
const std::string& IdOf(const Subject& subject) {
  if constexpr (std::is_same_v<Subject, ForwardCounters>) {
    return subject.first;
  } else {
    return subject.id;
  }
}

}  // namespace

bool StatsFrames::Matches(const SessionSnapshot& session) const {
  return IsWanted(session_id_, session.id) && IsWanted(listener_, session.listener) && IsWanted(dialer_, session.dialer) &&
         IsWanted(forward_, session.forward);
}

bool StatsFrames::Matches(const StreamSnapshot& stream) const {
  return IsWanted(forward_, stream.forward) &&
         (session_id_.empty() || stream.session_id == session_id_ || stream.far_session_id == session_id_);
}

bool StatsFrames::Matches(const ForwardCounters& forward) const { return IsWanted(forward_, forward.first); }

bool StatsFrames::Matches(const UdpFlowSnapshot& flow) const {
  return IsWanted(forward_, flow.forward) && IsWanted(listener_, flow.listener) && IsWanted(session_id_, flow.session_id);
}

template <typename Subject>
void StatsFrames::Pick(const std::vector<Subject>& subjects) {
  for (size_t i = 0; i < subjects.size(); ++i) {
    const Subject& subject = subjects[i];
    if (!Matches(subject)) continue;
    ++total_;
    if (only_changed_) {
      const Candidate& candidate = candidates_[i] = {IdOf(subject), FingerprintOf(subject)};
      const auto before = seen_.find(candidate.id);
      if (before != seen_.end() && before->second == candidate.counters) continue;
    }
    samples_.push_back(i);
  }
}

// What a filter or the limit left out has changed since it was sent last, whenever its turn comes.
void StatsFrames::NoteSent() {
  for (const size_t index : samples_) candidates_[index].is_sent = true;
  std::unordered_map<std::string, Fingerprint> seen;
  for (auto& [index, candidate] : candidates_) {
    const auto before = seen_.find(candidate.id);
    if (candidate.is_sent) {
      seen.emplace(std::move(candidate.id), candidate.counters);
    } else if (before != seen_.end()) {
      seen.insert(*before);
    }
  }
  seen_ = std::move(seen);
  candidates_.clear();
}

void StatsFrames::BeginFrame() {
  current_ = std::exchange(waiting_, nullptr);
  samples_.clear();
  sent_ = 0;
  total_ = 0;
  switch (scope_) {
    case v1::WatchStatsRequest::SCOPE_STREAMS: Pick(current_->streams); break;
    case v1::WatchStatsRequest::SCOPE_UDP_FLOWS: Pick(current_->udp_flows); break;
    case v1::WatchStatsRequest::SCOPE_FORWARDS:
      forwards_.assign(current_->forwards.begin(), current_->forwards.end());
      Pick(forwards_);
      break;
    default: Pick(current_->sessions); break;
  }
  if (!filter_.MatchesAll() || !order_.ByNameOnly()) Narrow();
  if (limit_ != 0 && samples_.size() > limit_) samples_.resize(limit_);
  if (only_changed_) NoteSent();
}

template <typename Message, typename Make>
void StatsFrames::NarrowWith(const Make& make) {
  std::vector<std::pair<std::string, size_t>> kept;
  for (const size_t index : samples_) {
    const Message subject = make(index);
    if (filter_.Matches(subject)) kept.emplace_back(order_.KeyOf(subject, subject.name()), index);
  }
  total_ -= static_cast<int32_t>(samples_.size() - kept.size());
  std::ranges::sort(kept);
  samples_.clear();
  for (const auto& [key, index] : kept) samples_.push_back(index);
}

void StatsFrames::Narrow() {
  switch (scope_) {
    case v1::WatchStatsRequest::SCOPE_STREAMS:
      return NarrowWith<v1::Stream>([this](size_t index) { return server::ToProto(current_->streams[index]); });
    case v1::WatchStatsRequest::SCOPE_UDP_FLOWS:
      return NarrowWith<v1::UdpFlow>([this](size_t index) { return server::ToProto(current_->udp_flows[index]); });
    case v1::WatchStatsRequest::SCOPE_FORWARDS:
      return NarrowWith<v1::ForwardSample>([this](size_t index) { return ToProto(forwards_[index]); });
    default:
      return NarrowWith<v1::Session>([this](size_t index) { return server::ToProto(current_->sessions[index]); });
  }
}

size_t StatsFrames::AddSample(size_t index, v1::WatchStatsResponse& message) const {
  switch (scope_) {
    case v1::WatchStatsRequest::SCOPE_STREAMS:
      return (*message.add_streams() = server::ToProto(current_->streams[index])).ByteSizeLong();
    case v1::WatchStatsRequest::SCOPE_UDP_FLOWS:
      return (*message.add_udp_flows() = server::ToProto(current_->udp_flows[index])).ByteSizeLong();
    case v1::WatchStatsRequest::SCOPE_FORWARDS:
      return (*message.add_forwards() = ToProto(forwards_[index])).ByteSizeLong();
    default:
      return (*message.add_samples() = server::ToProto(current_->sessions[index])).ByteSizeLong();
  }
}

bool StatsFrames::Next(v1::WatchStatsResponse& message) {
  if (current_ == nullptr) {
    if (waiting_ == nullptr) return false;
    BeginFrame();
  }
  *message.mutable_wall_time() = ToTimestamp(current_->taken_at_unix_ns);
  *message.mutable_monotonic_time() = server::ToProto(current_->taken_at.time_since_epoch());
  message.set_total_subjects(total_);
  message.set_conflated_frames(conflated_);
  size_t bytes = 0;
  while (sent_ < samples_.size() && bytes < kMaxFrameMessageBytes) {
    bytes += AddSample(samples_[sent_++], message);
  }
  if (sent_ == samples_.size()) {
    message.set_end_of_frame(true);
    current_ = nullptr;
  }
  return true;
}

}  // namespace culvert::server
