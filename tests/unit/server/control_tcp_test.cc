// The control API over TCP, with mutual TLS as it is: who gets in, what they may call, and how many there may be.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <poll.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "core/io/tcp_socket.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/access/tcp_door.h"
#include "tests/testing/certificate_maker.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using culvert::testing::TempDir;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr char kRules[] = R"(
rules:
  - {role: OPERATOR, principals: ["dns:operator"]}
  - {role: VIEWER, principals: ["dns:viewer"]}
)";
constexpr Duration kHandshakeTimeout = seconds(2);

struct TcpFiles {
  TcpFiles() {
    const Certificate server = MakeLeaf(ca, {"127.0.0.1", "127.0.0.2"});
    folder.Write("ca.crt", ca.certificate_pem);
    folder.Write("server.crt", server.chain_pem);
    folder.Write("server.key", server.private_key_pem, 0600);
  }
  ControlTcpOptions Options() const {
    ControlTcpOptions options;
    options.bind = "0.0.0.0:0";
    options.certificate_file = folder.File("server.crt");
    options.private_key_file = folder.File("server.key");
    options.trust_file = folder.File("ca.crt");
    options.reflection = true;
    options.handshake_timeout = kHandshakeTimeout;
    return options;
  }
  const TempDir folder;
  const Certificate ca = MakeCa("fleet CA");
};

class ControlTcpTest : public ControlFixture {
 protected:
  ControlTcpTest() : ControlTcpTest(std::make_shared<TcpFiles>()) {}
  explicit ControlTcpTest(std::shared_ptr<TcpFiles> files) : ControlFixture(kRules, {}, files->Options()), files_(std::move(files)) {}

  // A channel of its own for whoever has a certificate with `name`.
  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& name, const std::string& host = "127.0.0.1") const {
    const Certificate own = MakeLeaf(files_->ca, {name});
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
    return grpc::CreateCustomChannel(host + ":" + std::to_string(server_->tcp_port()),
                                     grpc::SslCredentials({files_->ca.certificate_pem, own.private_key_pem, own.chain_pem}), arguments);
  }
  static grpc::Status Check(const std::shared_ptr<grpc::Channel>& channel, Clock::duration within = seconds(20)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(within));
    context.set_wait_for_ready(true);
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &response);
    if (status.ok()) {
      EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
    }
    return status;
  }
  // A stream of any method that is opened and answered once; the code of its end, OK while it goes on.
  static grpc::StatusCode OpenStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, const std::string& request) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    context.set_wait_for_ready(true);
    grpc::CompletionQueue queue;
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      return ok;
    };
    const auto call = stub.PrepareCall(&context, method, &queue);
    call->StartCall(nullptr);
    wait();
    grpc::Slice bytes(request);
    call->Write(grpc::ByteBuffer(&bytes, 1), nullptr);
    wait();
    grpc::ByteBuffer message;
    call->Read(&message, nullptr);
    const bool is_answered = wait();
    if (is_answered) context.TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    queue.Shutdown();
    return is_answered ? grpc::OK : status.error_code();
  }

  const std::shared_ptr<TcpFiles> files_;
};

constexpr char kHealthWatch[] = "/grpc.health.v1.Health/Watch";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const std::string kListServices("\x3a\x00", 2);  // ServerReflectionRequest{list_services: ""}

TEST_F(ControlTcpTest, WhoHasARoleMayAskForHealthAndReflection) {
  for (const char* name : {"viewer", "operator"}) {
    const auto channel = ChannelOf(name);
    EXPECT_TRUE(Check(channel).ok()) << name;
    EXPECT_EQ(OpenStream(channel, kHealthWatch, ""), grpc::OK) << name;
    EXPECT_EQ(OpenStream(channel, kReflection, kListServices), grpc::OK) << name;
  }
}

TEST_F(ControlTcpTest, ACertificateAloneIsNoRole) {
  const auto channel = ChannelOf("stranger");
  const grpc::Status status = Check(channel);
  EXPECT_EQ(status.error_code(), grpc::PERMISSION_DENIED) << status.error_message();
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("dns:stranger"));
  EXPECT_EQ(OpenStream(channel, kHealthWatch, ""), grpc::PERMISSION_DENIED);
  EXPECT_EQ(OpenStream(channel, kReflection, kListServices), grpc::PERMISSION_DENIED);
  EXPECT_EQ(OpenStream(channel, "/no.such.Service/Method", ""), grpc::PERMISSION_DENIED) << "nor what is served here";
  // Our own gate still says more.
  grpc::ClientContext context;
  v1::GetDaemonResponse response;
  const grpc::Status refused = v1::DaemonService::NewStub(channel)->GetDaemon(&context, {}, &response);
  EXPECT_EQ(refused.error_code(), grpc::PERMISSION_DENIED);
  EXPECT_EQ(ReasonIn(refused), "ROLE_REQUIRED");
}

