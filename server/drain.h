// Drain: how far the daemon has come in letting what runs end. What is left is counted here; who is told and asked is the supervisor's
// (supervisor_drain.cc).
// Thread: the control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "culvert/v1/daemon.pb.h"
#include "server/config.h"
#include "server/object_table.h"
#include "server/report_collector.h"

namespace culvert::server {

struct DrainRequest {
  Duration timeout{};  // zero: the default
  bool inbound_only = false;
  bool exit_when_drained = false;
};

class Drain {
 public:
  // What the drain waits for.
  struct Left {
    int64_t sessions = 0;  // with a stream or flow
    int64_t streams = 0;
    int64_t udp_flows = 0;
    std::vector<std::string> idle_sessions;  // of listeners, with neither: they keep nobody waiting and can be closed
    [[nodiscard]] bool IsNothing() const { return sessions == 0 && streams == 0 && udp_flows == 0; }
  };

  // A drain that goes on keeps when it began.
  void Begin(const DrainRequest& request, Duration timeout, TimePoint now, int64_t now_unix_ns);
  void Cancel() { *this = Drain(); }
  // What of the report the drain means.
  [[nodiscard]] Left LeftIn(const MergedReport& report, const ObjectTable& table) const;
  // Takes in what is left. Returns whether the drain is over by that, or since its time is up.
  bool Note(const Left& left, TimePoint now, int64_t now_unix_ns);

  [[nodiscard]] v1::Drain::Phase phase() const { return phase_; }
  [[nodiscard]] DrainMode mode() const;
  [[nodiscard]] bool exits() const { return request_.exit_when_drained; }
  [[nodiscard]] const Left& left() const { return left_; }
  [[nodiscard]] v1::Drain ToProto() const;

 private:
  v1::Drain::Phase phase_ = v1::Drain::PHASE_SERVING;
  DrainRequest request_;
  TimePoint deadline_{};
  int64_t start_unix_ns_ = 0;
  int64_t deadline_unix_ns_ = 0;
  int64_t end_unix_ns_ = 0;
  Left left_;
};

}  // namespace culvert::server
