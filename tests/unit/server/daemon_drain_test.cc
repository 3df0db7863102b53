// Draining the daemon: what workers are told, what is waited for, and how it ends.
#include <gmock/gmock.h>

#include <atomic>

#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using Phase = v1::Drain;

SessionSnapshot SessionOf(const std::string& id, const std::string& listener, Transport transport) {
  SessionSnapshot session;
  session.id = id;
  session.listener = listener;
  session.transport = transport;
  return session;
}

StreamSnapshot StreamOf(const std::string& id, const std::string& forward, const std::string& session) {
  StreamSnapshot stream;
  stream.id = id;
  stream.forward = forward;
  stream.session_id = session;
  stream.is_open = true;
  return stream;
}

class DaemonDrainTest : public ControlFixture {
 protected:
  DaemonDrainTest() : ControlFixture("", [this](SupervisorOptions& options) { options.on_drained = [this] { ++ends_; }; }) {
    v1::ApplyRequest request;
    *request.add_objects() = TcpListener("local", "127.0.0.1:1");
    *request.add_objects() = KcpListener("wire", "127.0.0.1:2");
    *request.add_objects() = KcpDialer("far", "b:1");
    *request.add_objects() = ForwardTo("out", "local", "far");
    *request.add_objects() = ForwardDirect("in", "wire");
    v1::ApplyResponse response;
    const grpc::Status status = Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    worker_.sessions.clear();
    worker_.streams.clear();
    worker_.udp_flows.clear();
  }

