// What the supervisor has a store keep, and how what was kept comes back.
#include <gmock/gmock.h>

#include <future>

#include "server/supervisor.h"
#include "tests/unit/server/fakes.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Outcome = Supervisor::ChangeOutcome;

// A disk that does at once what it is told, or refuses.
class FakeStore {
 public:
  void Write(const std::vector<StoreChange>& changes, const std::function<void(absl::Status)>& done) {
    ++writes;
    if (!health.ok()) return done(health);
    for (const StoreChange& change : changes) {
      if (change.object) {
        rows[change.key] = *change.object;
      } else {
        rows.erase(change.key);
      }
    }
    if (on_write) on_write();
    done(absl::OkStatus());
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [key, object] : rows) names.push_back(key.ToString());
    return names;
  }
  std::map<ObjectKey, v1::Object> rows;
  absl::Status health;
  std::function<void()> on_write;
  int writes = 0;
};

class KeepingTest : public testing::Test {
 protected:
  KeepingTest() {
    SupervisorOptions options;
    options.workers = {&worker_};
    options.binder = &binder_;
    options.random = &random_;
    options.read_seed_file = [](const std::string&, const std::string& field) -> absl::StatusOr<std::string> {
      return InvalidField(field, "no files here");
    };
    options.store = [this](const std::vector<StoreChange>& changes, const std::function<void(absl::Status)>& done) { store_.Write(changes, done); };
    options.etag_key = std::array<uint64_t, 2>{1, 2};
    supervisor_ = std::make_unique<Supervisor>(thread_, std::move(options));
  }
  ~KeepingTest() override { thread_.Stop(); }

  absl::StatusOr<Outcome> Submit(ChangeSet set, bool validate_only = false) {
    return Await<absl::StatusOr<Outcome>>([&](auto done) { supervisor_->Change(std::move(set), validate_only, done); });
  }
  absl::StatusOr<Outcome> Apply(const std::vector<v1::Object>& objects, const std::string& manager = "api", bool prune = false) {
    ChangeSet set;
    set.manager = manager;
    set.is_apply = true;
    set.prune = prune;
    for (const v1::Object& object : objects) set.changes.emplace_back().object = object;
    return Submit(std::move(set));
  }
  absl::StatusOr<Outcome> Delete(const ObjectKey& key, bool force = false, bool validate_only = false) {
    ChangeSet set;
    set.manager = "api";
    Change& change = set.changes.emplace_back();
    change.verb = Change::Verb::kDelete;
    change.key = key;
    change.force = force;
    return Submit(std::move(set), validate_only);
  }
  std::vector<std::string> Exported() {
    const auto objects = Await<absl::StatusOr<std::vector<v1::Object>>>([&](auto done) { supervisor_->Export("", done); });
    std::vector<std::string> names;
    for (const v1::Object& object : *objects) names.push_back(KeyOf(object).ToString());
    return names;
  }
  v1::GetConfigStatusResponse Status() {
    return *Await<absl::StatusOr<v1::GetConfigStatusResponse>>([&](auto done) { supervisor_->GetConfigStatus(done); });
  }
  v1::Object Get(const ObjectKey& key) {
    const auto object = Await<absl::StatusOr<v1::Object>>([&](auto done) { supervisor_->Get(key, done); });
    EXPECT_TRUE(object.ok()) << object.status();
    return object.value_or(v1::Object());
  }
  void Restore(std::vector<v1::Object> objects) {
    std::promise<void> done;
    supervisor_->Restore(std::move(objects), [&done] { done.set_value(); });
    done.get_future().get();
  }

