// Objects of transport QUIC on their way into force: what workers get of them, what is kept and what ends sessions, what is shown.
#include <gmock/gmock.h>

#include "core/io/monotonic_clock.h"
#include "server/config_from_proto.h"
#include "server/quic_identity.h"
#include "tests/unit/server/fakes.h"
#include "tests/unit/server/quic_objects.h"
#include "tests/unit/server/tls_objects.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using ::testing::HasSubstr;
using ::testing::Not;
using Outcome = Supervisor::ChangeOutcome;
using Action = ChangeResult::Action;

constexpr char kCanary[] = "canary of the outer key";
const std::string kSealed = std::string("quic { outer { security: OUTER_SECURITY_AES_128_GCM key: '") + kCanary + "' } }";
const std::string kSealedByFile = "quic { outer { security: OUTER_SECURITY_CHACHA20_POLY1305 key_file: '/key' } }";

class QuicPlanTest : public ::testing::Test {
 protected:
  QuicPlanTest() {
    files_.Put(leaf_);
    files_.content["/t"] = ca_.certificate_pem;
    identity_ = *QuicIdentity::Create(nullptr, "for the test", identity_random_, io::UnixNanoseconds() / 1'000'000'000);
    SupervisorOptions options;
    options.workers = {&worker_};
    options.binder = &binder_;
    options.random = &random_;
    options.read_file = files_.Reader();
    options.read_seed_file = [this](const std::string& path, const std::string& field) -> absl::StatusOr<std::string> {
      if (path == "/key") return key_;
      return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "CREDENTIAL_UNREADABLE", field + ": " + path + ": none").Build();
    };
    options.quic_identity = identity_.get();
    options.reload_interval = std::chrono::hours(1);
    supervisor_ = std::make_unique<Supervisor>(thread_, std::move(options));
  }
  ~QuicPlanTest() override { thread_.Stop(); }

  absl::StatusOr<Outcome> Apply(const v1::Object& object) {
    ChangeSet set;
    set.manager = "api";
    set.may_name_any_file = true;
    set.is_apply = true;
    set.changes.emplace_back().object = object;
    return Await<absl::StatusOr<Outcome>>([&](auto done) { supervisor_->Change(std::move(set), false, done); });
  }
  // Applies what must be accepted, and says what it came to.
  ChangeResult Do(const v1::Object& object) {
    auto outcome = Apply(object);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? outcome->results.front() : ChangeResult();
  }
  std::vector<std::string> Refused(const v1::Object& object) {
    const auto outcome = Apply(object);
    EXPECT_FALSE(outcome.ok());
    std::vector<std::string> fields;
    const auto detail = DetailOf<google::rpc::BadRequest>(outcome.status());
    for (const auto& violation : detail.field_violations()) fields.push_back(violation.field());
    return fields;
  }
  v1::Object Get(Kind kind, const std::string& name) {
    return *Await<absl::StatusOr<v1::Object>>([&](auto done) { supervisor_->Get({kind, name}, done); });
  }
  const DialerConfig& Dialer() const { return *worker_.current->dialers.front(); }
  const ListenerConfig& Listener() const { return *worker_.current->listeners.front(); }
  template <typename Conditions>
  static std::string ConditionOf(const Conditions& conditions, const std::string& type) {
    for (const v1::Condition& condition : conditions) {
      if (condition.type() == type) return v1::Condition::Status_Name(condition.status()) + " " + condition.reason() + ": " + condition.message();
    }
    return "none";
  }

