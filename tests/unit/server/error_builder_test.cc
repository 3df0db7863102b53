#include "server/error_builder.h"

#include <gmock/gmock.h>

#include <map>

#include "google/rpc/status.pb.h"
#include "server/listener_sockets.h"
#include "server/status_mapping.h"

namespace culvert::server {
namespace {

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

std::map<std::string, int> DetailTypes(const grpc::Status& status) {
  std::map<std::string, int> types;
  const google::rpc::Status details = Details(status);
  for (const auto& detail : details.details()) ++types[detail.type_url().substr(detail.type_url().rfind('.') + 1)];
  return types;
}

struct Case {
  absl::Status status;
  grpc::StatusCode code;
  std::string reason;
  std::string detail;  // beside ErrorInfo; empty: none
};

TEST(ErrorBuilderTest, EveryErrorHasItsCodeReasonAndDetails) {
  const ObjectKey key{Kind::kListener, "in"};
  const std::vector<Case> cases = {
      {InvalidField("a.b", "wrong"), grpc::INVALID_ARGUMENT, "INVALID_FIELD", "BadRequest"},
      {InvalidFields({{"a", "fixed", "FIELD_IMMUTABLE"}}), grpc::INVALID_ARGUMENT, "FIELD_IMMUTABLE", "BadRequest"},
      {NotFound(key), grpc::NOT_FOUND, "RESOURCE_NOT_FOUND", "ResourceInfo"},
      {SessionNotFound("x"), grpc::NOT_FOUND, "RESOURCE_NOT_FOUND", "ResourceInfo"},
      {AlreadyExists(key), grpc::ALREADY_EXISTS, "RESOURCE_EXISTS", "ResourceInfo"},
      {EtagMismatch(key, "\"1\""), grpc::ABORTED, "ETAG_MISMATCH", ""},
      {ManagedByOther({key}, "file"), grpc::FAILED_PRECONDITION, "MANAGED_BY_OTHER", "PreconditionFailure"},
      {ResourceInUse(key, {{Kind::kForward, "f"}}), grpc::FAILED_PRECONDITION, "RESOURCE_IN_USE", "PreconditionFailure"},
      {LimitExceeded("probes", 16), grpc::RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", "QuotaFailure"},
      {DaemonStopping(), grpc::UNAVAILABLE, "DAEMON_STOPPING", "RetryInfo"},
      {ControlOverloaded(), grpc::UNAVAILABLE, "CONTROL_OVERLOADED", "RetryInfo"},
      {InternalError("what happened"), grpc::INTERNAL, "INTERNAL", ""},
  };
  for (const Case& one : cases) {
    const grpc::Status status = ToGrpcStatus(one.status);
    EXPECT_EQ(status.error_code(), one.code) << one.reason;
    EXPECT_EQ(ReasonOf(one.status), one.reason);
    std::map<std::string, int> expected = {{"ErrorInfo", 1}};
    if (!one.detail.empty()) expected[one.detail] = 1;
    EXPECT_EQ(DetailTypes(status), expected) << one.reason;
    EXPECT_EQ(Details(status).code(), one.code);
    EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(one.status).domain(), "culvert");
  }
}

TEST(ErrorBuilderTest, BadRequestNamesEveryField) {
  const absl::Status status = InvalidFields({{"objects[2].spec.kcp.mtu_bytes", "100 is not in [576, 1460]"}, {"b", "c"}});
  EXPECT_EQ(std::string(status.message()), "objects[2].spec.kcp.mtu_bytes: 100 is not in [576, 1460] (and 1 more)");
  const auto detail = DetailOf<google::rpc::BadRequest>(status);
  ASSERT_EQ(detail.field_violations_size(), 2);
  EXPECT_EQ(detail.field_violations(0).field(), "objects[2].spec.kcp.mtu_bytes");
  EXPECT_EQ(detail.field_violations(0).description(), "100 is not in [576, 1460]");
}

TEST(ErrorBuilderTest, StaysBelowWhatTrailersMayCarry) {
  Violations violations;
  for (int i = 0; i < 100; ++i) violations.push_back({"field" + std::to_string(i), std::string(200, 'x')});
  violations[0].path = std::string(5000, 'p');
  const absl::Status status = InvalidFields(violations);
  const grpc::Status sent = ToGrpcStatus(status);
  EXPECT_LT(sent.error_details().size() * 4 / 3 + sent.error_message().size(), 8192u);
  EXPECT_GT(DetailOf<google::rpc::BadRequest>(status).field_violations_size(), 5);
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  EXPECT_GT(std::stoi(info.metadata().at("omitted")), 50);
}

// What callers sent comes back in errors: cut within a letter it could not be parsed, and printed it could do anything.
TEST(ErrorBuilderTest, TextsAreWholeLettersInOneLine) {
  const std::string hostile = "a\x1b[2J\nb\x7f\xe2\x80\xae" "c";
  EXPECT_EQ(NotFound({Kind::kListener, hostile}).message(), "listener/a?[2J?b????c: does not exist");
  const auto cut = DetailOf<google::rpc::BadRequest>(InvalidField("x", hostile + "\xc3"));
  EXPECT_EQ(cut.field_violations(0).description(), "a?[2J?b????c?");
  // Wherever the cut falls, no letter is cut.
  for (size_t before = kMaxErrorMessageBytes - 8; before < kMaxErrorMessageBytes; ++before) {
    const std::string text = std::string(before, 'x') + "\xc3\xa9\xf0\x9f\x98\x80 and more";
    const absl::Status longer = ErrorBuilder(absl::StatusCode::kAborted, "X", text).Build();
    google::rpc::Status parsed;
    ASSERT_TRUE(parsed.ParseFromString(ToGrpcStatus(longer).error_details())) << before;
    EXPECT_LE(parsed.message().size(), kMaxErrorMessageBytes);
    EXPECT_TRUE(parsed.message().ends_with("...")) << before;
  }
}

TEST(ErrorBuilderTest, AnErrorNobodyBuiltIsABugAndTellsNothing) {
  const grpc::Status status = ToGrpcStatus(absl::NotFoundError("/secret/path"));
  EXPECT_EQ(status.error_code(), grpc::INTERNAL);
  EXPECT_EQ(status.error_message().find("secret"), std::string::npos);
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(ErrorFromSocketTest, KeepsTheReasonOfTheSystem) {
  const auto binder = CreateSocketBinder();
  v1::ListenerSpec spec;
  spec.set_transport(v1::TRANSPORT_TCP);
  spec.set_bind("192.0.2.1:1");  // TEST-NET-1: no address of this machine
  const auto bound = binder->Bind(spec, 1, "objects[1].spec.bind");
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(bound.status()), "ADDRESS_NOT_AVAILABLE");
  const auto detail = DetailOf<google::rpc::PreconditionFailure>(bound.status());
  ASSERT_EQ(detail.violations_size(), 1);
  EXPECT_EQ(detail.violations(0).type(), "SOCKET");
  EXPECT_EQ(detail.violations(0).subject(), "192.0.2.1:1");
}

}  // namespace
}  // namespace culvert::server
