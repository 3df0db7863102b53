// The control API as a program of its own would use it: a plain gRPC client over the Unix socket.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <set>

#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "tests/e2e/tunnel_pair.h"

namespace culvert::testing {
namespace {

class Rpc : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pair = TunnelPair::Start();
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
    channel_ = grpc::CreateChannel(pair_->near().address(), grpc::InsecureChannelCredentials());
  }
  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
  }
  std::unique_ptr<TunnelPair> pair_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(Rpc, HealthIsServing) {
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  grpc::ClientContext context;
  SetDeadline(context);
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, {}, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

TEST_F(Rpc, ReflectionListsEveryService) {
  const auto stub = grpc::reflection::v1alpha::ServerReflection::NewStub(channel_);
  grpc::ClientContext context;
  SetDeadline(context);
  const auto stream = stub->ServerReflectionInfo(&context);
  grpc::reflection::v1alpha::ServerReflectionRequest request;
  request.set_list_services("*");
  ASSERT_TRUE(stream->Write(request));
  grpc::reflection::v1alpha::ServerReflectionResponse response;
  ASSERT_TRUE(stream->Read(&response));
  std::set<std::string> names;
  for (const auto& service : response.list_services_response().service()) names.insert(service.name());
  for (const char* name : {"ListenerService", "DialerService", "ForwardService", "SessionService", "ObserveService",
                           "ConfigService", "DaemonService"}) {
    EXPECT_TRUE(names.contains(std::string("culvert.v1.") + name)) << name;
  }
  EXPECT_TRUE(names.contains("grpc.health.v1.Health"));
}

TEST_F(Rpc, DaemonDescribesItself) {
  const auto stub = v1::DaemonService::NewStub(channel_);
  grpc::ClientContext context;
  SetDeadline(context);
  v1::GetDaemonResponse response;
  const grpc::Status status = stub->GetDaemon(&context, {}, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const v1::Daemon& daemon = response.daemon();
  EXPECT_EQ(daemon.pid(), pair_->near().process().pid());
  EXPECT_EQ(daemon.listeners(), 1);
  EXPECT_EQ(daemon.dialers(), 1);
  EXPECT_EQ(daemon.forwards(), 1);
  EXPECT_GT(daemon.workers_size(), 0);
  EXPECT_NE(daemon.version(), "");
}

TEST_F(Rpc, WatchStatsStreamsGrowingCounters) {
  auto connection = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(connection.ok() && connection->Write(kEchoMode).ok());
  ASSERT_EQ(connection->Transfer(10'000, 1, 10'000, 1), absl::OkStatus());

  const auto stub = v1::ObserveService::NewStub(channel_);
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchStatsRequest request;
  request.mutable_interval()->set_nanos(100'000'000);
  request.set_dialer(TunnelPair::kDialer);
  const auto stream = stub->WatchStats(&context, request);
  uint64_t last = 0;
  int grown = 0;
  Duration last_time{};
  v1::WatchStatsResponse frame;
  for (int frames = 0; frames < 10 && stream->Read(&frame); ++frames) {
    const Duration time = std::chrono::seconds(frame.monotonic_time().seconds()) +
                          std::chrono::nanoseconds(frame.monotonic_time().nanos());
    EXPECT_GT(time, last_time);
    last_time = time;
    ASSERT_EQ(frame.samples_size(), 1);
    const v1::Session& session = frame.samples(0);
    EXPECT_EQ(session.dialer(), TunnelPair::kDialer);
    EXPECT_TRUE(session.validated());
    EXPECT_TRUE(session.path().has_smoothed_rtt());
    EXPECT_GT(session.path().congestion_window_bytes(), 0u);
    grown += session.counters().tx_bytes() > last;
    last = session.counters().tx_bytes();
    ASSERT_EQ(connection->Transfer(10'000, 2, 10'000, 2), absl::OkStatus());
  }
  EXPECT_GE(grown, 5);
  context.TryCancel();
  (void)stream->Finish();
}

TEST_F(Rpc, WatchStatsRefusesAShortInterval) {
  const auto stub = v1::ObserveService::NewStub(channel_);
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchStatsRequest request;
  request.mutable_interval()->set_nanos(1'000'000);
  const auto stream = stub->WatchStats(&context, request);
  v1::WatchStatsResponse frame;
  EXPECT_FALSE(stream->Read(&frame));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Rpc, CreateUpdateDeleteWithValidateOnlyAndEtag) {
  const auto stub = v1::ListenerService::NewStub(channel_);
  v1::CreateListenerRequest create;
  create.mutable_listener()->mutable_metadata()->set_name("extra");
  create.mutable_listener()->mutable_spec()->set_transport(v1::TRANSPORT_TCP);
  create.mutable_listener()->mutable_spec()->set_bind("127.0.0.1:0");
  create.set_validate_only(true);
  v1::CreateListenerResponse created;
  {
    grpc::ClientContext context;
    SetDeadline(context);
    ASSERT_TRUE(stub->CreateListener(&context, create, &created).ok());
  }
  {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::GetListenerRequest get;
    get.set_name("extra");
    v1::GetListenerResponse got;
    EXPECT_EQ(stub->GetListener(&context, get, &got).error_code(), grpc::StatusCode::NOT_FOUND);
  }
  create.set_validate_only(false);
  {
    grpc::ClientContext context;
    SetDeadline(context);
    ASSERT_TRUE(stub->CreateListener(&context, create, &created).ok());
    EXPECT_EQ(created.listener().metadata().generation(), 1);
  }
  {
    grpc::ClientContext context;
    SetDeadline(context);
    EXPECT_EQ(stub->CreateListener(&context, create, &created).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  }
  v1::UpdateListenerRequest update;
  *update.mutable_listener()->mutable_metadata() = created.listener().metadata();
  update.mutable_listener()->mutable_metadata()->set_name("extra");
  update.mutable_listener()->mutable_metadata()->set_etag("stale");
  update.mutable_listener()->mutable_spec()->set_paused(true);
  update.mutable_update_mask()->add_paths("spec.paused");
  v1::UpdateListenerResponse updated;
  {
    grpc::ClientContext context;
    SetDeadline(context);
    EXPECT_EQ(stub->UpdateListener(&context, update, &updated).error_code(), grpc::StatusCode::ABORTED);
  }
  update.mutable_listener()->mutable_metadata()->clear_etag();
  {
    grpc::ClientContext context;
    SetDeadline(context);
    const grpc::Status status = stub->UpdateListener(&context, update, &updated);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_TRUE(updated.listener().spec().paused());
    EXPECT_EQ(updated.listener().metadata().generation(), 2);
  }
  v1::DeleteListenerRequest remove;
  remove.set_name("listeners/extra");
  v1::DeleteListenerResponse removed;
  grpc::ClientContext context;
  SetDeadline(context);
  EXPECT_TRUE(stub->DeleteListener(&context, remove, &removed).ok());
}

}  // namespace
}  // namespace culvert::testing
