// Levelled log lines for code that must not know how they are written. Set-up and control paths only: the data path
// counts instead. The program installs one sink at start; without one, lines go to standard error as text.
// Thread: any. The sink must be safe to call from any thread.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace culvert {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One key and its value, e.g. {"listener", name}.
struct LogField {
  std::string_view key;
  std::string value;
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Write(LogLevel level, std::string_view component, std::string_view message,
                     std::initializer_list<LogField> fields) = 0;
};

// Installs `sink` for the rest of the process; nullptr restores the default. Not while other threads log.
void SetLogSink(LogSink* sink);
// Of every component that has no level of its own.
void SetLogLevel(LogLevel least);
LogLevel GetLogLevel();
// Of one component; nullopt: that of all again.
void SetLogLevel(std::string_view component, std::optional<LogLevel> least);
std::optional<LogLevel> GetLogLevel(std::string_view component);
bool IsLogged(LogLevel level, std::string_view component);
void Log(LogLevel level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields = {});

}  // namespace culvert
