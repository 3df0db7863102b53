// Watch over real gRPC.
#include <future>
#include <thread>

#include "server/access/standing_calls.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

class WatchApiTest : public ControlFixture {
 protected:
  static v1::Object Named(v1::Object object, const std::string& label) {
    (*object.mutable_listener()->mutable_metadata()->mutable_labels())["site"] = label;
    return object;
  }
};

class Watcher {
 public:
  Watcher(const std::shared_ptr<grpc::Channel>& channel, const v1::WatchRequest& request)
      : stub_(v1::ObserveService::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + seconds(20));
    reader_ = stub_->Watch(&context_, request);
  }
  ~Watcher() { context_.TryCancel(); }
  // The next message; one without a body at the end.
  v1::WatchResponse Next() {
    v1::WatchResponse message;
    if (!reader_->Read(&message)) message.Clear();
    return message;
  }
  v1::WatchResponse UntilSnapshot(std::vector<std::string>* names = nullptr) {
    while (true) {
      v1::WatchResponse message = Next();
      if (!message.has_change()) return message;
      EXPECT_TRUE(message.change().initial());
      if (names != nullptr) names->push_back(message.change().object().listener().metadata().name());
    }
  }
  grpc::Status Finish() { return reader_->Finish(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::ObserveService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> reader_;
};

TEST_F(WatchApiTest, WatchGivesASnapshotAndThenChanges) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(KcpListener("a", "127.0.0.1:1"), &created).ok());
  ASSERT_TRUE(Create(KcpListener("b", "127.0.0.1:2"), &created).ok());
  Watcher watcher(channel_, {});
  std::vector<std::string> names;
  const v1::WatchResponse bookmark = watcher.UntilSnapshot(&names);
  EXPECT_THAT(names, ElementsAre("a", "b"));
  EXPECT_TRUE(bookmark.bookmark().snapshot_complete());

  ASSERT_TRUE(Create(KcpListener("c", "127.0.0.1:3"), &created).ok());
  v1::WatchResponse message = watcher.Next();
  EXPECT_EQ(message.change().type(), v1::WatchResponse::Change::TYPE_ADDED);
  EXPECT_EQ(message.change().object().listener().metadata().name(), "c");
  EXPECT_FALSE(message.change().object().listener().spec().kcp().has_seed());
  EXPECT_GT(message.revision(), bookmark.revision());

  v1::UpdateListenerRequest update;
  v1::UpdateListenerResponse updated;
  update.mutable_listener()->mutable_metadata()->set_name("c");
  update.mutable_listener()->mutable_spec()->set_paused(true);
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::UpdateListener, update, &updated).ok());
  message = watcher.Next();
  EXPECT_EQ(message.change().type(), v1::WatchResponse::Change::TYPE_MODIFIED);
  EXPECT_TRUE(message.change().object().listener().spec().paused());

  v1::DeleteListenerRequest erase;
  v1::DeleteListenerResponse erased;
  erase.set_name("a");
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::DeleteListener, erase, &erased).ok());
  message = watcher.Next();
  EXPECT_EQ(message.change().type(), v1::WatchResponse::Change::TYPE_DELETED);
  EXPECT_EQ(message.change().object().listener().metadata().name(), "a");
}

TEST_F(WatchApiTest, AWatchIsResumedWhereItEnded) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(KcpListener("a", "127.0.0.1:1"), &created).ok());
  int64_t revision = 0;
  {
    Watcher watcher(channel_, {});
    revision = watcher.UntilSnapshot().revision();
  }
  ASSERT_TRUE(Create(KcpListener("b", "127.0.0.1:2"), &created).ok());
  ASSERT_TRUE(Create(KcpListener("c", "127.0.0.1:3"), &created).ok());
  v1::WatchRequest request;
  request.set_resume_revision(revision);
  Watcher watcher(channel_, request);
  EXPECT_EQ(watcher.Next().change().object().listener().metadata().name(), "b");
  EXPECT_EQ(watcher.Next().change().object().listener().metadata().name(), "c");

  request.set_resume_revision(1);
  Watcher other(channel_, request);
  EXPECT_EQ(other.Next().body_case(), v1::WatchResponse::BODY_NOT_SET);
  const grpc::Status status = other.Finish();
  EXPECT_EQ(status.error_code(), grpc::OUT_OF_RANGE);
  EXPECT_EQ(ReasonIn(status), "REVISION_FROM_OTHER_RUN");
  EXPECT_TRUE(InfoOf(status).metadata().contains("oldest_revision"));
}

TEST_F(WatchApiTest, ARevisionThatIsTooOldIsSaidToBe) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(KcpListener("a", "127.0.0.1:1"), &created).ok());
  v1::ListListenersResponse listed;
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::ListListeners, v1::ListListenersRequest(), &listed).ok());
  // Every event is a change of its own.
  for (size_t i = 0; i < WatchLog::kMaxRecords + 10; ++i) {
    std::promise<void> done;
    ASSERT_TRUE(thread_.Post([&] {
      supervisor_->events().Record(EventType::kNormal, "Test", "daemon", std::to_string(i));
      done.set_value();
    }));
    done.get_future().get();
  }
  v1::WatchRequest request;
  request.set_resume_revision(listed.revision());
  Watcher watcher(channel_, request);
  EXPECT_EQ(watcher.Next().body_case(), v1::WatchResponse::BODY_NOT_SET);
  EXPECT_EQ(ReasonIn(watcher.Finish()), "REVISION_COMPACTED");
}

