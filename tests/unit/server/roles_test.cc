// Every method of the API with every role, as the protos declare it; and who is let in at all.
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <set>

#include "server/access/methods.h"
#include "server/access/unix_door.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string PolicyFor(const std::string& role) {
  return role.empty() ? "rules: [{deny: true, principals: ['*']}]" : "rules: [{role: " + role + ", principals: ['uid:" + std::to_string(UserId()) + "']}]";
}

// An empty request to any method, whatever its kind, and its status; CANCELLED: it was answered, and the call given up then.
grpc::Status CallEmpty(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  grpc::CompletionQueue queue;
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  const std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call = stub.PrepareCall(&context, "/" + method, &queue);
  call->StartCall(nullptr);
  wait();
  grpc::Slice empty;
  call->WriteLast(grpc::ByteBuffer(&empty, 1), grpc::WriteOptions(), nullptr);
  wait();
  grpc::Status status;
  grpc::ByteBuffer message;
  call->Read(&message, nullptr);
  if (wait()) context.TryCancel();  // a stream might go on
  call->Finish(&status, nullptr);
  wait();
  queue.Shutdown();
  return status;
}

class RolesTest : public ControlFixture, public testing::WithParamInterface<const char*> {
 protected:
  RolesTest() : ControlFixture(PolicyFor(GetParam())) {}
};

TEST_P(RolesTest, CallsWhatItsRoleAllowsAndNothingElse) {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  ASSERT_TRUE(v1::Role_Parse(std::string("ROLE_") + GetParam(), &role));
  size_t denied = 0;
  size_t allowed = 0;
  for (const google::protobuf::ServiceDescriptor* service : ApiServices()) {
    for (int i = 0; i < service->method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *service->method(i);
      const grpc::Status status = CallEmpty(channel_, PathOf(method));
      EXPECT_NE(status.error_code(), grpc::UNIMPLEMENTED) << PathOf(method) << " is declared and not served";
      EXPECT_NE(status.error_code(), grpc::DEADLINE_EXCEEDED) << PathOf(method);
      if (role >= RulesOf(method).role()) {
        ++allowed;
        EXPECT_NE(status.error_code(), grpc::PERMISSION_DENIED) << PathOf(method);
        EXPECT_NE(status.error_code(), grpc::UNAUTHENTICATED) << PathOf(method);
      } else {
        ++denied;
        EXPECT_EQ(status.error_code(), grpc::PERMISSION_DENIED) << PathOf(method);
        EXPECT_EQ(ReasonIn(status), "ROLE_REQUIRED") << PathOf(method);
        EXPECT_EQ(InfoOf(status).metadata().at("required_role"), RoleText(RulesOf(method).role())) << PathOf(method);
      }
    }
  }
  EXPECT_GT(allowed, 15u);
  EXPECT_EQ(denied > 10, role == v1::ROLE_VIEWER);
}

INSTANTIATE_TEST_SUITE_P(Roles, RolesTest, testing::Values("VIEWER", "OPERATOR", "ADMIN"), [](const auto& one) { return std::string(one.param); });

class AccessTest : public ControlFixture {
 protected:
  explicit AccessTest(const std::string& policy = PolicyFor("OPERATOR")) : ControlFixture(policy) {}
  grpc::Status WhoAmI(v1::WhoAmIResponse* response, const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return v1::AccessService::NewStub(channel)->WhoAmI(&context, {}, response);
  }
};

TEST_F(AccessTest, TellsTheCallerWhoItIs) {
  v1::WhoAmIResponse who;
  ASSERT_TRUE(WhoAmI(&who, channel_).ok());
  ASSERT_GE(who.principals_size(), 2);
  EXPECT_EQ(who.principals(0), "uid:" + std::to_string(UserId()));
  EXPECT_EQ(who.principals(1), "gid:" + std::to_string(GroupId()));
  EXPECT_EQ(who.role(), v1::ROLE_OPERATOR);
  EXPECT_EQ(who.channel(), v1::CONTROL_CHANNEL_UNIX);
}

