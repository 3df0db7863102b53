#include "cli/advice/checks.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using Grade = Finding::Grade;

// A daemon with nothing to complain of.
Surveyed Healthy() {
  Surveyed surveyed;
  surveyed.client_version = "1.2.3";
  surveyed.now = 1'000'000;
  surveyed.daemon.set_version("1.2.9");
  surveyed.daemon.mutable_time()->set_seconds(1'000'001);
  surveyed.daemon.set_clock_is_synchronized(true);
  surveyed.daemon.set_open_files(40);
  surveyed.daemon.set_open_files_limit(65536);
  surveyed.daemon.set_udp_gso(true);
  surveyed.daemon.set_udp_gro(true);
  surveyed.config.set_state_is_kept(true);
  surveyed.config.set_state_file("/var/lib/culvertd/objects.db");
  return surveyed;
}

v1::Condition False(const std::string& type, const std::string& reason, const std::string& message) {
  v1::Condition condition;
  condition.set_type(type);
  condition.set_status(v1::Condition::STATUS_FALSE);
  condition.set_reason(reason);
  condition.set_message(message);
  return condition;
}

v1::Listener& AddListener(Surveyed& surveyed, const std::string& name) {
  v1::Listener& listener = *surveyed.objects.emplace_back().mutable_listener();
  listener.mutable_metadata()->set_name(name);
  return listener;
}

// "WARN clock: text" of everything that is not fine.
std::vector<std::string> Complaints(const Surveyed& surveyed) {
  std::vector<std::string> out;
  for (const Finding& finding : Judge(surveyed)) {
    if (finding.grade >= Grade::kWarn) out.push_back(GradeName(finding.grade) + " " + finding.check + ": " + finding.detail);
  }
  return out;
}
using Lines = std::vector<std::string>;

TEST(Checks, FindNothingWhereNothingIs) {
  EXPECT_EQ(Complaints(Healthy()), Lines());
  EXPECT_GE(Judge(Healthy()).size(), 10u);
}

TEST(Checks, CompareVersions) {
  Surveyed surveyed = Healthy();
  surveyed.daemon.set_version("1.3.0");
  EXPECT_EQ(Complaints(surveyed), Lines{"WARN versions: client 1.2.3, daemon 1.3.0"});
}

TEST(Checks, CompareClocks) {
  Surveyed surveyed = Healthy();
  surveyed.daemon.mutable_time()->set_seconds(1'000'000 - 3700);
  EXPECT_EQ(Complaints(surveyed), Lines{"WARN clock: the daemon's clock and this one are 1h apart"});
  surveyed = Healthy();
  surveyed.daemon.set_clock_is_synchronized(false);
  EXPECT_EQ(Complaints(surveyed).size(), 1u);
}

