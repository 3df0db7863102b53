// Objects with TLS on their way into force: files are read and judged with the change, shown in the status, renewed in place.
#include <gmock/gmock.h>

#include <cstdlib>
#include <functional>
#include <mutex>

#include "core/io/monotonic_clock.h"
#include "tests/unit/server/fakes.h"
#include "tests/unit/server/tls_objects.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using ::testing::HasSubstr;
using Outcome = Supervisor::ChangeOutcome;

const std::string kKeyed = std::string("kcp { seed: '") + kSeed + "' }";

class TlsPlanTest : public ::testing::Test {
 protected:
  TlsPlanTest() {
    files_.Put(leaf_);
    files_.content["/t"] = ca_.certificate_pem;
    SupervisorOptions options;
    options.workers = {&worker_};
    options.binder = &binder_;
    options.random = &random_;
    options.read_file = [this](const std::string& path, const std::string& field, size_t limit) {
      const std::lock_guard lock(mutex_);
      return files_.Reader()(path, field, limit);
    };
    options.reload_interval = std::chrono::milliseconds(1);
    supervisor_ = std::make_unique<Supervisor>(thread_, std::move(options));
  }
  ~TlsPlanTest() override { thread_.Stop(); }

  absl::StatusOr<Outcome> Apply(const v1::Object& object) {
    ChangeSet set;
    set.manager = "api";
    set.may_name_any_file = true;
    set.is_apply = true;
    set.changes.emplace_back().object = object;
    return Await<absl::StatusOr<Outcome>>([&](auto done) { supervisor_->Change(std::move(set), false, done); });
  }
  v1::Object Get(Kind kind, const std::string& name) {
    return *Await<absl::StatusOr<v1::Object>>([&](auto done) { supervisor_->Get({kind, name}, done); });
  }
  static const v1::Condition* Find(const google::protobuf::RepeatedPtrField<v1::Condition>& conditions, const std::string& type) {
    for (const v1::Condition& condition : conditions) {
      if (condition.type() == type) return &condition;
    }
    return nullptr;
  }
  template <typename Files>
  void Change(Files&& change) {
    const std::lock_guard lock(mutex_);
    change(files_);
  }
  // Looks at the listener "l" until `holds`; the files are looked at every millisecond.
  bool Eventually(const std::function<bool(const v1::ListenerStatus&)>& holds) {
    const TimePoint deadline = io::Now() + std::chrono::seconds(20);
    while (!holds(Get(Kind::kListener, "l").listener().status())) {
      if (io::Now() > deadline) return false;
    }
    return true;
  }

