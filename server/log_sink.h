// The daemon's log: one line an event on standard error, as text for people or as JSON for machines, behind core/base/log.h.
// JSON keys: ts (RFC 3339, UTC, microseconds), level, component, msg, then the fields. Control characters are escaped in both
// forms, so that no value can begin a line of its own.
// Thread: any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/log.h"

namespace culvert::server {

enum class LogFormat : uint8_t { kText, kJson };

std::unique_ptr<LogSink> CreateLogSink(LogFormat format);

// One line, without its newline. Exposed for tests.
std::string FormatLogLine(LogFormat format, int64_t unix_ns, LogLevel level, std::string_view component,
                          std::string_view message, std::initializer_list<LogField> fields);

}  // namespace culvert::server