TEST(Checks, CountFiles) {
  Surveyed surveyed = Healthy();
  surveyed.daemon.set_open_files(60'000);
  EXPECT_EQ(Complaints(surveyed), Lines{"FAIL files: 60000 of 65536 file descriptors in use"});
  surveyed.daemon.set_open_files(40);
  surveyed.daemon.set_open_files_limit(1024);
  EXPECT_EQ(Complaints(surveyed), Lines{"WARN files: 40 of 1024 file descriptors in use: few for a tunnel"});
}

TEST(Checks, LookAtWhatTheKernelGrants) {
  Surveyed surveyed = Healthy();
  surveyed.daemon.set_udp_gro(false);
  for (const char* name : {"a", "b", "c", "d"}) {
    *AddListener(surveyed, name).mutable_status()->add_conditions() = False("BuffersGranted", "BelowRequest", "1 of 2 bytes");
  }
  EXPECT_EQ(Complaints(surveyed), (Lines{"WARN offloads: GSO in use, GRO not available",
                                         "WARN buffers: listener/a, listener/b, listener/c and 1 more: 1 of 2 bytes"}));
}

TEST(Checks, LookAtStateAndConfiguration) {
  Surveyed surveyed = Healthy();
  *surveyed.daemon.add_conditions() = False("StateKept", "Full", "no space left");
  *surveyed.daemon.add_conditions() = False("ConfigAccepted", "Rejected", "said below");
  surveyed.config.set_rejected_message("a.yaml:3: bnd: no such field");
  EXPECT_EQ(Complaints(surveyed), (Lines{"FAIL state: no space left", "FAIL config: changed files were refused: a.yaml:3: bnd: no such field"}));
}

TEST(Checks, KnowADaemonThatKeepsNothing) {
  Surveyed surveyed = Healthy();
  surveyed.config.clear_state_file();
  *surveyed.daemon.add_conditions() = False("StateKept", "NoPlace", "objects end with this run");
  EXPECT_EQ(Complaints(surveyed), Lines{"WARN state: objects end with this run"});
}

TEST(Checks, TellTroubleFromWhatIsMeant) {
  Surveyed surveyed = Healthy();
  *AddListener(surveyed, "a").mutable_status()->add_conditions() = False("Ready", "Paused", "spec.paused is set");
  v1::Dialer& dialer = *surveyed.objects.emplace_back().mutable_dialer();
  dialer.mutable_metadata()->set_name("far");
  *dialer.mutable_status()->add_conditions() = False("Ready", "AllTargetsFailing", "1 of 1 targets failing");
  EXPECT_EQ(Complaints(surveyed), (Lines{"WARN objects: listener/a: spec.paused is set", "FAIL objects: dialer/far: 1 of 1 targets failing"}));
}

TEST(Checks, WarnBeforeCertificatesEnd) {
  Surveyed surveyed = Healthy();
  v1::TlsStatus& tls = *AddListener(surveyed, "a").mutable_status()->mutable_tls();
  tls.set_certificate_subject("CN=edge");
  const auto left = [&](int64_t seconds) {
    tls.mutable_certificate_not_after()->set_seconds(surveyed.now + seconds);
    return Complaints(surveyed);
  };
  EXPECT_EQ(left(30 * 86400), Lines());
  EXPECT_EQ(left(3 * 86400), Lines{"WARN certificates: listener/a: CN=edge ends in 3d"});
  EXPECT_EQ(left(3600), Lines{"FAIL certificates: listener/a: CN=edge ends in 1h"});
  *surveyed.objects[0].mutable_listener()->mutable_status()->add_conditions() = False("CertificateValid", "Expired", "it ended");
  EXPECT_EQ(left(-5), Lines{"FAIL certificates: listener/a: it ended"});
}

TEST(Checks, LookAtPathsThatShrank) {
  Surveyed surveyed = Healthy();
  v1::Session& session = surveyed.sessions.emplace_back();
  session.set_name("sessions/x");
  session.set_transport(v1::TRANSPORT_QUIC);
  session.mutable_path()->set_path_mtu_bytes(1452);
  EXPECT_EQ(Complaints(surveyed), Lines());
  session.mutable_path()->set_path_mtu_bytes(1300);
  session.mutable_path()->set_path_mtu_reductions(1);
  EXPECT_EQ(Complaints(surveyed), Lines{"WARN mtu: large datagrams stopped arriving: session/x: 1300 bytes"});
}

TEST(Checks, TellAnotherSeedFromAStranger) {
  Surveyed surveyed = Healthy();
  v1::ListenerStatus& status = *AddListener(surveyed, "kcp").mutable_status();
  status.mutable_counters()->set_rx_packets(1'000'000);
  (*status.mutable_dropped_datagrams())["bad_auth_tag"] = 50;
  EXPECT_EQ(Complaints(surveyed), Lines()) << "strangers knock at every open port";
  status.mutable_counters()->set_rx_packets(60);
  EXPECT_EQ(Complaints(surveyed), Lines{"WARN silence: listener/kcp left 50 datagrams unanswered (bad_auth_tag): sent by someone with another "
                                        "seed, security or profile"});
}

TEST(Checks, SayWhatSilenceMayMean) {
  v1::Dialer dialer;
  dialer.mutable_metadata()->set_name("far");
  dialer.mutable_spec()->set_transport(v1::TRANSPORT_KCP);
  v1::ProbeDialerResponse step;
  step.set_target("h:1");
  step.set_phase(v1::ProbeDialerResponse::PHASE_HANDSHAKE);
  step.set_error_reason("NO_ANSWER");
  step.set_error_message("nothing came");
  std::vector<Finding> findings = JudgeProbe(dialer, {step});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].grade, Grade::kFail);
  EXPECT_EQ(findings[0].detail, "dialer/far, h:1: NO_ANSWER: nothing came");
  EXPECT_NE(findings[0].fix.find("seed, header size or profile differ"), std::string::npos);
  step.clear_error_reason();
  findings = JudgeProbe(dialer, {step});
  EXPECT_EQ(findings[0].grade, Grade::kOk);
}

TEST(Check, EndsWithOneWhenSomethingFailed) {
  FakeDaemon daemon;
  daemon.daemon.set_open_files(9);
  daemon.daemon.set_open_files_limit(10);
  const Answer answer = daemon.Run({"check", "--no-probe"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_NE(answer.out.find("FAIL  files         9 of 10 file descriptors in use\n                    fix: "), std::string::npos) << answer.out;
  EXPECT_EQ(answer.err, "error: 1 check failed\n");
  const auto json = nlohmann::json::parse(daemon.Run({"check", "--no-probe", "-o", "json"}).out);
  EXPECT_GE(json["checks"].size(), 10u);
  const std::string quiet = daemon.Run({"check", "--no-probe", "-q"}).out;
  EXPECT_EQ(quiet.find("OK "), std::string::npos) << quiet;
}

TEST(Check, TriesDialers) {
  FakeDaemon daemon;
  v1::Dialer& dialer = daemon.dialers.emplace_back();
  dialer.mutable_metadata()->set_name("far");
  dialer.mutable_spec()->add_targets("h:1");
  v1::ProbeDialerResponse step;
  step.set_target("h:1");
  step.set_phase(v1::ProbeDialerResponse::PHASE_READY);
  daemon.probe_steps = {step};
  EXPECT_NE(daemon.Run({"check", "--timeout", "1s"}).out.find("OK    far side      dialer/far, h:1 answers\n"), std::string::npos);
  EXPECT_EQ(daemon.last_probe.name(), "far");
  EXPECT_EQ(daemon.last_probe.timeout().seconds(), 1);
  EXPECT_EQ(daemon.Run({"check", "--timeout", "0"}).code, 2);
}

}  // namespace
}  // namespace culvert::cli
