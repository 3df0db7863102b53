#include "server/supervisor.h"

#include <gmock/gmock.h>

#include "tests/unit/server/fakes.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Outcome = Supervisor::ChangeOutcome;

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() {
    SupervisorOptions options;
    options.workers = {&workers_[0], &workers_[1]};
    options.binder = &binder_;
    options.random = &random_;
    options.read_seed_file = [](const std::string&, const std::string& field) -> absl::StatusOr<std::string> {
      return InvalidField(field, "no files here");
    };
    options.read_file = [](const std::string&, const std::string&, size_t) { return std::string("alice:wonderland\n"); };
    supervisor_ = std::make_unique<Supervisor>(thread_, std::move(options));
  }
  ~SupervisorTest() override { thread_.Stop(); }

  absl::StatusOr<Outcome> Submit(std::vector<Change> changes, bool is_apply, bool validate_only = false) {
    ChangeSet set;
    set.manager = "api";
    set.may_name_any_file = true;
    set.is_apply = is_apply;
    set.changes = std::move(changes);
    return Await<absl::StatusOr<Outcome>>([&](auto done) { supervisor_->Change(std::move(set), validate_only, done); });
  }
  absl::StatusOr<Outcome> Apply(const std::vector<v1::Object>& objects, bool validate_only = false) {
    std::vector<Change> changes;
    for (const v1::Object& object : objects) changes.emplace_back().object = object;
    return Submit(std::move(changes), true, validate_only);
  }
  absl::StatusOr<Outcome> Delete(Kind kind, const std::string& name, bool force = false, bool validate_only = false) {
    Change change;
    change.verb = Change::Verb::kDelete;
    change.key = {kind, name};
    change.force = force;
    return Submit({change}, false, validate_only);
  }
  absl::StatusOr<v1::Object> Get(Kind kind, const std::string& name) {
    return Await<absl::StatusOr<v1::Object>>([&](auto done) { supervisor_->Get({kind, name}, done); });
  }
  std::vector<std::string> Exported() {
    const auto objects = Await<absl::StatusOr<std::vector<v1::Object>>>([&](auto done) { supervisor_->Export("", done); });
    std::vector<std::string> names;
    for (const v1::Object& object : *objects) names.push_back(KeyOf(object).ToString());
    return names;
  }

  FakeWorker workers_[2] = {FakeWorker(0), FakeWorker(1)};
  FakeBinder binder_;
  SeededRandom random_{1};
  ControlThread thread_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(SupervisorTest, ApplyIsInForceOnAllWorkersWhenAnswered) {
  const auto outcome = Apply({TcpListener("l", "127.0.0.1:1"), KcpDialer("d", "b:1"), ForwardTo("f", "l", "d")});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  for (const FakeWorker& worker : workers_) {
    EXPECT_EQ(worker.current->listeners.size(), 1u);
    EXPECT_EQ(worker.current->dialers.size(), 1u);
    EXPECT_EQ(worker.current->forwards.size(), 1u);
    EXPECT_EQ(worker.new_listeners.size(), 1u);
  }
  EXPECT_EQ(outcome->objects[0].listener().status().state(), v1::STATE_ACTIVE);
  EXPECT_THAT(outcome->objects[0].listener().status().bound_addresses(), ElementsAre("127.0.0.1:1"));
}

TEST_F(SupervisorTest, APortInUseOnTheThirdObjectLeavesEverythingAsItWas) {
  ASSERT_TRUE(Apply({TcpListener("old", "127.0.0.1:1")}).ok());
  binder_.taken.insert("127.0.0.1:4");
  const auto routing = workers_[0].current;
  const auto refused = Apply({TcpListener("old", "127.0.0.1:1"), TcpListener("b", "127.0.0.1:3"), TcpListener("c", "127.0.0.1:4"),
                              TcpListener("d", "127.0.0.1:5")});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused.status()), "ADDRESS_IN_USE");
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(refused.status()).metadata().at("field"), "objects[2].spec.bind");
  EXPECT_EQ(workers_[0].current, routing);
  EXPECT_EQ(workers_[1].updates, 1);
  EXPECT_THAT(binder_.bound, ElementsAre("127.0.0.1:1"));
  EXPECT_THAT(Exported(), ElementsAre("listener/old"));
}

