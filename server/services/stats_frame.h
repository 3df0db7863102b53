// StatsFrames: reports cut into the messages of one WatchStats stream. Holds at most one report that is being sent and one that
// waits; a newer one replaces the one that waits, and is counted as conflated. A frame that a reader has not taken in kMaxFrameAge is broken
// off, so that who has stalled does not keep an old report.
// Thread: not safe; its owner locks.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "culvert/v1/observe.pb.h"
#include "server/query/filter.h"
#include "server/query/order.h"
#include "server/report_collector.h"

namespace culvert::server {

// What a reader that has stalled holds of a frame.
inline constexpr size_t kMaxFrameMessageBytes = 64 * 1024;
inline constexpr Duration kMaxFrameAge = std::chrono::seconds(10);

class StatsFrames {
 public:
  explicit StatsFrames(const v1::WatchStatsRequest& request);
  // Takes filter, order and limit of the request. Before all else. Errors: INVALID_ARGUMENT.
  absl::Status Parse(const v1::WatchStatsRequest& request);

  void Offer(ReportPtr report);
  // Fills the next message; false: everything was sent.
  bool Next(v1::WatchStatsResponse& message);

 private:
  using Fingerprint = std::array<uint64_t, 6>;  // the counters that say whether a subject moved

  bool Matches(const SessionSnapshot& session) const;
  bool Matches(const StreamSnapshot& stream) const;
  bool Matches(const UdpFlowSnapshot& flow) const;
  bool Matches(const std::pair<std::string, ObjectCounters>& forward) const;
  void BeginFrame();
  // Collects which of `subjects` are to be sent, by what was asked for but filter and limit.
  template <typename Subject>
  void Pick(const std::vector<Subject>& subjects);
  void NoteSent();
  // Leaves out what the filter does, and puts what is left in order, up to the limit.
  void Narrow();
  template <typename Message, typename Make>
  void NarrowWith(const Make& make);
  // Adds one to the message and returns its size.
  size_t AddSample(size_t index, v1::WatchStatsResponse& message) const;

  const std::string session_id_;
  const std::string listener_;
  const std::string dialer_;
  const std::string forward_;
  const v1::WatchStatsRequest::Scope scope_;
  const bool only_changed_;
  Filter filter_;
  Order order_;
  size_t limit_ = 0;  // 0: none
  ReportPtr waiting_;
  ReportPtr current_;                // nullptr: no frame is being sent
  std::vector<size_t> samples_;      // of current_, what is to be sent
  std::vector<std::pair<std::string, ObjectCounters>> forwards_;  // of current_, scope FORWARDS
  size_t sent_ = 0;
  int32_t total_ = 0;
  uint64_t conflated_ = 0;
  struct Candidate {
    std::string id;
    Fingerprint counters{};
    bool is_sent = false;
  };
  std::unordered_map<size_t, Candidate> candidates_;   // only_changed: of current_, by index; all that there are
  std::unordered_map<std::string, Fingerprint> seen_;  // only_changed: of what was sent, as it was then
};

}  // namespace culvert::server
