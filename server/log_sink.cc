#include "server/log_sink.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <ctime>

#include "absl/strings/str_format.h"
#include "core/io/monotonic_clock.h"
#include "proto/manifest/utf8.h"

namespace culvert::server {
namespace {

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: break;
  }
  return "error";
}

std::string Rfc3339(int64_t unix_ns) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ns / 1000000000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return absl::StrFormat("%s.%06dZ", std::string(text, size), unix_ns % 1000000000 / 1000);
}

// JSON string escapes, which read well in text too. Whatever a terminal would act on is escaped: logs are read on them, and what callers
// sent stands in them.
void AppendEscaped(std::string& line, std::string_view text, bool is_json) {
  while (!text.empty()) {
    const manifest::CodePoint point = manifest::DecodeUtf8(text);
    const size_t length = std::max<size_t>(point.length, 1);
    const char c = text.front();
    if (c == '\n') {
      line += "\\n";
    } else if (point.length == 0) {
      line += '?';
    } else if (manifest::IsUnsafeToPrint(point.value)) {
      const auto number = static_cast<uint32_t>(point.value);
      if (number <= 0xffff) {
        absl::StrAppendFormat(&line, "\\u%04x", number);
      } else if (is_json) {
        // JSON has no more than four digits: two halves (RFC 8259 section 7).
        absl::StrAppendFormat(&line, "\\u%04x\\u%04x", 0xd800 + ((number - 0x10000) >> 10), 0xdc00 + (number & 0x3ff));
      } else {
        absl::StrAppendFormat(&line, "\\U%08x", number);
      }
    } else {
      if (is_json && (c == '"' || c == '\\')) line += '\\';
      line += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

void AppendJsonField(std::string& line, std::string_view key, std::string_view value) {
  line += line.size() > 1 ? ",\"" : "\"";
  AppendEscaped(line, key, true);
  line += "\":\"";
  AppendEscaped(line, value, true);
  line += '"';
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: break;
  }
  return spdlog::level::err;
}

class SpdlogSink final : public LogSink {
 public:
  explicit SpdlogSink(LogFormat format)
      : format_(format), logger_("culvertd", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%v");  // the line is made here, in both forms
    logger_.set_level(spdlog::level::trace);  // core/base/log.h has filtered already
  }

  void Write(LogLevel level, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields) override {
    const std::string line = FormatLogLine(format_, io::UnixNanoseconds(), level, component, message, fields);
    logger_.log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const LogFormat format_;
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<LogSink> CreateLogSink(LogFormat format) { return std::make_unique<SpdlogSink>(format); }

std::string FormatLogLine(LogFormat format, int64_t unix_ns, LogLevel level, std::string_view component,
                          std::string_view message, std::initializer_list<LogField> fields) {
  std::string line;
  if (format == LogFormat::kJson) {
    line = "{";
    AppendJsonField(line, "ts", Rfc3339(unix_ns));
    AppendJsonField(line, "level", LevelName(level));
    AppendJsonField(line, "component", component);
    AppendJsonField(line, "msg", message);
    for (const LogField& field : fields) AppendJsonField(line, field.key, field.value);
    return line + "}";
  }
  line = absl::StrFormat("%s %-7s %s: ", Rfc3339(unix_ns), LevelName(level), component);
  AppendEscaped(line, message, false);
  for (const LogField& field : fields) {
    if (field.value.empty()) continue;
    line += ' ';
    line += field.key;
    line += '=';
    AppendEscaped(line, field.value, false);
  }
  return line;
}

}  // namespace culvert::server