  v1::Drain Start(bool inbound_only, int64_t seconds, bool exits = false) {
    v1::StartDrainRequest request;
    request.mutable_timeout()->set_seconds(seconds);
    request.set_inbound_only(inbound_only);
    request.set_exit_when_drained(exits);
    v1::StartDrainResponse response;
    const grpc::Status status = Call<v1::DaemonService>(&v1::DaemonService::Stub::StartDrain, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.drain();
  }
  v1::Drain Cancel() {
    v1::CancelDrainResponse response;
    const grpc::Status status = Call<v1::DaemonService>(&v1::DaemonService::Stub::CancelDrain, v1::CancelDrainRequest(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.drain();
  }
  v1::Drain Now() {
    v1::GetDaemonResponse response;
    EXPECT_TRUE(Call<v1::DaemonService>(&v1::DaemonService::Stub::GetDaemon, v1::GetDaemonRequest(), &response).ok());
    return response.daemon().drain();
  }
  // Asks until it is over; the daemon looks ten times a second.
  v1::Drain Over() {
    v1::Drain drain = Now();
    while (drain.phase() == Phase::PHASE_DRAINING) drain = Now();
    return drain;
  }
  // What only the control thread may touch.
  void OnThread(const std::function<void()>& task) {
    std::promise<void> done;
    thread_.PostReply([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::atomic<int> ends_{0};
};

TEST_F(DaemonDrainTest, WorkersRefuseWhatIsNewUntilItIsCancelled) {
  EXPECT_EQ(Now().phase(), Phase::PHASE_SERVING);
  Start(/*inbound_only=*/false, 60);
  OnThread([this] { EXPECT_EQ(worker_.current->drain, DrainMode::kWhole); });
  Start(/*inbound_only=*/true, 60);
  OnThread([this] { EXPECT_EQ(worker_.current->drain, DrainMode::kInbound); });
  EXPECT_EQ(Cancel().phase(), Phase::PHASE_SERVING);
  OnThread([this] { EXPECT_EQ(worker_.current->drain, DrainMode::kNone); });
  EXPECT_EQ(Cancel().phase(), Phase::PHASE_SERVING);
}

TEST_F(DaemonDrainTest, AChangeMeanwhileDoesNotEndIt) {
  OnThread([this] { worker_.streams = {StreamOf("s1", "in", "a")}; });
  Start(/*inbound_only=*/false, 60);
  v1::CreateListenerRequest request;
  *request.mutable_listener() = TcpListener("another", "127.0.0.1:3").listener();
  v1::CreateListenerResponse response;
  EXPECT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &response).ok());
  OnThread([this] { EXPECT_EQ(worker_.current->drain, DrainMode::kWhole); });
  EXPECT_EQ(Now().phase(), Phase::PHASE_DRAINING);
}

TEST_F(DaemonDrainTest, IsDrainedWhenNothingIsLeftAndClosesWhatIsIdle) {
  OnThread([this] {
    worker_.sessions = {SessionOf("a", "wire", Transport::kKcp), SessionOf("idle", "wire", Transport::kKcp)};
    worker_.streams = {StreamOf("s1", "in", "a")};
  });
  Start(/*inbound_only=*/false, 60);
  v1::Drain drain = Now();
  while (drain.streams_left() == 0) drain = Now();  // the first look
  EXPECT_EQ(drain.phase(), Phase::PHASE_DRAINING);
  EXPECT_EQ(drain.sessions_left(), 1);
  EXPECT_EQ(drain.streams_left(), 1);
  EXPECT_TRUE(drain.has_deadline());
  // Closing takes a moment; the one that is in use is not among them.
  for (bool is_closed = false; !is_closed;) {
    OnThread([&] { is_closed = worker_.sessions.size() == 1 && worker_.sessions[0].id == "a"; });
  }
  OnThread([this] { worker_.streams.clear(); });
  drain = Over();
  EXPECT_EQ(drain.phase(), Phase::PHASE_DRAINED);
  EXPECT_EQ(drain.streams_left(), 0);
  EXPECT_TRUE(drain.has_end_time());
  OnThread([this] { EXPECT_EQ(worker_.current->drain, DrainMode::kWhole); });  // it still takes nothing
  EXPECT_EQ(ends_, 0);
}

TEST_F(DaemonDrainTest, InboundMeansWhatComesFromFar) {
  OnThread([this] {
    worker_.sessions = {SessionOf("a", "wire", Transport::kKcp)};
    worker_.streams = {StreamOf("local", "out", ""), StreamOf("far", "in", "a")};
    worker_.udp_flows.emplace_back().forward = "out";
  });
  Start(/*inbound_only=*/true, 60);
  v1::Drain drain = Now();
  while (drain.streams_left() == 0) drain = Now();
  EXPECT_EQ(drain.streams_left(), 1);
  EXPECT_EQ(drain.udp_flows_left(), 0);
  OnThread([this] { std::erase_if(worker_.streams, [](const StreamSnapshot& stream) { return stream.forward == "in"; }); });
  EXPECT_EQ(Over().phase(), Phase::PHASE_DRAINED);
}

TEST_F(DaemonDrainTest, TimesOutAndEndsTheDaemonWhenItWasToldTo) {
  OnThread([this] { worker_.streams = {StreamOf("s1", "in", "a")}; });
  v1::StartDrainRequest request;
  request.mutable_timeout()->set_nanos(1'000'000);
  request.set_exit_when_drained(true);
  v1::StartDrainResponse response;
  ASSERT_TRUE(Call<v1::DaemonService>(&v1::DaemonService::Stub::StartDrain, request, &response).ok());
  const v1::Drain drain = Over();
  EXPECT_EQ(drain.phase(), Phase::PHASE_TIMED_OUT);
  EXPECT_EQ(drain.streams_left(), 1);
  EXPECT_EQ(ends_, 1);
}

TEST_F(DaemonDrainTest, ConnectsNobodyMeanwhile) {
  Start(/*inbound_only=*/false, 60);
  const auto refused = Await<absl::Status>([this](const auto& done) {
    supervisor_->Connect({.dialer = "far"}, nullptr, done);
  });
  EXPECT_EQ(ReasonOf(refused), "DAEMON_DRAINING");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DaemonDrainTest, ABusyWorkerLeavesItAsItWas) {
  OnThread([this] { worker_.refusals_left = 1; });
  v1::StartDrainResponse response;
  const grpc::Status refused = Call<v1::DaemonService>(&v1::DaemonService::Stub::StartDrain, v1::StartDrainRequest(), &response);
  EXPECT_EQ(InfoOf(refused).reason(), "CONTROL_OVERLOADED");
  EXPECT_EQ(Now().phase(), Phase::PHASE_SERVING);
  v1::CreateListenerRequest request;
  *request.mutable_listener() = TcpListener("another", "127.0.0.1:3").listener();
  v1::CreateListenerResponse created;
  EXPECT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &created).ok());
  OnThread([this] { EXPECT_EQ(worker_.current->drain, DrainMode::kNone); });
}

TEST_F(DaemonDrainTest, AWrongTimeIsRefused) {
  v1::StartDrainRequest request;
  request.mutable_timeout()->set_seconds(-1);
  v1::StartDrainResponse response;
  EXPECT_EQ(Call<v1::DaemonService>(&v1::DaemonService::Stub::StartDrain, request, &response).error_code(), grpc::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace culvert::server
