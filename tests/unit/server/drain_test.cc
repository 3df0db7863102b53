// Deletions with a drain_timeout: nothing new, what runs ends by itself, and the answer comes when it is over.
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class DrainTest : public ControlFixture {
 protected:
  DrainTest() {
    v1::ApplyRequest request;
    *request.add_objects() = TcpListener("in", "127.0.0.1:7000");
    *request.add_objects() = ForwardDirect("out", "in");
    v1::ApplyResponse response;
    const grpc::Status status = Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    SetStreams({{.id = "1", .forward = "out"}});
  }
  ~DrainTest() override { SetStreams({}); }

  // What the worker reports is read on the control thread.
  void SetStreams(std::vector<StreamSnapshot> streams) {
    std::promise<void> done;
    supervisor_->PostBack([&] {
      worker_.streams = std::move(streams);
      done.set_value();
    });
    done.get_future().get();
  }
  std::future<grpc::Status> Delete(Duration drain, const std::string& etag = "") {
    return std::async(std::launch::async, [this, drain, etag] {
      v1::DeleteForwardRequest request;
      request.set_name("out");
      request.set_etag(etag);
      request.mutable_drain_timeout()->set_seconds(drain / seconds(1));
      request.mutable_drain_timeout()->set_nanos(static_cast<int32_t>((drain % seconds(1)).count()));
      return Call<v1::ForwardService>(&v1::ForwardService::Stub::DeleteForward, request, &deleted_);
    });
  }
  // Reads a watch until the object called `name` is in `state`. False: the watch ended before.
  bool Reaches(v1::WatchKind kind, const std::string& name, v1::State state) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    v1::WatchRequest request;
    request.add_kinds(kind);
    const auto watch = Observe()->Watch(&context, request);
    v1::WatchResponse response;
    while (watch->Read(&response)) {
      const v1::Object& object = response.change().object();
      if (!KindOf(object) || MetadataOf(object).name() != name) continue;
      const v1::State seen = object.has_listener() ? object.listener().status().state() : object.forward().status().state();
      if (seen == state) return true;
    }
    return false;
  }
  bool ForwardReaches(v1::State state) { return Reaches(v1::WATCH_KIND_FORWARD, "out", state); }
  bool ForwardIsThere() {
    v1::GetForwardRequest request;
    request.set_name("out");
    v1::GetForwardResponse response;
    return Call<v1::ForwardService>(&v1::ForwardService::Stub::GetForward, request, &response).ok();
  }
  bool IsPausedOnTheWorker() {
    std::promise<bool> paused;
    supervisor_->PostBack([&] { paused.set_value(!worker_.current->forwards.empty() && worker_.current->forwards.front()->paused); });
    return paused.get_future().get();
  }
  v1::DeleteForwardResponse deleted_;
};

TEST_F(DrainTest, WaitsForWhatRunsAndTakesNothingNew) {
  auto deletion = Delete(seconds(60));
  ASSERT_TRUE(ForwardReaches(v1::STATE_DRAINING));
  EXPECT_TRUE(IsPausedOnTheWorker());
  EXPECT_EQ(deletion.wait_for(milliseconds(250)), std::future_status::timeout) << "a stream is left";
  SetStreams({});
  const grpc::Status status = deletion.get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(deleted_.forward().status().state(), v1::STATE_CLOSED);
  EXPECT_FALSE(ForwardIsThere());
}

TEST_F(DrainTest, EndsWithTheTime) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(Delete(milliseconds(300)).get().ok());
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(300));
  EXPECT_FALSE(ForwardIsThere());
}

TEST_F(DrainTest, EndsAtOnceWhenNothingRuns) {
  SetStreams({{.id = "1", .forward = "another"}});
  EXPECT_TRUE(Delete(seconds(3000)).get().ok());
}

TEST_F(DrainTest, IsRefusedAsADeletionIs) {
  EXPECT_EQ(ReasonIn(Delete(seconds(60), "\"another\"").get()), "ETAG_MISMATCH");
  EXPECT_TRUE(ForwardReaches(v1::STATE_ACTIVE));
  EXPECT_FALSE(IsPausedOnTheWorker());
  EXPECT_EQ(ReasonIn(Delete(seconds(3601)).get()), "INVALID_FIELD");
}

// Who comes back under the name is another object.
TEST_F(DrainTest, LeavesAnotherObjectOfTheNameAlone) {
  auto deletion = Delete(seconds(60));
  ASSERT_TRUE(ForwardReaches(v1::STATE_DRAINING));
  v1::DeleteForwardRequest at_once;
  at_once.set_name("out");
  v1::DeleteForwardResponse gone;
  ASSERT_TRUE(Call<v1::ForwardService>(&v1::ForwardService::Stub::DeleteForward, at_once, &gone).ok());
  v1::CreateForwardRequest again;
  *again.mutable_forward() = ForwardDirect("out", "in").forward();
  v1::CreateForwardResponse made;
  ASSERT_TRUE(Call<v1::ForwardService>(&v1::ForwardService::Stub::CreateForward, again, &made).ok());
  SetStreams({});
  EXPECT_EQ(deletion.get().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(ForwardReaches(v1::STATE_ACTIVE));
}

// What cannot be deleted in the end goes on as before.
TEST_F(DrainTest, ResumesWhatIsNeededAfterAll) {
  v1::CreateListenerResponse listener;
  ASSERT_TRUE(Create(TcpListener("other", "127.0.0.1:7001"), &listener).ok());
  SetStreams({{.id = "1", .session_id = "s", .forward = "another"}});
  std::promise<void> told;
  supervisor_->PostBack([&] {
    worker_.sessions.push_back({.id = "s", .listener = "other"});
    told.set_value();
  });
  told.get_future().get();
  auto deletion = std::async(std::launch::async, [this] {
    v1::DeleteListenerRequest request;
    request.set_name("other");
    request.mutable_drain_timeout()->set_seconds(60);
    v1::DeleteListenerResponse response;
    return Call<v1::ListenerService>(&v1::ListenerService::Stub::DeleteListener, request, &response);
  });
  ASSERT_TRUE(Reaches(v1::WATCH_KIND_LISTENER, "other", v1::STATE_DRAINING));
  v1::CreateForwardRequest user;
  *user.mutable_forward() = ForwardDirect("user", "other").forward();
  v1::CreateForwardResponse made;
  ASSERT_TRUE(Call<v1::ForwardService>(&v1::ForwardService::Stub::CreateForward, user, &made).ok());
  SetStreams({});
  EXPECT_EQ(ReasonIn(deletion.get()), "RESOURCE_IN_USE");
  EXPECT_TRUE(Reaches(v1::WATCH_KIND_LISTENER, "other", v1::STATE_ACTIVE));
}

}  // namespace
}  // namespace culvert::server
