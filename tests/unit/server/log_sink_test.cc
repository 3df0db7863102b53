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

}  // namespace
}  // namespace culvert::server
