// What a person would look for first when a daemon does badly, judged from what the daemon says of itself: no connection here, so that every
// judgement can be tested.
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "culvert/v1/daemon.pb.h"
#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/session.pb.h"

namespace culvert::cli {

struct Finding {
  enum class Grade { kOk, kSkipped, kWarn, kFail };
  Grade grade = Grade::kOk;
  std::string check;   // "buffers"
  std::string detail;  // one line, printable
  std::string fix;     // what to do; empty: nothing, or it is in the detail
};
std::string GradeName(Finding::Grade grade);

// What is known of the daemon. `now`: our clock when the daemon's was read, Unix seconds.
struct Surveyed {
  std::string client_version;
  int64_t now = 0;
  v1::Daemon daemon;
  v1::GetConfigStatusResponse config;
  std::vector<v1::Object> objects;
  std::vector<v1::Session> sessions;
};

// Findings of every check that needs no probe, in the order in which people look.
std::vector<Finding> Judge(const Surveyed& surveyed);

// What came of probing a dialer: the last step for each of its targets.
std::vector<Finding> JudgeProbe(const v1::Dialer& dialer, const std::vector<v1::ProbeDialerResponse>& last_steps);

}  // namespace culvert::cli