  const Certificate ca_ = MakeCa("test CA");
  const Certificate leaf_ = MakeLeaf(ca_, {"far.example"});
  std::mutex mutex_;
  MemoryFiles files_;  // guarded by mutex_ once the supervisor runs
  FakeWorker worker_{0};
  FakeBinder binder_;
  SeededRandom random_{1};
  ControlThread thread_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(TlsPlanTest, AListenerShowsItsCertificate) {
  const auto outcome = Apply(TlsListener("l", kShows, kKeyed));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(outcome->results[0].warnings.empty());
  const v1::ListenerStatus& status = outcome->objects[0].listener().status();
  EXPECT_EQ(status.tls().certificate_subject(), "far.example");
  EXPECT_EQ(status.tls().spki_pin(), leaf_.pin);
  EXPECT_GT(status.tls().certificate_not_after().seconds(), io::UnixNanoseconds() / 1'000'000'000);
  EXPECT_EQ(Find(status.conditions(), "CertificateValid")->status(), v1::Condition::STATUS_TRUE);
  EXPECT_EQ(Find(status.conditions(), "Secure")->reason(), "Tls");
  EXPECT_EQ(Find(status.conditions(), "XtlsDirectCopy"), nullptr);
  ASSERT_EQ(worker_.current->listeners.size(), 1u);
  EXPECT_NE(worker_.current->listeners[0]->tls, nullptr);
  EXPECT_FALSE(worker_.current->listeners[0]->insecure);
}

TEST_F(TlsPlanTest, ADialerTakesItsNameAndItsTrust) {
  const auto outcome = Apply(TlsDialer("d", "trust_file: '/t' server_name: 'b.example'"));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(worker_.current->dialers[0]->tls_server_name, "b.example");
  EXPECT_EQ(worker_.current->dialers[0]->tls->role(), tls::Role::kClient);
  EXPECT_TRUE(outcome->objects[0].dialer().status().has_tls());
}

TEST_F(TlsPlanTest, VerificationThatIsOffIsSeen) {
  const auto outcome = Apply(TlsDialer("d", "", "insecure: true"));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->results[0].warnings[0].reason(), "INSECURE");
  EXPECT_TRUE(worker_.current->dialers[0]->insecure);
  EXPECT_EQ(Find(outcome->objects[0].dialer().status().conditions(), "Secure")->reason(), "PeerNotVerified");
}

TEST_F(TlsPlanTest, AListenerThatAsksNobodyWhoHeIsSaysSo) {
  const std::string wants = std::string(kShows) + "require_peer_certificate: true trust_file: '/t'";
  struct Row {
    v1::Object object;
    bool is_open;
  };
  for (const Row& row : std::vector<Row>{{TlsListener("l", kShows), true},
                                         {TlsListener("l", kShows, "kcp { profile: KCP_PROFILE_XRAY }"), true},
                                         {TlsListener("l", kShows, "kcp { seed: '' }"), true},
                                         {TlsListener("l", kShows, kKeyed), false},
                                         {TlsListener("l", wants), false}}) {
    SCOPED_TRACE(row.object.ShortDebugString());
    const auto outcome = Apply(row.object);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    const auto* secure = Find(outcome->objects[0].listener().status().conditions(), "Secure");
    EXPECT_EQ(secure->status(), row.is_open ? v1::Condition::STATUS_FALSE : v1::Condition::STATUS_TRUE);
    EXPECT_EQ(secure->reason(), row.is_open ? "AnyoneMayConnect" : "Tls");
    const auto& warnings = outcome->results[0].warnings;
    const auto daemon = Await<absl::StatusOr<v1::Daemon>>([&](auto done) { supervisor_->GetDaemon(done); });
    ASSERT_EQ(warnings.size(), row.is_open ? 1u : 0u);
    if (row.is_open) {
      EXPECT_EQ(warnings[0].reason(), "ANYONE_MAY_CONNECT");
      EXPECT_EQ(warnings[0].field(), "spec.tls.require_peer_certificate");
      EXPECT_EQ(daemon->warnings(0).reason(), "ANYONE_MAY_CONNECT");
    } else {
      EXPECT_NE(daemon->warnings(0).reason(), "ANYONE_MAY_CONNECT");
    }
    EXPECT_FALSE(worker_.current->listeners[0]->insecure);
    ChangeSet gone;
    gone.manager = "api";
    gone.changes.emplace_back().verb = server::Change::Verb::kDelete;
    gone.changes[0].key = {Kind::kListener, "l"};
    ASSERT_TRUE(Await<absl::StatusOr<Outcome>>([&](auto done) { supervisor_->Change(std::move(gone), false, done); }).ok());
  }
}

TEST_F(TlsPlanTest, XtlsIsTakenWithAWarningAndACondition) {
  const auto outcome = Apply(TlsListener("l", std::string(kShows) + "mode: TLS_MODE_XTLS", kKeyed));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->results[0].warnings[0].reason(), "XTLS_WITHOUT_DIRECT_COPY");
  EXPECT_EQ(outcome->results[0].warnings[0].field(), "spec.tls.mode");
  const auto* condition = Find(outcome->objects[0].listener().status().conditions(), "XtlsDirectCopy");
  ASSERT_NE(condition, nullptr);
  EXPECT_EQ(condition->status(), v1::Condition::STATUS_FALSE);
}