TEST_F(ControlTcpTest, WhoLosesTheRoleMayAskNoMore) {
  const auto channel = ChannelOf("viewer");
  ASSERT_TRUE(Check(channel).ok());
  SetPolicy("rules: [{role: VIEWER, principals: ['dns:other']}]");
  const auto give_up = Clock::now() + seconds(20);
  while (Check(channel).ok() && Clock::now() < give_up) {
  }
  EXPECT_EQ(Check(channel).error_code(), grpc::PERMISSION_DENIED);
}

// Connections that never say a word, and how many of them are still open.
class IdleConnections {
 public:
  IdleConnections(int port, const std::string& from, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      auto socket = io::TcpSocket::Connect({IpAddress::LoopbackV4(), static_cast<uint16_t>(port)}, *IpAddress::Parse(from), {});
      EXPECT_TRUE(socket.ok()) << socket.status();
      sockets_.push_back(*std::move(socket));
    }
  }
  size_t Open() { return static_cast<size_t>(std::ranges::count_if(sockets_, IsOpen)); }
  // Until at most `most` are open. False: that takes too long.
  bool WaitUntil(size_t most, Clock::duration within) {
    const auto give_up = Clock::now() + within;
    std::erase_if(sockets_, [](io::TcpSocket& socket) { return !IsOpen(socket); });
    while (sockets_.size() > most) {
      if (Clock::now() > give_up) return false;
      std::vector<pollfd> open;
      for (const io::TcpSocket& socket : sockets_) open.push_back({socket.fd(), POLLIN, 0});
      poll(open.data(), open.size(), 1000);
      std::erase_if(sockets_, [](io::TcpSocket& socket) { return !IsOpen(socket); });
    }
    return true;
  }

 private:
  static bool IsOpen(io::TcpSocket& socket) {
    uint8_t bytes[4096];
    const auto status = socket.Read(bytes).status;
    return status == io::TransferResult::Status::kWouldBlock || status == io::TransferResult::Status::kDone;
  }

  std::vector<io::TcpSocket> sockets_;
};

size_t ResidentKilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

TEST_F(ControlTcpTest, WhoNeverShakesHandsKeepsNobodyOutForLong) {
  const auto waiting = ChannelOf("viewer");
  const size_t before = ResidentKilobytes();
  IdleConnections idle(server_->tcp_port(), "127.0.0.1", 200);
  ASSERT_TRUE(idle.WaitUntil(TcpDoor::kMaxConnectionsPerNetwork, seconds(10))) << "more got in than may";
  // From elsewhere there is room at once; 127.0.1.1 is of another network.
  IdleConnections others(server_->tcp_port(), "127.0.1.1", 200);
  ASSERT_TRUE(others.WaitUntil(TcpDoor::kMaxConnections - TcpDoor::kMaxConnectionsPerNetwork, seconds(10)));
  const auto began = Clock::now();
  EXPECT_TRUE(Check(waiting).ok());
  EXPECT_LT(Clock::now() - began, kHandshakeTimeout + seconds(3));
  EXPECT_TRUE(idle.WaitUntil(0, seconds(10))) << "a handshake has no end";
  EXPECT_TRUE(others.WaitUntil(0, seconds(10)));
  const size_t after = ResidentKilobytes();
  EXPECT_LT(after, before + (32 << 10));
}

TEST_F(ControlTcpTest, OneNetworkLeavesRoomForOthers) {
  IdleConnections idle(server_->tcp_port(), "127.0.1.1", 100);
  ASSERT_TRUE(idle.WaitUntil(TcpDoor::kMaxConnectionsPerNetwork, seconds(10)));
  const auto began = Clock::now();
  EXPECT_TRUE(Check(ChannelOf("viewer")).ok());
  EXPECT_LT(Clock::now() - began, kHandshakeTimeout);
}

TEST_F(ControlTcpTest, ConnectionsAreLimitedAndThoseThatEndMakeRoom) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  size_t let_in = 0;
  for (size_t i = 0; i < TcpDoor::kMaxConnectionsPerNetwork + 3; ++i) {
    channels.push_back(ChannelOf("viewer"));
    if (Check(channels.back(), milliseconds(let_in < TcpDoor::kMaxConnectionsPerNetwork ? 20000 : 500)).ok()) ++let_in;
  }
  EXPECT_EQ(let_in, TcpDoor::kMaxConnectionsPerNetwork);
  channels.clear();
  EXPECT_TRUE(Check(ChannelOf("viewer")).ok());
}

}  // namespace
}  // namespace culvert::server
