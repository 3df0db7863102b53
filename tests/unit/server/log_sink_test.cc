#include "server/log_sink.h"

#include <gtest/gtest.h>

namespace culvert::server {
namespace {

constexpr int64_t kTime = 1700000000'123456789;

TEST(LogSinkTest, JsonIsOneObjectALine) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, kTime, LogLevel::kWarning, "control", "a \"quoted\"\nline", {{"listener", "in"}}),
            R"({"ts":"2023-11-14T22:13:20.123456Z","level":"warning","component":"control","msg":"a \"quoted\"\nline","listener":"in"})");
}

TEST(LogSinkTest, TextLeavesOutEmptyFieldsAndNeverBreaksTheLine) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, "daemon", "x\ny", {{"a", ""}, {"b", "1\x1b[0m"}}),
            "2023-11-14T22:13:20.123456Z info    daemon: x\\ny b=1\\u001b[0m");
}

// A name that is shown backwards, a line separator, and what is no UTF-8.
TEST(LogSinkTest, NothingThatATerminalActsOnGetsThrough) {
  const std::string hostile = "a\u202eb\u2028c\u00e9\xff";
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, "daemon", hostile, {}), "2023-11-14T22:13:20.123456Z info    daemon: a\\u202eb\\u2028c\u00e9?");
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, kTime, LogLevel::kInfo, "daemon", hostile, {}),
            "{\"ts\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"info\",\"component\":\"daemon\",\"msg\":\"a\\u202eb\\u2028c\u00e9?\"}");
  // Beyond the first plane JSON has two halves.
  EXPECT_TRUE(FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, "daemon", "\U000e0041", {}).ends_with(" daemon: \\U000e0041"));
  EXPECT_TRUE(FormatLogLine(LogFormat::kJson, kTime, LogLevel::kInfo, "daemon", "\U000e0041", {}).ends_with("\"msg\":\"\\udb40\\udc41\"}"));
}

}  // namespace
}  // namespace culvert::server
