// The control API as a client sees it: real gRPC on a Unix socket, workers that are stand-ins.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "core/io/monotonic_clock.h"
#include "culvert/v1/access.grpc.pb.h"
#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "culvert/v1/session.grpc.pb.h"
#include "google/rpc/status.pb.h"
#include "server/control_server.h"
#include "server/process.h"
#include "tests/unit/server/fakes.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {

class ControlFixture : public ::testing::Test {
 protected:
  // `policy`: the content of a file; empty: the built-in one for our own user.
  explicit ControlFixture(const std::string& policy = "", const std::function<void(SupervisorOptions&)>& adjust = {},
                          const std::optional<ControlTcpOptions>& tcp = std::nullopt)
      : policy_(policy) {
    SupervisorOptions options;
    options.workers = {&worker_};
    options.binder = &binder_;
    options.random = &random_;
    options.read_seed_file = [](const std::string&, const std::string& field) -> absl::StatusOr<std::string> {
      return InvalidField(field, "no files here");
    };
    options.logs = &logs_;
    options.facts.start_unix_ns = io::UnixNanoseconds();
    if (adjust) adjust(options);
    supervisor_ = std::make_unique<Supervisor>(thread_, std::move(options));
    hub_ = std::make_unique<StatsHub>(thread_, supervisor_->collector());
    path_ = ::testing::TempDir() + "culvert-" + std::to_string(ProcessId()) + "/c.sock";
    EXPECT_TRUE(PrepareControlSocket(path_).ok());
    auto access = policy.empty() ? std::make_unique<AccessBook>(AccessPolicy::BuiltIn(UserId(), GroupId()))
                                 : *AccessBook::FromFile("policy.yaml", [this](const std::string&) { return Policy(); });
    auto server = ControlServer::Start({path_, tcp}, std::move(access), *supervisor_, *hub_, tokens_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing(true);
    channel_ = NewChannel();
  }
  // One with a connection of its own.
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    return grpc::CreateCustomChannel("unix:" + path_, grpc::InsecureChannelCredentials(), arguments);
  }
  std::string Policy() const {
    const std::lock_guard lock(policy_mutex_);
    return policy_;
  }
  void SetPolicy(const std::string& policy) {
    const std::lock_guard lock(policy_mutex_);
    policy_ = policy;
  }
  ~ControlFixture() override {
    Stop();
    std::filesystem::remove_all(std::filesystem::path(path_).parent_path());
  }
  void Stop() {
    hub_->BeginStop();
    supervisor_->BeginStop();
    server_->Shutdown(std::chrono::seconds(2));
    thread_.Stop();
  }

  // Calls `method` of a new stub of Service with a deadline.
  template <typename Service, typename Request, typename Response>
  grpc::Status Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return (Service::NewStub(channel_).get()->*method)(&context, request, response);
  }
  static google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    EXPECT_TRUE(details.ParseFromString(status.error_details()));
    int count = 0;
    for (const auto& detail : details.details()) count += detail.UnpackTo(&info) ? 1 : 0;
    EXPECT_EQ(count, 1) << "exactly one ErrorInfo";
    return info;
  }
  static std::string ReasonIn(const grpc::Status& status) { return InfoOf(status).reason(); }

  grpc::Status Create(const v1::Object& object, v1::CreateListenerResponse* response) {
    v1::CreateListenerRequest request;
    *request.mutable_listener() = object.listener();
    return Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, response);
  }
  std::unique_ptr<v1::ObserveService::Stub> Observe() { return v1::ObserveService::NewStub(channel_); }

  mutable std::mutex policy_mutex_;
  std::string policy_;  // guarded by policy_mutex_
  FakeWorker worker_{0};
  FakeBinder binder_;
  SeededRandom random_{1};
  PageTokens tokens_{random_};
  LogBook logs_;
  ControlThread thread_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<StatsHub> hub_;
  std::string path_;
  std::unique_ptr<ControlServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace culvert::server
