// LogBook: the last lines of the daemon's log, for who reads them through the API (TailLogs). Every line has a number, one more than the one
// before: a reader says how far it has read, and a gap is what it missed.
// Thread: any. Lines are immutable and shared by all readers.
// Limits: kMaxLines, kMaxBytes of text; a text of a line beyond kMaxTextBytes is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "core/base/log.h"
#include "culvert/v1/observe.pb.h"

namespace culvert::server {

class LogBook {
 public:
  static constexpr size_t kMaxLines = 4096;
  static constexpr size_t kMaxBytes = 1 << 20;
  static constexpr size_t kMaxTextBytes = 4096;

  using Line = std::shared_ptr<const v1::LogRecord>;
  // As EndedBatch (ended_log.h).
  struct Batch {
    std::vector<Line> lines;
    uint64_t last = 0;
    uint64_t lost = 0;
  };

  void Add(int64_t unix_ns, LogLevel level, std::string_view component, std::string_view message, std::initializer_list<LogField> fields);
  // `after` 0: everything there is, and nothing counts as lost.
  [[nodiscard]] Batch Read(uint64_t after) const;

 private:
  mutable std::mutex mutex_;
  std::deque<Line> lines_;  // guarded by mutex_, like all below
  size_t bytes_ = 0;
  uint64_t last_ = 0;
};

v1::LogLevel ToProto(LogLevel level);

// Writes to `sink` and into `book`, which both outlive it.
std::unique_ptr<LogSink> KeepIn(LogBook& book, LogSink& sink);

}  // namespace culvert::server
