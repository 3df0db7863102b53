#include "core/base/log.h"

#include <atomic>
#include <cstdio>

namespace culvert {
namespace {

std::atomic<LogSink*> g_sink{nullptr};
std::atomic<LogLevel> g_least{LogLevel::kInfo};

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

}  // namespace

void SetLogSink(LogSink* sink) { g_sink.store(sink); }
void SetLogLevel(LogLevel least) { g_least.store(least); }
bool IsLogged(LogLevel level) { return level >= g_least.load(std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view component, std::string_view message, std::initializer_list<LogField> fields) {
  if (!IsLogged(level)) return;
  if (LogSink* sink = g_sink.load()) return sink->Write(level, component, message, fields);
  std::string line(kNames[static_cast<int>(level)]);
  line.append(" ").append(component).append(": ").append(message);
  for (const LogField& field : fields) line.append(" ").append(field.key).append("=").append(field.value);
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace culvert