  FakeWorker worker_{0};
  FakeBinder binder_;
  SeededRandom random_{1};
  FakeStore store_;
  ControlThread thread_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(KeepingTest, WhatTheApiMakesIsKeptBeforeItIsInForce) {
  store_.on_write = [this] { EXPECT_EQ(worker_.updates, 0); };
  ASSERT_TRUE(Apply({KcpListener("l", "127.0.0.1:1")}).ok());
  EXPECT_THAT(store_.Names(), ElementsAre("listener/l"));
  const v1::Object& row = store_.rows.begin()->second;
  EXPECT_EQ(row.listener().spec().kcp().seed(), kSeed) << "without it the object could not come back";
  EXPECT_NE(row.listener().metadata().uid(), "");
  EXPECT_FALSE(row.listener().has_status());
}

TEST_F(KeepingTest, WhatCannotBeKeptIsRefusedAndNothingHasHappened) {
  store_.health = absl::ResourceExhaustedError("full");
  const auto refused = Apply({KcpListener("l", "127.0.0.1:1")});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Exported(), IsEmpty());
  EXPECT_EQ(worker_.updates, 0);
  EXPECT_THAT(binder_.bound, IsEmpty());
  store_.health = absl::OkStatus();
  EXPECT_TRUE(Apply({KcpListener("l", "127.0.0.1:1")}).ok());
  EXPECT_EQ(store_.writes, 2);
}

TEST_F(KeepingTest, WhatTheWorkersRefuseIsTakenBack) {
  ASSERT_TRUE(Apply({KcpListener("l", "127.0.0.1:1")}).ok());
  worker_.refusals_left = 1;
  v1::Object changed = KcpListener("l", "127.0.0.1:1");
  changed.mutable_listener()->mutable_spec()->set_paused(true);
  EXPECT_FALSE(Apply({changed, KcpListener("m", "127.0.0.1:2")}).ok());
  EXPECT_THAT(store_.Names(), ElementsAre("listener/l"));
  EXPECT_FALSE(store_.rows.begin()->second.listener().spec().paused());
  EXPECT_THAT(Exported(), ElementsAre("listener/l"));
}

TEST_F(KeepingTest, DeletionsAreKeptTooWithWhatTheyTakeAlong) {
  ASSERT_TRUE(Apply({KcpListener("l", "127.0.0.1:1"), ForwardDirect("f", "l")}).ok());
  EXPECT_THAT(store_.Names(), ElementsAre("listener/l", "forward/f"));
  ASSERT_TRUE(Delete({Kind::kListener, "l"}, /*force=*/true).ok());
  EXPECT_THAT(store_.Names(), IsEmpty());
}

TEST_F(KeepingTest, ObjectsOfFilesAndTrialsAreNotKept) {
  ASSERT_TRUE(Apply({KcpListener("l", "127.0.0.1:1")}, kFileManager).ok());
  ChangeSet set;
  set.manager = "api";
  set.changes.emplace_back().object = KcpListener("m", "127.0.0.1:2");
  ASSERT_TRUE(Submit(std::move(set), /*validate_only=*/true).ok());
  EXPECT_EQ(store_.writes, 0);
  ASSERT_TRUE(Delete({Kind::kListener, "l"}).ok());
  EXPECT_EQ(store_.writes, 0);
}

TEST_F(KeepingTest, WhatWasKeptComesBackAsItWas) {
  ASSERT_TRUE(Apply({KcpListener("l", "127.0.0.1:1"), KcpDialer("d", "b:1"), ForwardTo("f", "l", "d")}, "controller").ok());
  const v1::Object before = Get({Kind::kListener, "l"});
  std::vector<v1::Object> rows;
  for (const auto& [key, object] : store_.rows) rows.push_back(object);
  std::ranges::reverse(rows);  // a forward before what it names
  ASSERT_TRUE(Apply({}, "controller", /*prune=*/true).ok());
  ASSERT_THAT(Exported(), IsEmpty());

  Restore(rows);
  EXPECT_THAT(Exported(), ElementsAre("listener/l", "dialer/d", "forward/f"));
  const v1::Metadata after = MetadataOf(Get({Kind::kListener, "l"}));
  EXPECT_EQ(after.uid(), MetadataOf(before).uid());
  EXPECT_EQ(after.etag(), MetadataOf(before).etag());
  EXPECT_EQ(after.manager(), "controller");
  EXPECT_EQ(after.generation(), 1);
  EXPECT_EQ(after.create_time().seconds(), MetadataOf(before).create_time().seconds());
  EXPECT_THAT(Status().pending(), IsEmpty());
}

