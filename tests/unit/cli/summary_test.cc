#include "cli/advice/summary.h"

#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using Grade = Finding::Grade;

constexpr int64_t kNow = 1'000'000;
constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;

v1::GetConfigStatusResponse Loaded() {
  v1::GetConfigStatusResponse config;
  config.add_config_dirs("/etc/culvertd/config");
  config.set_loaded_digest("sha256/3fa1Bcd2Ef3Gh4Ij5Kl6");
  config.mutable_load_time()->set_seconds(kNow - 3 * kDay);
  config.set_state_is_kept(true);
  config.set_state_file("/var/lib/culvertd/objects.db");
  return config;
}

void ExpectConfig(const v1::GetConfigStatusResponse& config, const v1::Daemon& daemon, Grade grade, const std::string& text) {
  const Summary summary = SummarizeConfig(config, daemon, kNow);
  EXPECT_EQ(summary.text, text);
  EXPECT_EQ(summary.grade, grade) << text;
}

TEST(Summary, SaysWhichConfigurationIsInForce) {
  ExpectConfig(Loaded(), {}, Grade::kOk, "ACCEPTED   /etc/culvertd/config  loaded 3d ago  digest 3fa1Bcd2Ef3G");
  ExpectConfig({}, {}, Grade::kOk, "no folders");
}

TEST(Summary, SaysSinceWhenAndWhyFilesAreRefused) {
  v1::GetConfigStatusResponse config = Loaded();
  config.set_rejected_message("a.yaml:3: spec.bind: \x1b[31mwrong");
  ExpectConfig(config, {}, Grade::kFail,
               "REJECTED   /etc/culvertd/config: a.yaml:3: spec.bind: \\x1b[31mwrong   (what was loaded 3d ago is in force)");
  v1::Daemon daemon;
  v1::Condition& condition = *daemon.add_conditions();
  condition.set_type("ConfigAccepted");
  condition.set_status(v1::Condition::STATUS_FALSE);
  condition.mutable_last_transition_time()->set_seconds(kNow - 300);
  ExpectConfig(config, daemon, Grade::kFail,
               "REJECTED since 5m   /etc/culvertd/config: a.yaml:3: spec.bind: \\x1b[31mwrong   (what was loaded 3d ago is in force)");
}

TEST(Summary, NamesWhatIsKeptAndNotInForce) {
  v1::GetConfigStatusResponse config;
  EXPECT_EQ(SummarizeState(config).text, "what the API makes ends with this run");
  config = Loaded();
  EXPECT_EQ(SummarizeState(config).text, "kept in /var/lib/culvertd/objects.db");
  EXPECT_EQ(SummarizeState(config).grade, Grade::kOk);
  v1::PendingObject& pending = *config.add_pending();
  pending.set_subject("listener/a");
  pending.set_message("127.0.0.1:53 is in use");
  EXPECT_EQ(SummarizeState(config).text, "kept in /var/lib/culvertd/objects.db   (not in force: listener/a: 127.0.0.1:53 is in use)");
  EXPECT_EQ(SummarizeState(config).grade, Grade::kWarn);
  config.set_state_is_kept(false);
  config.set_state_message("the disk is full\x1b[31m");
  EXPECT_EQ(SummarizeState(config).text, "not kept: the disk is full\\x1b[31m   (not in force: listener/a: 127.0.0.1:53 is in use)");
  EXPECT_EQ(SummarizeState(config).grade, Grade::kFail);
}

v1::Object WithCertificate(const std::string& name, int64_t left) {
  v1::Object object;
  object.mutable_listener()->mutable_metadata()->set_name(name);
  object.mutable_listener()->mutable_status()->mutable_tls()->mutable_certificate_not_after()->set_seconds(kNow + left);
  return object;
}

void ExpectCertificates(const std::vector<v1::Object>& objects, Grade grade, const std::string& text) {
  const Summary summary = SummarizeCertificates(objects, kNow);
  EXPECT_EQ(summary.text, text);
  EXPECT_EQ(summary.grade, grade) << text;
}

TEST(Summary, NamesTheCertificateThatEndsNext) {
  ExpectCertificates({}, Grade::kOk, "none in use");
  ExpectCertificates({WithCertificate("a", 40 * kDay), WithCertificate("b", 15 * kDay)}, Grade::kOk, "2 in use, that of listener/b ends in 15d");
  ExpectCertificates({WithCertificate("a", 14 * kDay - 1), WithCertificate("b", 40 * kDay)}, Grade::kWarn, "2 in use, that of listener/a ends in 13d");
  ExpectCertificates({WithCertificate("a", 19 * kHour)}, Grade::kFail, "1 in use, that of listener/a ends in 19h");
  ExpectCertificates({WithCertificate("a", -2 * kHour)}, Grade::kFail, "1 in use, that of listener/a ended 2h ago");
}

TEST(Summary, NamesCertificatesThatAreNotValid) {
  v1::Object object = WithCertificate("a", 40 * kDay);
  v1::Condition& condition = *object.mutable_listener()->mutable_status()->add_conditions();
  condition.set_type("CertificateValid");
  condition.set_status(v1::Condition::STATUS_FALSE);
  condition.set_message("tls.crt cannot be read");
  ExpectCertificates({object}, Grade::kFail, "listener/a: tls.crt cannot be read");
}

TEST(Status, ShowsConfigurationAndCertificates) {
  FakeDaemon daemon;
  daemon.arrange = [](Streams& streams) { streams.now_seconds = [] { return kNow; }; };
  daemon.config_status = Loaded();
  daemon.listeners.push_back(WithCertificate("a", 3 * kDay).listener());
  const std::string out = daemon.Run({"status", "--color", "always"}).out;
  EXPECT_NE(out.find("CONFIG        ACCEPTED   /etc/culvertd/config  loaded 3d ago"), std::string::npos) << out;
  EXPECT_NE(out.find("CERTIFICATES  \x1b[33m1 in use, that of listener/a ends in 3d\x1b[0m\n"), std::string::npos) << out;
}

}  // namespace
}  // namespace culvert::cli