TEST_F(SupervisorTest, ABusyFirstWorkerRefusesTheWholeChange) {
  workers_[0].refusals_left = 1;
  const auto refused = Apply({TcpListener("a", "127.0.0.1:1")});
  EXPECT_EQ(ReasonOf(refused.status()), "CONTROL_OVERLOADED");
  EXPECT_THAT(binder_.bound, IsEmpty());
  EXPECT_THAT(Exported(), IsEmpty());
  EXPECT_EQ(workers_[1].updates, 0);
  EXPECT_TRUE(Apply({TcpListener("a", "127.0.0.1:1")}).ok());
}

TEST_F(SupervisorTest, ABusyLaterWorkerIsAskedUntilItAccepts) {
  workers_[1].refusals_left = 3;
  ASSERT_TRUE(Apply({TcpListener("a", "127.0.0.1:1")}).ok());
  EXPECT_EQ(workers_[1].updates, 1);
  EXPECT_EQ(workers_[1].new_listeners.size(), 1u);
}

TEST_F(SupervisorTest, ValidateOnlyChangesNothing) {
  ASSERT_TRUE(Apply({TcpListener("a", "127.0.0.1:1")}).ok());
  const auto tried = Apply({KcpListener("b", "127.0.0.1:2"), TcpListener("a", "127.0.0.1:1")}, true);
  ASSERT_TRUE(tried.ok());
  EXPECT_EQ(tried->results[0].action, ChangeResult::Action::kCreated);
  EXPECT_EQ(tried->results[1].action, ChangeResult::Action::kUnchanged);
  const auto deleted = Delete(Kind::kListener, "a", false, true);
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(deleted->objects[0].listener().status().state(), v1::STATE_ACTIVE);
  EXPECT_THAT(Exported(), ElementsAre("listener/a"));
  EXPECT_EQ(workers_[0].updates, 1);
  EXPECT_EQ(binder_.binds, 1);
}

TEST_F(SupervisorTest, ApplyingTheSameAgainTouchesNoWorker) {
  ASSERT_TRUE(Apply({TcpListener("a", "127.0.0.1:1")}).ok());
  ASSERT_TRUE(Apply({TcpListener("a", "127.0.0.1:1")}).ok());
  EXPECT_EQ(workers_[0].updates, 1);
}

TEST_F(SupervisorTest, UnchangedObjectsKeepTheirVeryConfiguration) {
  ASSERT_TRUE(Apply({TcpListener("a", "127.0.0.1:1")}).ok());
  const auto before = workers_[0].current->listeners[0];
  ASSERT_TRUE(Apply({TcpListener("b", "127.0.0.1:2")}).ok());
  EXPECT_EQ(workers_[0].current->listeners[0], before);
  EXPECT_THAT(workers_[0].new_listeners, ElementsAre(testing::Field(&ObjectId::name, "b")));
}

TEST_F(SupervisorTest, ADisruptiveChangeKeepsSocketAndCounters) {
  ASSERT_TRUE(Apply({KcpListener("a", "127.0.0.1:0")}).ok());
  const uint64_t before = workers_[0].current->listeners[0]->id.incarnation;
  const auto outcome = Apply({KcpListener("a", "127.0.0.1:0", "mtu_bytes: 1000")});
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->results[0].disruptive);
  EXPECT_EQ(binder_.binds, 1);
  EXPECT_EQ(workers_[0].new_listeners.size(), 1u);
  EXPECT_NE(workers_[0].current->listeners[0]->id.incarnation, before);
  EXPECT_EQ(workers_[0].current->listeners[0]->bind.port, 50000);
  // Two workers, two incarnations, one opened each; only the second ones are active.
  const v1::Counters counters = outcome->objects[0].listener().status().counters();
  EXPECT_EQ(counters.opened(), 4u);
  EXPECT_EQ(counters.rx_bytes(), 40u);
  EXPECT_EQ(counters.active(), 2u);
}