TEST_F(KeepingTest, WhatCannotComeBackIsNamedAndTriedAgain) {
  binder_.taken.insert("127.0.0.1:2");
  v1::Object good = KcpListener("good", "127.0.0.1:1");
  v1::Object bad = KcpListener("bad", "127.0.0.1:2");
  Restore({ForwardDirect("f", "bad"), bad, good});
  EXPECT_THAT(Exported(), ElementsAre("listener/good"));
  v1::GetConfigStatusResponse status = Status();
  ASSERT_EQ(status.pending_size(), 2);
  EXPECT_EQ(status.pending(0).subject(), "listener/bad");
  EXPECT_THAT(status.pending(0).message(), HasSubstr("address already in use"));
  EXPECT_EQ(status.pending(1).subject(), "forward/f");
  EXPECT_EQ(store_.writes, 0) << "what is pending stays kept";

  std::promise<void> freed;
  ASSERT_TRUE(thread_.Post([&] {
    binder_.taken.clear();
    freed.set_value();
  }));
  freed.get_future().get();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (Status().pending_size() != 0 && std::chrono::steady_clock::now() < give_up) {
  }
  EXPECT_THAT(Exported(), ElementsAre("listener/bad", "listener/good", "forward/f"));
}

// What its controller left behind is not kept for ever because something else is in its way.
TEST_F(KeepingTest, APendingObjectEndsWithItsLease) {
  binder_.taken = {"127.0.0.1:1", "127.0.0.1:2"};
  v1::Object with_ttl = TcpListener("ttl", "127.0.0.1:1");
  MutableMetadataOf(with_ttl).mutable_ttl()->set_seconds(1);
  MutableMetadataOf(with_ttl).mutable_expire_time()->set_seconds(1);  // renewals are not written: it begins anew
  v1::Object lasting = TcpListener("lasting", "127.0.0.1:2");
  store_.rows[KeyOf(with_ttl)] = with_ttl;
  Restore({with_ttl, lasting});
  ASSERT_EQ(Status().pending_size(), 2);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (Status().pending_size() == 2 && std::chrono::steady_clock::now() < give_up) {
  }
  ASSERT_EQ(Status().pending_size(), 1);
  EXPECT_EQ(Status().pending(0).subject(), "listener/lasting");
  EXPECT_THAT(store_.Names(), IsEmpty());
}

TEST_F(KeepingTest, APendingObjectCanBeDeletedOrReplaced) {
  binder_.taken.insert("127.0.0.1:2");
  store_.rows[{Kind::kListener, "a"}] = KcpListener("a", "127.0.0.1:2");
  store_.rows[{Kind::kListener, "b"}] = KcpListener("b", "127.0.0.1:2");
  Restore({KcpListener("a", "127.0.0.1:2"), KcpListener("b", "127.0.0.1:2")});
  ASSERT_EQ(Status().pending_size(), 2);
  ASSERT_TRUE(Delete({Kind::kListener, "a"}, false, /*validate_only=*/true).ok());
  ASSERT_EQ(Status().pending_size(), 2);
  ASSERT_TRUE(Delete({Kind::kListener, "a"}).ok());
  EXPECT_THAT(store_.Names(), ElementsAre("listener/b"));
  ASSERT_TRUE(Apply({KcpListener("b", "127.0.0.1:3")}).ok());
  EXPECT_EQ(store_.rows.at({Kind::kListener, "b"}).listener().spec().bind(), "127.0.0.1:3");
  EXPECT_EQ(Status().pending_size(), 0);
}