  const Certificate ca_ = MakeCa("ca");
  const Certificate leaf_ = MakeLeaf(ca_, {"far.example"});
  MemoryFiles files_;
  std::string key_ = "a key from a file";
  FakeWorker worker_{0};
  FakeBinder binder_;
  SeededRandom random_{1};
  SeededRandom identity_random_{2};
  std::unique_ptr<QuicIdentity> identity_;
  ControlThread thread_;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(QuicPlanTest, WorkersGetWhatWasDeclared) {
  Do(QuicDialer("d", "insecure: true min_sessions: 2 max_sessions: 8 backoff_min { nanos: 200000000 } backoff_max { seconds: 9 } "
                     "resolve_interval { seconds: 7 } quic { outer { security: OUTER_SECURITY_CHACHA20_POLY1305 key: 'k' header: "
                     "PACKET_HEADER_SRTP } max_streams_per_session: 5 max_udp_payload_bytes: 1300 idle_timeout { seconds: 20 } "
                     "keepalive_interval { seconds: 4 } congestion_control: CONGESTION_CONTROL_CUBIC datagrams: false migration: false "
                     "early_data: true }"));
  const DialerConfig& dialer = Dialer();
  EXPECT_EQ(dialer.transport, Transport::kQuic);
  EXPECT_EQ(dialer.min_sessions, 2u);
  EXPECT_EQ(dialer.max_sessions, 8u);
  EXPECT_EQ(dialer.backoff_min, std::chrono::milliseconds(200));
  EXPECT_EQ(dialer.backoff_max, std::chrono::seconds(9));
  EXPECT_EQ(dialer.resolve_interval, std::chrono::seconds(7));
  EXPECT_EQ(dialer.quic_keys, identity_->shared()->keys);
  EXPECT_EQ(dialer.kcp, nullptr);
  ASSERT_NE(dialer.quic, nullptr);
  EXPECT_NE(dialer.quic->sealer(), nullptr);
  EXPECT_EQ(dialer.quic->outer_header(), HeaderType::kSrtp);
  EXPECT_EQ(dialer.quic->max_streams_per_session(), 5u);
  EXPECT_EQ(dialer.quic->max_udp_payload_bytes(), 1300u);
  EXPECT_EQ(dialer.quic->idle_timeout(), std::chrono::seconds(20));
  EXPECT_EQ(dialer.quic->keepalive_interval(), std::chrono::seconds(4));
  EXPECT_EQ(dialer.quic->congestion_control(), quic::CongestionControl::kCubic);
  EXPECT_FALSE(dialer.quic->datagrams());
  EXPECT_FALSE(dialer.quic->migration());
  EXPECT_TRUE(dialer.quic->early_data());
}

TEST_F(QuicPlanTest, DefaultsAreThoseOfTheApi) {
  Do(QuicDialer("d"));
  const DialerConfig& dialer = Dialer();
  EXPECT_EQ(dialer.min_sessions, 0u);
  EXPECT_EQ(dialer.backoff_min, std::chrono::milliseconds(100));
  EXPECT_EQ(dialer.backoff_max, std::chrono::seconds(30));
  EXPECT_EQ(dialer.resolve_interval, std::chrono::seconds(30));
  EXPECT_EQ(dialer.quic->sealer(), nullptr);
  EXPECT_EQ(dialer.quic->max_streams_per_session(), 256u);
  EXPECT_EQ(dialer.quic->max_udp_payload_bytes(), 1452u);
  EXPECT_EQ(dialer.quic->idle_timeout(), std::chrono::seconds(30));
  EXPECT_EQ(dialer.quic->keepalive_interval(), std::chrono::seconds(10));
  EXPECT_TRUE(dialer.quic->datagrams());
  EXPECT_TRUE(dialer.quic->migration());
  EXPECT_FALSE(dialer.quic->early_data());
}

TEST_F(QuicPlanTest, NoTlsBlockMeansOurOwnCertificateAndNobodyVerified) {
  Do(QuicListener("l"));
  EXPECT_EQ(Listener().tls, identity_->shared()->server_tls);
  EXPECT_EQ(Listener().quic_keys, identity_->shared()->keys);
  EXPECT_FALSE(Listener().insecure);
  Do(QuicDialer("d"));
  ASSERT_NE(Dialer().tls, nullptr);
  EXPECT_EQ(Dialer().tls->role(), tls::Role::kClient);
  EXPECT_EQ(Dialer().tls_server_name, "quic.internal.v2ray.com");
  EXPECT_TRUE(Dialer().insecure);
}

TEST_F(QuicPlanTest, ATlsBlockSaysWhoIsShownAndVerified) {
  Do(QuicListener("l", std::string("tls { ") + kShows + " }"));
  ASSERT_TRUE(Listener().tls->own_certificate().has_value());
  EXPECT_EQ(tls::FormatSpkiPin(Listener().tls->own_certificate()->spki), leaf_.pin);
  Do(QuicDialer("d", "tls { trust_file: '/t' }"));
  EXPECT_FALSE(Dialer().insecure);
  EXPECT_EQ(Dialer().tls_server_name, "") << "the host of the target";
  Do(QuicDialer("d", "tls { trust_file: '/t' server_name: 'other.example' }"));
  EXPECT_EQ(Dialer().tls_server_name, "other.example");
}

TEST_F(QuicPlanTest, CertificateProblemsAreRefusedWithTheirField) {
  files_.content["/junk"] = "no certificate";
  EXPECT_THAT(Refused(QuicListener("l", "tls { certificate_file: '/junk' private_key_file: '/k' }")),
              ::testing::ElementsAre("objects[0].spec.tls.certificate_file"));
  EXPECT_THAT(Refused(QuicListener("l", "tls { certificate_file: '/c' private_key_file: '/junk' }")),
              ::testing::ElementsAre("objects[0].spec.tls.private_key_file"));
  EXPECT_EQ(ReasonOf(Apply(QuicListener("l", "tls { certificate_file: '/missing' private_key_file: '/k' }")).status()),
            "CREDENTIAL_UNREADABLE");
  EXPECT_TRUE(worker_.current->listeners.empty());
}

TEST_F(QuicPlanTest, TheOuterKeyIsKeptAndNeverShown) {
  Do(QuicDialer("d", "insecure: true " + kSealed));
  EXPECT_THAT(Get(Kind::kDialer, "d").ShortDebugString(), Not(HasSubstr(kCanary)));
  EXPECT_FALSE(Get(Kind::kDialer, "d").dialer().spec().quic().outer().has_key());
  // What a read shows, applied again, changes nothing.
  v1::Object shown = Get(Kind::kDialer, "d");
  shown.mutable_dialer()->mutable_metadata()->clear_etag();
  EXPECT_EQ(Do(shown).action, Action::kUnchanged);
  // Nor does it go when something else of the block changes.
  const ChangeResult changed =
      Do(QuicDialer("d", "insecure: true quic { outer { security: OUTER_SECURITY_AES_128_GCM } migration: false }"));
  EXPECT_TRUE(changed.disruptive);
  EXPECT_EQ(changed.after->object.dialer().spec().quic().outer().key(), kCanary);
  // Without a security there is nothing that it is for.
  EXPECT_FALSE(Do(QuicDialer("d", "insecure: true quic { outer { header: PACKET_HEADER_SRTP } }"))
                   .after->object.dialer().spec().quic().outer().has_key());
}

TEST_F(QuicPlanTest, AKeyFileIsReadAndARotatedOneIsAChange) {
  const ChangeResult made = Do(QuicListener("l", kSealedByFile));
  ASSERT_NE(made.after, nullptr);
  EXPECT_NE(Listener().quic->sealer(), nullptr);
  EXPECT_EQ(Do(QuicListener("l", kSealedByFile)).action, Action::kUnchanged);
  key_ = "another key in the file";
  const ChangeResult rotated = Do(QuicListener("l", kSealedByFile));
  EXPECT_EQ(rotated.action, Action::kConfigured);
  EXPECT_TRUE(rotated.disruptive);
  EXPECT_THAT(rotated.changed_paths, ::testing::Contains("spec.quic.outer.key_file"));
  key_ = "short";
  EXPECT_EQ(Do(QuicListener("l", kSealedByFile)).warnings.front().reason(), "OUTER_KEY_SHORT");
  key_ = "";
  EXPECT_THAT(Refused(QuicListener("l", kSealedByFile)), ::testing::ElementsAre("objects[0].spec.quic.outer.key_file"));
  EXPECT_EQ(ReasonOf(Apply(QuicListener("m", "quic { outer { security: OUTER_SECURITY_AES_128_GCM key_file: '/none' } }")).status()),
            "CREDENTIAL_UNREADABLE");
}

TEST_F(QuicPlanTest, SessionsLiveOnThroughWhatDoesNotConcernThem) {
  Do(QuicDialer("d"));
  const uint64_t incarnation = Dialer().id.incarnation;
  const auto context = Dialer().tls;
  const auto settings = Dialer().quic;
  const ChangeResult gentle = Do(QuicDialer("d", "insecure: true min_sessions: 3 backoff_max { seconds: 5 }"));
  EXPECT_FALSE(gentle.disruptive);
  EXPECT_EQ(Dialer().id.incarnation, incarnation);
  EXPECT_EQ(Dialer().min_sessions, 3u);
  EXPECT_EQ(Dialer().tls, context) << "another context would forget the tickets";
  EXPECT_EQ(Dialer().quic, settings);
  EXPECT_TRUE(Do(QuicDialer("d", "insecure: true quic { early_data: true }")).disruptive);
  EXPECT_NE(Dialer().id.incarnation, incarnation);
}

TEST_F(QuicPlanTest, KcpAndQuicShareThePortsOfUdp) {
  Do(QuicListener("l"));
  EXPECT_THAT(Refused(KcpListener("k", "127.0.0.1:4433")), ::testing::ElementsAre("objects[0].spec.bind"));
  // Only tried: the stand-in for sockets knows addresses, not protocols.
  ChangeSet set;
  set.manager = "api";
  set.may_name_any_file = true;
  set.is_apply = true;
  set.changes.emplace_back().object = TcpListener("t", "127.0.0.1:4433");
  const auto tried = Await<absl::StatusOr<Outcome>>([&](auto done) { supervisor_->Change(std::move(set), true, done); });
  EXPECT_TRUE(tried.ok()) << tried.status();
}

TEST_F(QuicPlanTest, StatusShowsThePinAndWhatIsNotSafe) {
  Do(QuicListener("l"));
  const v1::ListenerStatus listener = Get(Kind::kListener, "l").listener().status();
  EXPECT_EQ(listener.tls().spki_pin(), tls::FormatSpkiPin(identity_->shared()->server_tls->own_certificate()->spki));
  EXPECT_EQ(listener.tls().certificate_subject(), "quic.internal.v2ray.com");
  EXPECT_THAT(ConditionOf(listener.conditions(), "Secure"), HasSubstr("STATUS_FALSE AnyoneMayConnect: neither a secret outer key"));
  EXPECT_THAT(ConditionOf(listener.conditions(), "StateKept"), HasSubstr("STATUS_FALSE InMemory: the certificate, its pin"));
  EXPECT_THAT(ConditionOf(listener.conditions(), "StateKept"), HasSubstr("for the test"));
  EXPECT_THAT(ConditionOf(listener.conditions(), "CertificateValid"), HasSubstr("STATUS_TRUE"));
  Do(QuicListener("l", kSealed));
  EXPECT_EQ(ConditionOf(Get(Kind::kListener, "l").listener().status().conditions(), "Secure"), "STATUS_TRUE Tls: TLS 1.3 inside an outer key");
  Do(QuicDialer("d"));
  EXPECT_THAT(ConditionOf(Get(Kind::kDialer, "d").dialer().status().conditions(), "Secure"), HasSubstr("STATUS_FALSE PeerNotVerified"));
  Do(QuicDialer("d", "tls { " + kQuicPin + " }"));
  EXPECT_THAT(ConditionOf(Get(Kind::kDialer, "d").dialer().status().conditions(), "Secure"), HasSubstr("STATUS_TRUE Tls"));
  const v1::Daemon daemon = *Await<absl::StatusOr<v1::Daemon>>([&](auto done) { supervisor_->GetDaemon(done); });
  EXPECT_THAT(daemon.features(), ::testing::Contains("quic"));
  std::vector<std::string> reasons;
  for (const v1::Warning& warning : daemon.warnings()) reasons.push_back(warning.reason());
  EXPECT_THAT(reasons, ::testing::Contains("STATE_NOT_KEPT"));
}

TEST(QuicRenewalTest, ARenewedCertificateReachesListenersUnderTheSameIdentity) {
  FakeWorker worker(0);
  FakeBinder binder;
  SeededRandom random(1), identity_random(2);
  MemoryFiles files;
  // Made so long ago that the first hourly look, here at once, renews it.
  const int64_t now = io::UnixNanoseconds() / 1'000'000'000;
  auto identity = *QuicIdentity::Create(nullptr, "for the test", identity_random, now - 3600 * 86400LL);
  const auto old = identity->shared()->server_tls;
  ControlThread thread;
  SupervisorOptions options;
  options.workers = {&worker};
  options.binder = &binder;
  options.random = &random;
  options.read_file = files.Reader();
  options.quic_identity = identity.get();
  options.reload_interval = std::chrono::milliseconds(1);
  options.identity_interval = std::chrono::milliseconds(200);
  Supervisor supervisor(thread, std::move(options));
  ChangeSet set;
  set.manager = "api";
  set.may_name_any_file = true;
  set.changes.emplace_back().object = QuicListener("l");
  ASSERT_TRUE(Await<absl::StatusOr<Outcome>>([&](auto done) { supervisor.Change(std::move(set), false, done); }).ok());
  const auto look = [&] {
    return Await<std::shared_ptr<const ListenerConfig>>([&](auto done) {
      ASSERT_TRUE(thread.Post([&worker, done] { done(worker.current->listeners.front()); }));
    });
  };
  const uint64_t incarnation = look()->id.incarnation;
  const TimePoint limit = io::Now() + std::chrono::seconds(30);
  while (look()->tls == old && io::Now() < limit) {
  }
  const auto renewed = look();
  EXPECT_NE(renewed->tls, old);
  EXPECT_EQ(renewed->id.incarnation, incarnation) << "sessions live on";
  EXPECT_EQ(renewed->tls->own_certificate()->spki, old->own_certificate()->spki) << "and so does the pin";
  thread.Stop();
}

}  // namespace
}  // namespace culvert::server