TEST_F(SupervisorTest, DeletionAnswersWithFinalCountersAndLetsGoOfThePort) {
  ASSERT_TRUE(Apply({TcpListener("a", "127.0.0.1:1"), ForwardDirect("f", "a")}).ok());
  EXPECT_EQ(ReasonOf(Delete(Kind::kListener, "a").status()), "RESOURCE_IN_USE");
  const auto outcome = Delete(Kind::kListener, "a", true);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->objects[0].listener().status().counters().rx_bytes(), 20u);
  EXPECT_EQ(outcome->objects[0].listener().status().state(), v1::STATE_CLOSED);
  EXPECT_THAT(binder_.bound, IsEmpty());
  EXPECT_THAT(Exported(), IsEmpty());
  EXPECT_EQ(Get(Kind::kForward, "f").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SupervisorTest, NoReaderSeesASeed) {
  const auto outcome = Apply({KcpListener("a", "127.0.0.1:1"), KcpDialer("d", "b:1")});
  ASSERT_TRUE(outcome.ok());
  std::string all;
  for (const v1::Object& object : outcome->objects) all += object.DebugString();
  all += Get(Kind::kListener, "a")->DebugString();
  const auto exported =
      Await<absl::StatusOr<std::vector<v1::Object>>>([&](auto done) { supervisor_->Export("api", done); });
  for (const v1::Object& object : *exported) all += object.DebugString();
  all += Await<std::string>([&](auto done) {
    supervisor_->List(Kind::kDialer, [](const std::vector<EntryPtr>& entries) -> absl::StatusOr<Supervisor::Range> { return Supervisor::Range{0, entries.size()}; }, [done](const absl::StatusOr<Supervisor::Listing>& listing) {
      std::string text;
      for (const ObjectView& view : listing->objects) text += view.In(*listing->report).DebugString();
      done(text);
    });
  });
  EXPECT_EQ(all.find("correct"), std::string::npos);
  EXPECT_EQ(all.find("seed:"), std::string::npos);
}

TEST_F(SupervisorTest, ConditionsTellOfBuffersAndSecurity) {
  const auto outcome = Apply({KcpListener("a", "127.0.0.1:1")});
  ASSERT_TRUE(outcome.ok());
  std::map<std::string, v1::Condition> conditions;
  for (const auto& condition : outcome->objects[0].listener().status().conditions()) conditions[condition.type()] = condition;
  EXPECT_EQ(conditions["Ready"].status(), v1::Condition::STATUS_TRUE);
  EXPECT_EQ(conditions["Bound"].status(), v1::Condition::STATUS_TRUE);
  EXPECT_EQ(conditions["Secure"].status(), v1::Condition::STATUS_TRUE);
  EXPECT_EQ(conditions["BuffersGranted"].status(), v1::Condition::STATUS_FALSE);
  EXPECT_THAT(conditions["BuffersGranted"].message(), testing::HasSubstr("sysctl -w net.core.rmem_max=8388608"));
}

TEST_F(SupervisorTest, AProxyWithoutUsersIsNotSecure) {
  const auto secure = [this](const std::string& spec) -> std::string {
    const auto outcome = Apply({ParseObject("listener { metadata { name: 'a' } spec { transport: TRANSPORT_TCP " + spec + " } }")});
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_TRUE(Delete(Kind::kListener, "a").ok());
    for (const auto& condition : outcome->objects[0].listener().status().conditions()) {
      if (condition.type() == "Secure") return v1::Condition::Status_Name(condition.status()) + " " + condition.reason();
    }
    return "";
  };
  for (const std::string protocol : {"LISTENER_PROTOCOL_SOCKS5", "LISTENER_PROTOCOL_HTTP_CONNECT"}) {
    EXPECT_EQ(secure("bind: '0.0.0.0:1080' protocol: " + protocol), "STATUS_FALSE OpenProxy");
    EXPECT_EQ(secure("bind: '127.0.0.1:1080' protocol: " + protocol), "");
    EXPECT_EQ(secure("bind: '0.0.0.0:1080' users_file: '/u' protocol: " + protocol), "");
  }
  EXPECT_EQ(secure("bind: '0.0.0.0:1080'"), "");
  ASSERT_TRUE(Apply({ParseObject("listener { metadata { name: 'a' } spec { transport: TRANSPORT_TCP bind: '0.0.0.0:1080' "
                                 "protocol: LISTENER_PROTOCOL_SOCKS5 } }")}).ok());
  const auto daemon = Await<absl::StatusOr<v1::Daemon>>([&](auto done) { supervisor_->GetDaemon(done); });
  ASSERT_EQ(daemon->warnings_size(), 1);
  EXPECT_EQ(daemon->warnings(0).reason(), "OPEN_PROXY");
  EXPECT_EQ(daemon->warnings(0).field(), "listener/a");
}

