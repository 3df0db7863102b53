#include "server/log_book.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "proto/manifest/utf8.h"
#include "server/stats_proto.h"

namespace culvert::server {
namespace {

// What a message may hold: whole characters of UTF-8, and no more of them than asked.
std::string Kept(std::string_view text) {
  std::string kept;
  while (!text.empty() && kept.size() < LogBook::kMaxTextBytes) {
    const manifest::CodePoint point = manifest::DecodeUtf8(text);
    const size_t length = point.length == 0 ? 1 : point.length;
    if (point.length == 0) {
      kept += '?';
    } else {
      kept.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return kept;
}

size_t BytesOf(const v1::LogRecord& line) {
  size_t bytes = sizeof line + line.component().size() + line.message().size();
  for (const auto& [key, value] : line.fields()) bytes += key.size() + value.size();
  return bytes;
}

class KeepingSink final : public LogSink {
 public:
  KeepingSink(LogBook& book, LogSink& sink) : book_(book), sink_(sink) {}

  void Write(LogLevel level, std::string_view component, std::string_view message, std::initializer_list<LogField> fields) override {
    sink_.Write(level, component, message, fields);
    book_.Add(io::UnixNanoseconds(), level, component, message, fields);
  }

 private:
  LogBook& book_;
  LogSink& sink_;
};

}  // namespace

void LogBook::Add(int64_t unix_ns, LogLevel level, std::string_view component, std::string_view message,
                  std::initializer_list<LogField> fields) {
  auto line = std::make_shared<v1::LogRecord>();
  *line->mutable_time() = ToTimestamp(unix_ns);
  line->set_level(ToProto(level));
  line->set_component(Kept(component));
  line->set_message(Kept(message));
  for (const LogField& field : fields) {
    if (!field.value.empty()) (*line->mutable_fields())[Kept(field.key)] = Kept(field.value);
  }
  const size_t bytes = BytesOf(*line);
  const std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
  bytes_ += bytes;
  ++last_;
  while (lines_.size() > kMaxLines || (bytes_ > kMaxBytes && lines_.size() > 1)) {
    bytes_ -= BytesOf(*lines_.front());
    lines_.pop_front();
  }
}

LogBook::Batch LogBook::Read(uint64_t after) const {
  const std::lock_guard lock(mutex_);
  Batch batch;
  batch.last = last_;
  const uint64_t oldest = last_ - lines_.size() + 1;
  if (after != 0 && after + 1 < oldest) batch.lost = oldest - after - 1;
  for (uint64_t number = std::max(after + 1, oldest); number <= last_; ++number) batch.lines.push_back(lines_[number - oldest]);
  return batch;
}

v1::LogLevel ToProto(LogLevel level) {
  switch (level) {
    case LogLevel::kError: return v1::LOG_LEVEL_ERROR;
    case LogLevel::kWarning: return v1::LOG_LEVEL_WARNING;
    case LogLevel::kInfo: return v1::LOG_LEVEL_INFO;
    case LogLevel::kDebug: break;
  }
  return v1::LOG_LEVEL_DEBUG;
}

std::unique_ptr<LogSink> KeepIn(LogBook& book, LogSink& sink) { return std::make_unique<KeepingSink>(book, sink); }

}  // namespace culvert::server
