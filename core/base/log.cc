#include "core/base/log.h"

#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>

namespace culvert {
namespace {

std::atomic<LogSink*> g_sink{nullptr};
std::atomic<LogLevel> g_least{LogLevel::kInfo};

// Components with a level of their own. `count` is read without the lock, so that a log without any costs nothing more.
struct Components {
  std::mutex mutex;
  std::map<std::string, LogLevel, std::less<>> levels;  // guarded by mutex
  std::atomic<size_t> count{0};
};
Components& OwnLevels() {
  static auto* const components = new Components;  // for the rest of the process: the last lines come late
  return *components;
}

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

}  // namespace

void SetLogSink(LogSink* sink) { g_sink.store(sink); }
void SetLogLevel(LogLevel least) { g_least.store(least); }
LogLevel GetLogLevel() { return g_least.load(); }

void SetLogLevel(std::string_view component, std::optional<LogLevel> least) {
  Components& own = OwnLevels();
  const std::lock_guard lock(own.mutex);
  if (least) {
    own.levels.insert_or_assign(std::string(component), *least);
  } else if (const auto at = own.levels.find(component); at != own.levels.end()) {
    own.levels.erase(at);
  }
  own.count = own.levels.size();
}

std::optional<LogLevel> GetLogLevel(std::string_view component) {
  Components& own = OwnLevels();
  if (own.count == 0) return std::nullopt;
  const std::lock_guard lock(own.mutex);
  const auto at = own.levels.find(component);
  return at != own.levels.end() ? std::optional(at->second) : std::nullopt;
}

bool IsLogged(LogLevel level, std::string_view component) {
  return level >= GetLogLevel(component).value_or(g_least.load(std::memory_order_relaxed));
}

void Log(LogLevel level, std::string_view component, std::string_view message, std::initializer_list<LogField> fields) {
  if (!IsLogged(level, component)) return;
  if (LogSink* sink = g_sink.load()) return sink->Write(level, component, message, fields);
  std::string line(kNames[static_cast<int>(level)]);
  line.append(" ").append(component).append(": ").append(message);
  for (const LogField& field : fields) line.append(" ").append(field.key).append("=").append(field.value);
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace culvert