TEST_F(SupervisorTest, PlainUdpHasNoKeysToMiss) {
  const auto outcome =
      Apply({ParseObject("listener { metadata { name: 'a' } spec { transport: TRANSPORT_UDP bind: '0.0.0.0:53' } }"),
             ParseObject("dialer { metadata { name: 'b' } spec { transport: TRANSPORT_UDP targets: 'dns:53' } }")});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  for (const auto& condition : outcome->objects[0].listener().status().conditions()) EXPECT_NE(condition.type(), "Secure");
  for (const auto& condition : outcome->objects[1].dialer().status().conditions()) EXPECT_NE(condition.type(), "Secure");
}

TEST_F(SupervisorTest, WorkersKnowWhereTheDaemonListens) {
  ASSERT_TRUE(Apply({TcpListener("a", "127.0.0.1:1"), KcpListener("b", "0.0.0.0:0")}).ok());
  std::vector<std::string> addresses;
  for (const SocketAddress& address : workers_[1].current->own_addresses) addresses.push_back(address.ToString());
  EXPECT_THAT(addresses, ElementsAre("127.0.0.1:1", "0.0.0.0:50000"));
  ASSERT_TRUE(Delete(Kind::kListener, "b").ok());
  EXPECT_EQ(workers_[1].current->own_addresses.size(), 1u);
}

TEST_F(SupervisorTest, ChangesThatAreInForceAreEvents) {
  ASSERT_TRUE(Apply({TcpListener("l", "127.0.0.1:1"), ForwardDirect("f", "l")}).ok());
  ASSERT_TRUE(Apply({TcpListener("l", "127.0.0.1:1"), TcpListener("m", "127.0.0.1:2")}, /*validate_only=*/true).ok());
  auto changed = TcpListener("l", "127.0.0.1:1");
  changed.mutable_listener()->mutable_spec()->set_paused(true);
  changed.mutable_listener()->mutable_spec()->set_max_sessions(3);
  ASSERT_TRUE(Apply({changed, ForwardDirect("f", "l")}).ok());
  EXPECT_FALSE(Apply({TcpListener("z", "nonsense")}).ok());
  ASSERT_TRUE(Delete(Kind::kListener, "l", /*force=*/true).ok());
  std::vector<std::string> lines;
  for (const EventPtr& event : EventSnapshot::Take(supervisor_->events())) {
    EXPECT_EQ(event->type, EventType::kNormal);
    lines.push_back(event->reason + " " + event->subject + " " + event->message);
  }
  EXPECT_THAT(lines, ElementsAre("Created listener/l by manager api", "Created forward/f by manager api",
                                 "Configured listener/l spec.max_sessions,spec.paused", "Deleted listener/l by manager api",
                                 "Deleted forward/f with what it refers to"));
}

TEST_F(SupervisorTest, EventsComeFromAnyThread) {
  std::async(std::launch::async, [this] {
    for (int i = 0; i < 3; ++i) supervisor_->RecordEvent(EventType::kWarning, "DialFailed", "dialer/d", "refused");
  }).get();
  const std::vector<EventPtr> events = EventSnapshot::Take(supervisor_->events());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]->count, 3u);
  EXPECT_EQ(events[0]->reason, "DialFailed");
}