TEST_F(KeepingTest, APendingObjectSurvivesAChangeThatIsRefused) {
  binder_.taken.insert("127.0.0.1:2");
  store_.rows[{Kind::kListener, "a"}] = KcpListener("a", "127.0.0.1:2");
  Restore({KcpListener("a", "127.0.0.1:2")});
  worker_.refusals_left = 1;
  EXPECT_FALSE(Apply({KcpListener("a", "127.0.0.1:3")}).ok());
  EXPECT_EQ(store_.rows.at({Kind::kListener, "a"}).listener().spec().bind(), "127.0.0.1:2");
  EXPECT_EQ(Status().pending_size(), 1);
}

TEST_F(KeepingTest, OneThatCannotComeBackCostsTheOthersLittle) {
  binder_.taken.insert("127.0.0.1:777");
  std::vector<v1::Object> objects;
  for (int i = 0; i < 1000; ++i) objects.push_back(KcpListener("l" + std::to_string(i), "127.0.0.1:" + std::to_string(i + 1)));
  Restore(objects);
  EXPECT_EQ(Status().pending_size(), 1);
  EXPECT_EQ(Exported().size(), 999u);
  EXPECT_LE(worker_.updates, 12) << "halves, not one by one";
}

TEST_F(KeepingTest, ALeaseEndsThoughTheDiskTakesNothing) {
  v1::Object object = KcpListener("l", "127.0.0.1:1");
  object.mutable_listener()->mutable_metadata()->mutable_ttl()->set_seconds(1);
  ASSERT_TRUE(Apply({object}).ok());
  std::promise<void> full;
  ASSERT_TRUE(thread_.Post([&] {
    store_.health = absl::ResourceExhaustedError("full");
    full.set_value();
  }));
  full.get_future().get();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!Exported().empty() && std::chrono::steady_clock::now() < give_up) {
  }
  EXPECT_THAT(Exported(), IsEmpty());
}

TEST_F(KeepingTest, PruningForgetsPendingObjectsToo) {
  binder_.taken.insert("127.0.0.1:2");
  v1::Object lost = KcpListener("lost", "127.0.0.1:2");
  lost.mutable_listener()->mutable_metadata()->set_manager("controller");
  store_.rows[{Kind::kListener, "lost"}] = lost;
  Restore({lost});
  ASSERT_EQ(Status().pending_size(), 1);
  ASSERT_TRUE(Apply({KcpListener("l", "127.0.0.1:1")}, "controller", /*prune=*/true).ok());
  EXPECT_EQ(Status().pending_size(), 0);
  EXPECT_THAT(store_.Names(), ElementsAre("listener/l"));
}

TEST_F(KeepingTest, AFolderThatTookTheNameWinsAndNothingIsLost) {
  ASSERT_TRUE(Apply({KcpListener("l", "127.0.0.1:1")}, kFileManager).ok());
  Restore({KcpListener("l", "127.0.0.1:9")});
  EXPECT_EQ(Get({Kind::kListener, "l"}).listener().spec().bind(), "127.0.0.1:1");
  ASSERT_EQ(Status().pending_size(), 1);
  EXPECT_THAT(Status().pending(0).message(), HasSubstr("configuration folder"));
}

TEST_F(KeepingTest, HealthIsToldAndEnds) {
  std::promise<void> told;
  ASSERT_TRUE(thread_.Post([&] {
    supervisor_->SetStoreHealth(absl::ResourceExhaustedError("the disk is full"));
    told.set_value();
  }));
  told.get_future().get();
  EXPECT_FALSE(Status().state_is_kept());
  EXPECT_EQ(Status().state_message(), "the disk is full");
  const auto daemon = Await<absl::StatusOr<v1::Daemon>>([&](auto done) { supervisor_->GetDaemon(done); });
  ASSERT_EQ(daemon->warnings_size(), 1);
  EXPECT_EQ(daemon->warnings(0).reason(), "STATE_NOT_KEPT");
  std::promise<void> again;
  ASSERT_TRUE(thread_.Post([&] {
    supervisor_->SetStoreHealth(absl::OkStatus());
    again.set_value();
  }));
  again.get_future().get();
  EXPECT_TRUE(Status().state_is_kept());
}

}  // namespace
}  // namespace culvert::server
