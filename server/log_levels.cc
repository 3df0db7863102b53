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
  const uint64_t change = next_change_++;
  changes_[component] = change;
  if (revert_after > Duration::zero()) {
    thread_.RunAt(io::Now() + revert_after, [this, component, before, change] {
      if (changes_[component] == change) Put(component, before);
    });
  }
  Log(LogLevel::kInfo, "control", "log level changed", {{"component", component}});
  return previous;
}

}  // namespace culvert::server