TEST_F(WatchApiTest, AFilteredWatchSeesSubjectsComeAndGo) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(Named(KcpListener("a", "127.0.0.1:1"), "x"), &created).ok());
  v1::WatchRequest request;
  request.set_filter("labels.site=x");
  Watcher watcher(channel_, request);
  watcher.UntilSnapshot();
  ASSERT_TRUE(Create(Named(KcpListener("other", "127.0.0.1:2"), "y"), &created).ok());
  v1::UpdateListenerRequest update;
  v1::UpdateListenerResponse updated;
  for (const char* site : {"y", "x"}) {
    update.mutable_listener()->mutable_metadata()->set_name("a");
    (*update.mutable_listener()->mutable_metadata()->mutable_labels())["site"] = site;
    ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::UpdateListener, update, &updated).ok());
  }
  EXPECT_EQ(watcher.Next().change().type(), v1::WatchResponse::Change::TYPE_DELETED);
  EXPECT_EQ(watcher.Next().change().type(), v1::WatchResponse::Change::TYPE_ADDED);

  request.set_filter("bind=x");
  request.add_kinds(v1::WATCH_KIND_FORWARD);
  Watcher wrong(channel_, request);
  wrong.Next();
  EXPECT_EQ(ReasonIn(wrong.Finish()), "INVALID_FILTER");
}

TEST_F(WatchApiTest, SessionsAndEventsAreWatchedToo) {
  SessionSnapshot session;
  session.id = "k1";
  worker_.sessions.push_back(session);
  v1::WatchRequest request;
  request.add_kinds(v1::WATCH_KIND_SESSION);
  request.add_kinds(v1::WATCH_KIND_EVENT);
  Watcher watcher(channel_, request);
  const v1::WatchResponse first = watcher.Next();
  EXPECT_EQ(first.change().session().name(), "sessions/k1");
  EXPECT_TRUE(watcher.UntilSnapshot().bookmark().snapshot_complete());
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(KcpListener("a", "127.0.0.1:1"), &created).ok());
  EXPECT_EQ(watcher.Next().change().event().reason(), "Created");
  v1::CloseSessionRequest close;
  v1::CloseSessionResponse closed;
  close.set_name("k1");
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, close, &closed).ok());
  const v1::WatchResponse gone = watcher.Next();
  EXPECT_EQ(gone.change().type(), v1::WatchResponse::Change::TYPE_DELETED);
  EXPECT_EQ(gone.change().session().name(), "sessions/k1");
}

TEST_F(WatchApiTest, ASilentWatchGetsBookmarks) {
  v1::WatchRequest request;
  request.mutable_bookmark_interval()->set_seconds(1);
  Watcher watcher(channel_, request);
  const int64_t complete = watcher.UntilSnapshot().revision();
  const v1::WatchResponse bookmark = watcher.Next();
  EXPECT_TRUE(bookmark.has_bookmark());
  EXPECT_FALSE(bookmark.bookmark().snapshot_complete());
  EXPECT_GE(bookmark.revision(), complete);
}

TEST_F(WatchApiTest, AnOpenWatchIsToldOfTheEndAndDelaysNothing) {
  Watcher watcher(channel_, {});
  watcher.UntilSnapshot();
  const auto began = std::chrono::steady_clock::now();
  std::thread stop([this] { Stop(); });
  const v1::WatchResponse closing = watcher.Next();
  EXPECT_EQ(closing.closing().reason(), "DAEMON_STOPPING");
  EXPECT_TRUE(closing.closing().has_retry_after());
  stop.join();
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(2)) << "the grace for calls that are under way was used up";
}

TEST_F(WatchApiTest, AWatchThatNobodyReadsDelaysNothingEither) {
  v1::ApplyRequest request;
  v1::ApplyResponse response;
  for (int i = 0; i < 400; ++i) {
    v1::Object object = KcpListener("l" + std::to_string(i), "127.0.0.1:" + std::to_string(1000 + i));
    (*object.mutable_listener()->mutable_metadata()->mutable_annotations())["x"] = std::string(4000, 'x');
    *request.add_objects() = object;
  }
  ASSERT_TRUE(Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response).ok());
  const std::shared_ptr<grpc::Channel> own = NewChannel();
  Watcher watcher(own, {});  // 1.6 MB that nobody takes: the connection's window fills
  const auto give_up = std::chrono::steady_clock::now() + seconds(20);
  while (supervisor_->watches().readers() == 0 && std::chrono::steady_clock::now() < give_up) {
  }
  const auto began = std::chrono::steady_clock::now();
  Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(1900));
}

TEST_F(WatchApiTest, WatchesAreLimited) {
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (size_t i = 0; i < StandingCalls::MostOfOneCaller(*v1::WatchRequest::descriptor()); ++i) {
    watchers.push_back(std::make_unique<Watcher>(channel_, v1::WatchRequest()));
    watchers.back()->UntilSnapshot();
  }
  Watcher one_more(channel_, {});
  one_more.Next();
  EXPECT_EQ(ReasonIn(one_more.Finish()), "LIMIT_EXCEEDED");
}

}  // namespace
}  // namespace culvert::server