TEST_F(TlsPlanTest, AnExpiredCertificateIsAppliedWithAWarning) {
  const int64_t now = io::UnixNanoseconds() / 1'000'000'000;
  Change([&](MemoryFiles& files) { files.Put(MakeLeaf(ca_, {"old.example"}, now - 200, now - 100)); });
  const auto outcome = Apply(TlsListener("l", kShows, kKeyed));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->results[0].warnings[0].reason(), "CERTIFICATE_EXPIRED");
  EXPECT_EQ(outcome->results[0].warnings[0].field(), "spec.tls.certificate_file");
  const auto* condition = Find(outcome->objects[0].listener().status().conditions(), "CertificateValid");
  EXPECT_EQ(condition->status(), v1::Condition::STATUS_FALSE);
  EXPECT_EQ(condition->reason(), "Expired");
}

struct BadFiles {
  const char* field;
  std::map<std::string, std::string> content;  // in place of what is there
};

TEST_F(TlsPlanTest, FilesThatAreNotRightAreRefusedNamingTheField) {
  const Certificate other = MakeLeaf(ca_, {"other.example"});
  const Certificate weak = culvert::testing::MakeCertificate(
      {.common_name = "weak.example", .names = {"weak.example"}, .key = culvert::testing::KeyKind::kRsa1024}, &ca_);
  const std::string canary = "CANARY-of-a-key";
  const std::vector<BadFiles> rows = {
      {"objects[0].spec.tls.certificate_file", {{"/c", "nothing here"}}},
      {"objects[0].spec.tls.certificate_file", {{"/c", ""}}},
      {"objects[0].spec.tls.private_key_file", {{"/k", canary}}},
      {"objects[0].spec.tls.private_key_file", {{"/k", other.private_key_pem}}},
      {"objects[0].spec.tls.trust_file", {{"/t", "no certificate"}}},
  };
  const v1::Object object = TlsListener("l", std::string(kShows) + "require_peer_certificate: true trust_file: '/t'");
  for (const BadFiles& bad : rows) {
    Change([&](MemoryFiles& files) {
      files.Put(leaf_);
      files.content["/t"] = ca_.certificate_pem;
      for (const auto& [path, content] : bad.content) files.content[path] = content;
    });
    const absl::Status status = Apply(object).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.field;
    const auto detail = DetailOf<google::rpc::BadRequest>(status);
    ASSERT_EQ(detail.field_violations_size(), 1) << status;
    EXPECT_EQ(detail.field_violations(0).field(), bad.field) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr(canary)));
  }
  Change([&](MemoryFiles& files) { files.Put(weak); });
  EXPECT_FALSE(Apply(TlsListener("l", kShows)).ok()) << "a key of 1024 bits";
  EXPECT_TRUE(worker_.current->listeners.empty());
}

