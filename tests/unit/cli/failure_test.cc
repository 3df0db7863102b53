#include "cli/process/failure.h"

#include <sstream>

#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

TEST(ExitCodes, StandForGrpcCodes) {
  using grpc::StatusCode;
  const std::pair<StatusCode, int> rows[] = {
      {StatusCode::OK, 0},
      {StatusCode::CANCELLED, 8},
      {StatusCode::UNKNOWN, 8},
      {StatusCode::INVALID_ARGUMENT, 2},
      {StatusCode::DEADLINE_EXCEEDED, 7},
      {StatusCode::NOT_FOUND, 3},
      {StatusCode::ALREADY_EXISTS, 6},
      {StatusCode::PERMISSION_DENIED, 4},
      {StatusCode::RESOURCE_EXHAUSTED, 8},
      {StatusCode::FAILED_PRECONDITION, 6},
      {StatusCode::ABORTED, 6},
      {StatusCode::OUT_OF_RANGE, 2},
      {StatusCode::UNIMPLEMENTED, 8},
      {StatusCode::INTERNAL, 8},
      {StatusCode::UNAVAILABLE, 5},
      {StatusCode::DATA_LOSS, 8},
      {StatusCode::UNAUTHENTICATED, 4},
  };
  for (const auto& [code, exit] : rows) EXPECT_EQ(static_cast<int>(ExitCodeOf(code)), exit) << code;
}

std::string Printed(const Failure& failure, bool verbose = false) {
  std::ostringstream out, err;
  std::istringstream in;
  Streams streams{out, err, in};
  Print(failure, verbose, streams);
  EXPECT_EQ(out.str(), "");
  return err.str();
}

TEST(FromServer, ShowsMessageAndReason) {
  EXPECT_EQ(Printed(FromServer(
                ErrorWithDetails(grpc::StatusCode::NOT_FOUND, "listener/x does not exist", "RESOURCE_NOT_FOUND"))),
            "error: listener/x does not exist (RESOURCE_NOT_FOUND)\n");
}

TEST(FromServer, ShowsEveryFieldOnItsLine) {
  google::rpc::BadRequest bad;
  for (const char* field : {"listener.spec.bind", "listener.metadata.name"}) {
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description("is wrong");
  }
  EXPECT_EQ(
      Printed(FromServer(ErrorWithDetails(grpc::StatusCode::INVALID_ARGUMENT, "2 fields", "INVALID_FIELD", {&bad}))),
      "error: listener.spec.bind: is wrong (INVALID_FIELD)\n"
      "error: listener.metadata.name: is wrong (INVALID_FIELD)\n");
}

TEST(FromServer, MakesHostileTextsPrintable) {
  EXPECT_EQ(Printed(FromServer(grpc::Status(grpc::StatusCode::INTERNAL, "a\x1b[2J\nerror: forged"))),
            "error: a\\x1b[2J\\nerror: forged\n");
}

TEST(FromServer, TakesDetailsThatAreNoDetails) {
  EXPECT_EQ(Printed(FromServer(grpc::Status(grpc::StatusCode::INTERNAL, "x", "\xff\xff garbage"))), "error: x\n");
}

TEST(IsRefusal, IsTheFarSidesNo) {
  const auto refused = [](grpc::StatusCode code, const std::string& reason) {
    return IsRefusal(ServerError::Decode(ErrorWithDetails(code, "x", reason)));
  };
  constexpr auto kPrecondition = grpc::StatusCode::FAILED_PRECONDITION;
  EXPECT_TRUE(refused(kPrecondition, "CONNECT_REFUSED"));
  EXPECT_TRUE(refused(kPrecondition, "DESTINATION_DENIED"));
  EXPECT_FALSE(refused(kPrecondition, "DIAL_FAILED"));
  EXPECT_FALSE(refused(kPrecondition, "HEADER_MISMATCH"));
  EXPECT_FALSE(refused(kPrecondition, "UNSPECIFIED"));
  EXPECT_FALSE(refused(kPrecondition, "NO_ANSWER"));
  EXPECT_FALSE(refused(kPrecondition, ""));
  EXPECT_FALSE(refused(grpc::StatusCode::UNAVAILABLE, "CONNECT_REFUSED"));
}

TEST(Print, AddsAdviceAndDetail) {
  const Failure failure{ExitCode::kConflict, {"a is used"}, "do this", "more"};
  EXPECT_EQ(Printed(failure), "error: a is used\nnext: do this\n");
  EXPECT_EQ(Printed(failure, true), "error: a is used\nnext: do this\nmore\n");
}

}  // namespace
}  // namespace culvert::cli
