#include "server/log_book.h"

#include <gtest/gtest.h>

#include <string>

namespace culvert::server {
namespace {

TEST(LogBook, KeepsLinesWithTheirFields) {
  LogBook book;
  book.Add(1'500'000'000, LogLevel::kWarning, "dial", "no answer", {{"peer", "10.0.0.1:4"}, {"empty", ""}});
  const LogBook::Batch batch = book.Read(0);
  ASSERT_EQ(batch.lines.size(), 1u);
  const v1::LogRecord& line = *batch.lines.front();
  EXPECT_EQ(line.time().seconds(), 1);
  EXPECT_EQ(line.level(), v1::LOG_LEVEL_WARNING);
  EXPECT_EQ(line.component(), "dial");
  EXPECT_EQ(line.message(), "no answer");
  EXPECT_EQ(line.fields().size(), 1u);
  EXPECT_EQ(line.fields().at("peer"), "10.0.0.1:4");
  EXPECT_TRUE(book.Read(batch.last).lines.empty());
}

TEST(LogBook, MakesWholeCharactersOfWhatIsLogged) {
  LogBook book;
  const std::string letters(LogBook::kMaxTextBytes - 1, 'a');
  book.Add(0, LogLevel::kInfo, "x", "a\xff" "b\xc3", {});
  book.Add(0, LogLevel::kInfo, "x", letters + "\xc3\xa4 and more", {});
  const LogBook::Batch batch = book.Read(0);
  EXPECT_EQ(batch.lines[0]->message(), "a?b?");
  EXPECT_EQ(batch.lines[1]->message(), letters + "\xc3\xa4");
}

TEST(LogBook, ForgetsTheOldestByNumberAndBySize) {
  LogBook book;
  for (size_t i = 0; i < LogBook::kMaxLines + 10; ++i) book.Add(0, LogLevel::kInfo, "x", std::to_string(i), {});
  const LogBook::Batch batch = book.Read(0);
  EXPECT_LE(batch.lines.size(), LogBook::kMaxLines);
  EXPECT_EQ(batch.lines.back()->message(), std::to_string(LogBook::kMaxLines + 9));
  EXPECT_EQ(batch.last, LogBook::kMaxLines + 10);
  EXPECT_EQ(book.Read(1).lost, batch.last - batch.lines.size() - 1);

  LogBook large;
  const std::string text(LogBook::kMaxTextBytes, 'x');
  for (int i = 0; i < 1000; ++i) large.Add(0, LogLevel::kInfo, "x", text, {});
  EXPECT_LE(large.Read(0).lines.size(), LogBook::kMaxBytes / LogBook::kMaxTextBytes);
  EXPECT_GT(large.Read(0).lines.size(), LogBook::kMaxBytes / LogBook::kMaxTextBytes / 2);
}

class SpySink final : public LogSink {
 public:
  int lines = 0;
  void Write(LogLevel, std::string_view, std::string_view, std::initializer_list<LogField>) override { ++lines; }
};

TEST(LogBook, KeepsWhatASinkWrites) {
  LogBook book;
  SpySink spy;
  KeepIn(book, spy)->Write(LogLevel::kError, "control", "trouble", {});
  EXPECT_EQ(spy.lines, 1);
  EXPECT_EQ(book.Read(0).lines.size(), 1u);
}

}  // namespace
}  // namespace culvert::server