TEST_F(TlsPlanTest, AFileThatCannotBeReadIsAPrecondition) {
  Change([](MemoryFiles& files) { files.content.erase("/k"); });
  const absl::Status status = Apply(TlsListener("l", kShows)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "CREDENTIAL_UNREADABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("spec.tls.private_key_file: /k"));
}

TEST_F(TlsPlanTest, WithoutTrustTheSystemsRootsAreWanted) {
  setenv("SSL_CERT_FILE", "/t", 1);
  EXPECT_TRUE(Apply(TlsDialer("d", "")).ok());
  setenv("SSL_CERT_FILE", "/none", 1);
  const absl::Status status = Apply(TlsDialer("e", "")).status();
  unsetenv("SSL_CERT_FILE");
  EXPECT_EQ(ReasonOf(status), "CREDENTIAL_UNREADABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("/none"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("name a trust_file"));
  // Who is pinned, and who is not verified, needs none.
  EXPECT_TRUE(Apply(TlsDialer("f", "pinned_spki: '" + leaf_.pin + "'")).ok());
  EXPECT_TRUE(Apply(TlsDialer("g", "", "insecure: true")).ok());
}

TEST_F(TlsPlanTest, RenewedFilesReachTheWorkersUnderTheSameIdentity) {
  ASSERT_TRUE(Apply(TlsListener("l", kShows)).ok());
  const ObjectId before = worker_.current->listeners[0]->id;
  const Certificate renewed = MakeLeaf(ca_, {"renewed.example"});
  Change([&](MemoryFiles& files) { files.Put(renewed); });
  ASSERT_TRUE(Eventually([&](const auto& status) { return status.tls().spki_pin() == renewed.pin; }));
  // One who applies it again finds nothing to do; that also waits for the control thread to be done with the worker.
  const auto outcome = Apply(TlsListener("l", kShows));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->results[0].action, ChangeResult::Action::kUnchanged);
  EXPECT_EQ(worker_.current->listeners[0]->id, before);
  EXPECT_EQ(tls::FormatSpkiPin(worker_.current->listeners[0]->tls->own_certificate()->spki), renewed.pin);
}

// Workers keep their tickets as long as the context is the same.
TEST_F(TlsPlanTest, OnlyAChangeOfTlsMakesAnotherContext) {
  v1::Object object = TlsDialer("d", "trust_file: '/t'");
  const auto context_of = [&]() -> std::shared_ptr<const tls::TlsContext> {
    const auto outcome = Apply(object);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? worker_.current->dialers[0]->tls : nullptr;
  };
  const auto first = context_of();
  ASSERT_NE(first, nullptr);
  (*object.mutable_dialer()->mutable_metadata()->mutable_labels())["site"] = "b";
  EXPECT_EQ(context_of(), first);
  object.mutable_dialer()->mutable_spec()->set_paused(true);
  EXPECT_EQ(context_of(), first);
  EXPECT_TRUE(worker_.current->dialers[0]->paused);
  object.mutable_dialer()->mutable_spec()->mutable_tls()->add_alpn("one");
  const auto second = context_of();
  EXPECT_NE(second, first);
  object.mutable_dialer()->mutable_spec()->set_insecure(true);
  EXPECT_NE(context_of(), second) << "the old one verifies";
}

// Though they may be noticed by the change before they are by the look at the files.
TEST_F(TlsPlanTest, RenewedFilesAreUsedWithAChangeOfSomethingElse) {
  v1::Object object = TlsListener("l", kShows);
  ASSERT_TRUE(Apply(object).ok());
  const Certificate renewed = MakeLeaf(ca_, {"renewed.example"});
  Change([&](MemoryFiles& files) { files.Put(renewed); });
  object.mutable_listener()->mutable_spec()->set_paused(true);
  ASSERT_TRUE(Apply(object).ok());
  EXPECT_EQ(tls::FormatSpkiPin(worker_.current->listeners[0]->tls->own_certificate()->spki), renewed.pin);
}

TEST_F(TlsPlanTest, BrokenFilesLeaveTheOldOnesAndSaySo) {
  ASSERT_TRUE(Apply(TlsListener("l", kShows, kKeyed)).ok());
  Change([](MemoryFiles& files) { files.content["/k"] = "nonsense"; });
  ASSERT_TRUE(Eventually([](const auto& status) {
    const auto* condition = Find(status.conditions(), "CertificateValid");
    return condition->status() == v1::Condition::STATUS_FALSE && condition->reason() == "ReloadFailed";
  }));
  EXPECT_EQ(Get(Kind::kListener, "l").listener().status().tls().spki_pin(), leaf_.pin);
  const auto daemon = Await<absl::StatusOr<v1::Daemon>>([&](auto done) { supervisor_->GetDaemon(done); });
  ASSERT_EQ(daemon->warnings_size(), 2);  // the buffers of the fake are the other
  EXPECT_EQ(daemon->warnings(0).reason(), "RELOAD_FAILED");
  // However often the files are looked at, it is an event once.
  const std::vector<EventPtr> events = EventSnapshot::Take(supervisor_->events());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1]->type, EventType::kWarning);
  EXPECT_EQ(events[1]->reason, "CertificateNotTaken");
  EXPECT_EQ(events[1]->subject, "listener/l");
  EXPECT_THAT(events[1]->message, HasSubstr("spec.tls"));
  EXPECT_EQ(events[1]->count, 1u);
  Change([&](MemoryFiles& files) { files.Put(leaf_); });
  EXPECT_TRUE(Eventually([](const auto& status) { return Find(status.conditions(), "CertificateValid")->reason() == "Valid"; }));
}

}  // namespace
}  // namespace culvert::server