TEST_F(AccessTest, TellsWhatTheCallerMayCall) {
  v1::TestPermissionsRequest request;
  v1::TestPermissionsResponse response;
  for (const char* method : {"culvert.v1.ListenerService/GetListener", "/culvert.v1.ListenerService/CreateListener", "culvert.v1.None/Such"}) {
    request.add_methods(method);
  }
  ASSERT_TRUE(Call<v1::AccessService>(&v1::AccessService::Stub::TestPermissions, request, &response).ok());
  EXPECT_THAT(response.allowed(), ElementsAre("culvert.v1.ListenerService/GetListener", "/culvert.v1.ListenerService/CreateListener"));
  request.clear_methods();
  response.Clear();
  ASSERT_TRUE(Call<v1::AccessService>(&v1::AccessService::Stub::TestPermissions, request, &response).ok());
  EXPECT_GT(response.allowed_size(), 20);
}

TEST_F(AccessTest, AChangedPolicyCountsForConnectionsThatAreThere) {
  v1::WhoAmIResponse who;
  ASSERT_TRUE(WhoAmI(&who, channel_).ok());
  EXPECT_EQ(who.role(), v1::ROLE_OPERATOR);
  SetPolicy(PolicyFor("VIEWER"));
  // The file is looked at every second.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  do {
    who.Clear();
    static_cast<void>(WhoAmI(&who, channel_));
  } while (who.role() != v1::ROLE_VIEWER && std::chrono::steady_clock::now() < give_up);
  EXPECT_EQ(who.role(), v1::ROLE_VIEWER);
}

TEST_F(AccessTest, OneUserHasAFewConnectionsOnly) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  size_t let_in = 0;
  for (size_t i = 0; i < UnixDoor::kMaxConnectionsPerUser + 4; ++i) {
    channels.push_back(NewChannel());
    v1::WhoAmIResponse who;
    if (WhoAmI(&who, channels.back()).ok()) ++let_in;
  }
  EXPECT_EQ(let_in, UnixDoor::kMaxConnectionsPerUser);
  // Those that end make room.
  channels.clear();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  v1::WhoAmIResponse who;
  while (!WhoAmI(&who, NewChannel()).ok() && std::chrono::steady_clock::now() < give_up) {
  }
  EXPECT_EQ(who.role(), v1::ROLE_OPERATOR);
}

class NobodyTest : public AccessTest {
 protected:
  NobodyTest() : AccessTest(PolicyFor("")) {}
};

TEST_F(NobodyTest, WhoHasNoRoleIsTurnedAwayBeforeAByteIsRead) {
  v1::WhoAmIResponse who;
  EXPECT_EQ(WhoAmI(&who, channel_).error_code(), grpc::UNAVAILABLE);
  for (const google::protobuf::ServiceDescriptor* service : ApiServices()) {
    EXPECT_EQ(CallEmpty(channel_, PathOf(*service->method(0))).error_code(), grpc::UNAVAILABLE);
  }
  EXPECT_EQ(CallEmpty(channel_, "grpc.health.v1.Health/Check").error_code(), grpc::UNAVAILABLE);
}

class StockServicesTest : public ControlFixture, public testing::WithParamInterface<const char*> {
 protected:
  StockServicesTest() : ControlFixture(PolicyFor(GetParam())) {}
};

TEST_P(StockServicesTest, ChannelzIsForAdmins) {
  const auto is_served = [this](const std::string& method) { return CallEmpty(channel_, method).error_code() != grpc::UNIMPLEMENTED; };
  EXPECT_TRUE(is_served("grpc.health.v1.Health/Check"));
  EXPECT_TRUE(is_served("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
  EXPECT_EQ(is_served("grpc.channelz.v1.Channelz/GetServers"), std::string(GetParam()) == "ADMIN");
}

INSTANTIATE_TEST_SUITE_P(Roles, StockServicesTest, testing::Values("VIEWER", "OPERATOR", "ADMIN"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace culvert::server
