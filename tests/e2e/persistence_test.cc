// What the API acknowledged outlives the daemon, however it ends.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "tests/testing/daemon.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {
namespace {

class Persistence : public ::testing::Test {
 protected:
  void Start() {
    DaemonOptions options;
    options.state_dir = state_.path() + "/state";
    options.flags = {"--workers", "1"};
    auto daemon = Daemon::Start(options);
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    channel_ = grpc::CreateChannel(daemon_->address(), grpc::InsecureChannelCredentials());
  }
  void Kill() {
    daemon_->process().Signal(SIGKILL);
    ASSERT_TRUE(daemon_->process().Wait(std::chrono::seconds(10)).has_value());
  }
  static v1::CreateDialerRequest DialerRequest(const std::string& name, const std::string& target) {
    v1::CreateDialerRequest request;
    v1::Dialer& dialer = *request.mutable_dialer();
    dialer.mutable_metadata()->set_name(name);
    dialer.mutable_spec()->set_transport(v1::TRANSPORT_KCP);
    dialer.mutable_spec()->add_targets(target);
    dialer.mutable_spec()->mutable_kcp()->set_seed("correct horse battery staple");
    return request;
  }
  std::map<std::string, v1::Dialer> Dialers() {
    std::map<std::string, v1::Dialer> dialers;
    v1::ListDialersRequest request;
    request.set_page_size(1000);
    v1::ListDialersResponse response;
    do {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
      const grpc::Status status = v1::DialerService::NewStub(channel_)->ListDialers(&context, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const v1::Dialer& dialer : response.dialers()) dialers[dialer.metadata().name()] = dialer;
      request.set_page_token(response.next_page_token());
    } while (!response.next_page_token().empty());
    return dialers;
  }

  TempDir state_;
  std::unique_ptr<Daemon> daemon_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(Persistence, ObjectsOfTheApiSurviveAKill) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const RunResult applied = daemon_->Apply(
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: in, labels: {site: a}}\nspec: {transport: KCP, bind: \"127.0.0.1:0\", kcp: {seed: "
      "\"correct horse battery staple\"}}\n---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: f}\nspec: {listener: in, destination: "
      "\"127.0.0.1:9\"}\n");
  ASSERT_EQ(applied.exit_code, 0) << applied.err;
  const std::string before = daemon_->Ctl({"export"}).out;
  EXPECT_NE(before.find("name: in"), std::string::npos);
  ASSERT_NO_FATAL_FAILURE(Kill());
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(daemon_->Ctl({"export"}).out, before);
  EXPECT_NE(daemon_->GetJson("forward").find("\"f\""), std::string::npos);
  // The seed came back too, or the same document would be a change.
  ASSERT_EQ(daemon_->Ctl({"delete", "forward", "f"}).exit_code, 0);
  ASSERT_NO_FATAL_FAILURE(Kill());
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(daemon_->Ctl({"get", "forward", "f"}).exit_code, 3) << "deleted means deleted";
}

TEST_F(Persistence, EverythingAcknowledgedIsThereAfterAnyKill) {
  const bool all = std::getenv("CULVERT_TEST_ALL") != nullptr;
  const int kills = all ? 200 : 50;
  const unsigned seed = 20261201;
  std::mt19937 random(seed);
  // Name to target, as it was acknowledged; and what was asked for and not answered: it may be there or not.
  std::map<std::string, std::string> acknowledged;
  int next = 0;
  for (int round = 0; round < kills; ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(Start());
    const std::map<std::string, v1::Dialer> there = Dialers();
    for (const auto& [name, target] : acknowledged) {
      const auto at = there.find(name);
      ASSERT_NE(at, there.end()) << name << " was acknowledged and is gone";
      ASSERT_EQ(at->second.spec().targets_size(), 1);
      ASSERT_EQ(at->second.spec().targets(0), target) << name;
    }
    for (const auto& [name, dialer] : there) ASSERT_TRUE(acknowledged.contains(name)) << name << " was deleted, and that was acknowledged";

    std::atomic<bool> stop{false};
    std::string unanswered;  // the one request whose answer never came
    std::thread writer([&] {
      const auto stub = v1::DialerService::NewStub(channel_);
      while (!stop) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
        if (acknowledged.size() > 40 || (next % 4 == 3 && !acknowledged.empty())) {
          v1::DeleteDialerRequest request;
          request.set_name(acknowledged.begin()->first);
          unanswered = request.name();
          v1::DeleteDialerResponse response;
          if (!stub->DeleteDialer(&context, request, &response).ok()) return;
          acknowledged.erase(request.name());
          ++next;
        } else {
          const std::string name = "d" + std::to_string(next++);
          const std::string target = "192.0.2.1:" + std::to_string(1000 + next % 50000);
          unanswered = name;
          v1::CreateDialerResponse response;
          if (!stub->CreateDialer(&context, DialerRequest(name, target), &response).ok()) return;
          acknowledged[name] = target;
        }
        unanswered.clear();
      }
    });
    // Random instants, from the first write on.
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 60000);
    while (std::chrono::steady_clock::now() < until) {
    }
    ASSERT_NO_FATAL_FAILURE(Kill());
    stop = true;
    writer.join();
    if (unanswered.empty()) continue;
    // Whether that one happened only the daemon knows.
    ASSERT_NO_FATAL_FAILURE(Start());
    const std::map<std::string, v1::Dialer> now = Dialers();
    if (now.contains(unanswered)) {
      ASSERT_EQ(now.at(unanswered).spec().targets_size(), 1) << "half of it was written";
      acknowledged[unanswered] = now.at(unanswered).spec().targets(0);
    } else {
      acknowledged.erase(unanswered);
    }
    ASSERT_NO_FATAL_FAILURE(Kill());
  }
  EXPECT_GT(next, kills) << "nothing was written";
}

TEST_F(Persistence, WithoutAStateDirectoryItIsSaid) {
  auto daemon = Daemon::Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
  v1::GetConfigStatusResponse status;
  const auto channel = grpc::CreateChannel((*daemon)->address(), grpc::InsecureChannelCredentials());
  ASSERT_TRUE(v1::ConfigService::NewStub(channel)->GetConfigStatus(&context, {}, &status).ok());
  EXPECT_FALSE(status.state_is_kept());
  EXPECT_EQ(status.state_file(), "");
}

}  // namespace
}  // namespace culvert::testing
