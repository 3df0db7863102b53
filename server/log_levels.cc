#include "server/log_levels.h"

#include "core/io/monotonic_clock.h"

namespace culvert::server {
namespace {

// Empty component: of all. nullopt: as all.
void Put(const std::string& component, std::optional<LogLevel> level) {
  if (component.empty()) {
    SetLogLevel(*level);
  } else {
    SetLogLevel(component, level);
  }
}

}  // namespace

const std::vector<std::string>& LogComponents() {
  static const auto* const components = new std::vector<std::string>{"control", "daemon", "dialer", "io", "listener", "state", "worker"};
  return *components;
}

LogLevel LogLevels::Set(const std::string& component, LogLevel level, Duration revert_after) {
  const std::optional<LogLevel> before = component.empty() ? GetLogLevel() : GetLogLevel(component);
  const LogLevel previous = before.value_or(GetLogLevel());
  Put(component, level);
  Change& change = changes_[component];
  if (!change.is_for_a_while) change.lasting = before;  // one for a while that follows another goes back to what was before both
  change.number = next_change_++;
  change.is_for_a_while = revert_after > Duration::zero();
  if (change.is_for_a_while) {
    thread_.RunAt(io::Now() + revert_after, [this, component, number = change.number] {
      Change& latest = changes_[component];
      if (latest.number != number) return;
      latest.is_for_a_while = false;
      Put(component, latest.lasting);
    });
  }
  Log(LogLevel::kInfo, "control", "log level changed", {{"component", component}});
  return previous;
}

}  // namespace culvert::server