TEST_F(SupervisorTest, SessionsOfAllWorkersAreListedAndClosed) {
  workers_[0].sessions.push_back({.id = "b"});
  workers_[1].sessions.push_back({.id = "a"});
  const auto report = Await<absl::StatusOr<ReportPtr>>([&](auto done) { supervisor_->Sessions(done); });
  ASSERT_EQ((*report)->sessions.size(), 2u);
  EXPECT_EQ((*report)->sessions[0].id, "a");
  const auto close = [&](const std::string& id, bool validate_only) {
    return Await<absl::Status>([&](auto done) { supervisor_->CloseSession(id, true, validate_only, done); });
  };
  EXPECT_TRUE(close("a", true).ok());
  EXPECT_TRUE(close("a", false).ok());
  EXPECT_EQ(close("a", false).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(close("a", true).code(), absl::StatusCode::kNotFound);
}

TEST_F(SupervisorTest, ProbesJudgeTheirSettingsAndAreLimited) {
  const auto probe = [&](Supervisor::ProbeSubject subject) {
    return Await<absl::StatusOr<ProbeStep>>([&](auto done) { supervisor_->Probe(std::move(subject), 1, std::chrono::seconds(1), done); });
  };
  EXPECT_EQ(probe({"nobody", {}}).status().code(), absl::StatusCode::kNotFound);
  const auto refusal = DetailOf<google::rpc::BadRequest>(probe({"", {}}).status());
  ASSERT_GT(refusal.field_violations_size(), 0);
  EXPECT_EQ(refusal.field_violations(0).field(), "spec.transport");
  v1::DialerSpec spec;
  spec.set_transport(v1::TRANSPORT_TCP);
  spec.add_targets("db:1");
  EXPECT_TRUE(probe({"", spec}).ok());
  workers_[0].is_silent = workers_[1].is_silent = true;
  for (size_t i = 0; i < Supervisor::kMaxProbes; ++i) {
    supervisor_->Probe({"", spec}, 1, std::chrono::seconds(1), [](const absl::StatusOr<ProbeStep>&) {});
  }
  EXPECT_EQ(ReasonOf(probe({"", spec}).status()), "LIMIT_EXCEEDED");
}

TEST_F(SupervisorTest, AfterBeginStopEverythingIsRefused) {
  supervisor_->BeginStop();
  EXPECT_EQ(ReasonOf(Apply({}).status()), "DAEMON_STOPPING");
  EXPECT_EQ(ReasonOf(Get(Kind::kListener, "a").status()), "DAEMON_STOPPING");
}

TEST_F(SupervisorTest, ManyConcurrentChangesAreAllAnsweredInOneOrder) {
  std::vector<std::future<absl::StatusOr<Outcome>>> answers;
  for (int i = 0; i < 100; ++i) {
    answers.push_back(std::async(std::launch::async, [this, i] {
      return Apply({TcpListener("l" + std::to_string(i % 10), "127.0.0.1:" + std::to_string(1000 + i % 10))});
    }));
  }
  int created = 0;
  for (auto& answer : answers) {
    const auto outcome = answer.get();
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    if (outcome->results[0].action == ChangeResult::Action::kCreated) ++created;
  }
  EXPECT_EQ(created, 10);
  EXPECT_EQ(workers_[0].updates, 10);
}

TEST_F(SupervisorTest, AQuestionDoesNotWaitForALargeChange) {
  ASSERT_TRUE(Apply({TcpListener("l", "127.0.0.1:1")}).ok());
  ChangeSet set;
  set.manager = "api";
  set.is_apply = true;
  for (int i = 0; i < 1000; ++i) set.changes.emplace_back().object = KcpDialer("d" + std::to_string(i), "b:1");
  std::vector<std::string> order;  // the control thread's, until both are done
  std::promise<void> both_wait, changed, answered;
  ASSERT_TRUE(thread_.Post([ready = both_wait.get_future().share()] { ready.wait(); }));
  supervisor_->Change(std::move(set), /*validate_only=*/true, [&](const absl::StatusOr<Outcome>& outcome) {
    order.push_back(outcome.ok() ? "changed" : std::string(outcome.status().message()));
    changed.set_value();
  });
  supervisor_->Get({Kind::kListener, "l"}, [&](const absl::StatusOr<v1::Object>& object) {
    order.push_back(object.ok() ? "answered" : std::string(object.status().message()));
    answered.set_value();
  });
  both_wait.set_value();
  changed.get_future().wait();
  answered.get_future().wait();
  EXPECT_THAT(order, ElementsAre("answered", "changed"));
}

TEST_F(SupervisorTest, ARefusedLargeChangeLetsTheNextOneBegin) {
  std::vector<v1::Object> objects;
  for (int i = 0; i < 300; ++i) objects.push_back(KcpDialer("d" + std::to_string(i), "b:1"));
  objects.push_back(KcpDialer("d7", "b:1"));
  EXPECT_EQ(Apply(objects).status().code(), absl::StatusCode::kInvalidArgument);
  objects.pop_back();
  const auto outcome = Apply(objects);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->results.size(), 300u);
}

TEST_F(SupervisorTest, TheDaemonCountsItsObjects) {
  ASSERT_TRUE(Apply({TcpListener("l", "127.0.0.1:1"), ForwardDirect("f", "l")}).ok());
  const auto daemon = Await<absl::StatusOr<v1::Daemon>>([&](auto done) { supervisor_->GetDaemon(done); });
  EXPECT_EQ(daemon->listeners(), 1);
  EXPECT_EQ(daemon->forwards(), 1);
  EXPECT_EQ(daemon->workers_size(), 2);
  EXPECT_EQ(daemon->sessions(), 2);
}

}  // namespace
}  // namespace culvert::server
