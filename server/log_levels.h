// LogLevels: changes of the log's levels while the daemon runs, some of them for a while only.
// Thread: the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/base/time.h"
#include "server/control_thread.h"

namespace culvert::server {

// The components that have a level of their own, as log lines show them; not the audit trail, which nobody turns off.
const std::vector<std::string>& LogComponents();

class LogLevels {
 public:
  // Outlives it.
  explicit LogLevels(ControlThread& thread) : thread_(thread) {}

  // Returns the level before. `component` empty: of all. `revert_after` zero: until the next change. REQUIRES: a known component.
  LogLevel Set(const std::string& component, LogLevel level, Duration revert_after);

 private:
  ControlThread& thread_;
  struct Change {
    uint64_t number = 0;                // an older one reverts nothing
    std::optional<LogLevel> lasting;    // what a change for a while goes back to
    bool is_for_a_while = false;
  };
  std::map<std::string, Change> changes_;  // the latest of each component
  uint64_t next_change_ = 1;
};

}  // namespace culvert::server
