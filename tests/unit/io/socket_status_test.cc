#include "core/io/socket_status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace culvert::io {
namespace {

TEST(SocketStatus, SaysWhatWasTriedAndWhy) {
  const absl::Status status = SocketStatus("bind 127.0.0.1:4000", EADDRINUSE);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(status.message()), "bind 127.0.0.1:4000: address already in use");
  EXPECT_EQ(ReasonOf(status), "ADDRESS_IN_USE");
}

TEST(SocketStatus, ReasonsTellBindFailuresApart) {
  EXPECT_EQ(ReasonOf(SocketStatus("bind", EACCES)), "BIND_NOT_PERMITTED");
  EXPECT_EQ(ReasonOf(SocketStatus("bind", EPERM)), "BIND_NOT_PERMITTED");
  EXPECT_EQ(ReasonOf(SocketStatus("bind", EADDRNOTAVAIL)), "ADDRESS_NOT_AVAILABLE");
  EXPECT_EQ(ReasonOf(SocketStatus("connect", ECONNREFUSED)), "CONNECT_REFUSED");
  EXPECT_EQ(ReasonOf(SocketStatus("connect", ENETUNREACH)), "UNREACHABLE");
  EXPECT_EQ(ReasonOf(SocketStatus("connect", ETIMEDOUT)), "CONNECT_TIMEOUT");
  EXPECT_EQ(SocketStatus("accept", EMFILE).code(), absl::StatusCode::kResourceExhausted);
}

TEST(SocketStatus, OthersHaveNoReason) {
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(ReasonOf(SocketStatus("do", EINVAL)), "");
  EXPECT_EQ(SocketStatus("do", EINVAL).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace culvert::io
