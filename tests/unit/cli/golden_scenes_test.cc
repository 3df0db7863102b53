// What the other verbs print, to the letter, as transcripts: files NAME.txt or NAME.COLUMNS.txt in golden/. A line of a command begins
// with "$ ", what went to standard error with "2> ", and an exit code other than 0 stands behind it. What differs from run to run has
// names: FOLDER, VERSION, SECONDS.
#include <unistd.h>

#include <cstdlib>
#include <regex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/objects/kinds.h"
#include "tests/unit/cli/golden_file.h"
#include "tests/unit/cli/golden_world.h"

namespace culvert::cli {
namespace {

using Words = std::vector<std::string>;
using Apply = v1::ApplyResponse;

struct Scene {
  const char* name;
  std::vector<int> columns;  // of terminals; empty: a pipe
  std::vector<Words> lines;
  std::function<void(FakeDaemon&)> prepare = nullptr;
};

google::protobuf::Timestamp At(int64_t seconds_ago, int milliseconds = 0) {
  google::protobuf::Timestamp time;
  time.set_seconds(kGoldenNow - seconds_ago);
  time.set_nanos(milliseconds * 1'000'000);
  return time;
}

void SetDaemon(FakeDaemon& daemon) {
  v1::Daemon& about = daemon.daemon;
  about.mutable_uptime()->set_seconds(3 * 86400 + 2 * 3600);
  *about.mutable_time() = At(0);
  about.set_clock_is_synchronized(true);
  about.set_open_files(412);
  about.set_open_files_limit(65536);
  about.set_udp_gso(true);
  about.set_udp_gro(true);
  about.set_sessions(1843);
  about.mutable_counters()->set_rx_bytes(91'442ull << 20);
  about.mutable_counters()->set_tx_bytes(82'330ull << 20);
  for (int i = 0; i < 4; ++i) about.add_workers();
  daemon.config_status.add_config_dirs("/etc/culvertd/config");
  daemon.config_status.set_loaded_digest("sha256/3fa1Bcd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A=");
  *daemon.config_status.mutable_load_time() = At(3 * 86400);
  daemon.config_status.set_state_file("/var/lib/culvertd/objects.db");
  daemon.config_status.set_state_is_kept(true);
}

void RejectConfig(FakeDaemon& daemon) {
  SetDaemon(daemon);
  daemon.config_status.set_rejected_message("tunnels.yaml:14: spec.bind: \"4433\" is not ADDRESS:PORT");
  v1::Condition& condition = *daemon.daemon.add_conditions();
  condition.set_type("ConfigAccepted");
  condition.set_status(v1::Condition::STATUS_FALSE);
  *condition.mutable_last_transition_time() = At(540);
}

void SetProbe(FakeDaemon& daemon) {
  using R = v1::ProbeDialerResponse;
  const auto add = [&](uint32_t attempt, const char* target, R::Phase phase, int milliseconds, const char* reason) {
    R& step = daemon.probe_steps.emplace_back();
    step.set_attempt(attempt);
    step.set_target(target);
    step.set_phase(phase);
    step.set_address("198.51.100.4:443");
    step.mutable_elapsed()->set_nanos(milliseconds * 1'000'000);
    step.set_error_reason(reason);
    if (*reason != 0) step.set_error_message("nothing came back");
    if (phase == R::PHASE_READY) step.mutable_path()->mutable_smoothed_rtt()->set_nanos(38'100'000);
  };
  for (const uint32_t attempt : {1u, 2u}) {
    add(attempt, "edge-a.example:443", R::PHASE_RESOLVE, 3, "");
    add(attempt, "edge-a.example:443", R::PHASE_SOCKET, 3, "");
    add(attempt, "edge-a.example:443", R::PHASE_HANDSHAKE, 40 + static_cast<int>(attempt), "");
    add(attempt, "edge-a.example:443", R::PHASE_READY, 42 + static_cast<int>(attempt), "");
  }
  add(1, "edge-b.a-rather-long-subdomain.of.example:443", R::PHASE_RESOLVE, 1, "");
  add(1, "edge-b.a-rather-long-subdomain.of.example:443", R::PHASE_HANDSHAKE, 500, "NO_ANSWER");
}

// Two frames a second apart, in which all of a kind moves.
void SetStats(FakeDaemon& daemon, Kind kind) {
  for (const uint64_t frame : {0, 1}) {
    v1::WatchStatsResponse& message = daemon.stats.emplace_back();
    message.mutable_monotonic_time()->set_seconds(static_cast<int64_t>(100 + frame));
    *message.mutable_wall_time() = At(0);
    message.set_end_of_frame(true);
    uint64_t scale = 1;
    const auto grow = [&](v1::Counters& counters) {
      counters.set_rx_bytes(counters.rx_bytes() + frame * 2'275'000 * scale);
      counters.set_tx_bytes(counters.tx_bytes() + frame * 1'000'000 * scale++);
      counters.set_tx_segments(counters.tx_segments() + frame * 1000);
      counters.set_lost_packets(counters.lost_packets() + frame * 4);
    };
    for (const v1::Session& one : daemon.sessions) {
      if (kind != Kind::kSession) break;
      v1::Session& session = *message.add_samples();
      session = one;
      grow(*session.mutable_counters());
      auto& congestion = *session.mutable_path()->mutable_time_in_limit()->mutable_congestion();
      congestion.set_seconds(congestion.seconds() + static_cast<int64_t>(2 * frame));
    }
    for (const v1::Stream& one : daemon.streams) {
      if (kind != Kind::kStream) break;
      *message.add_streams() = one;
      grow(*message.mutable_streams(0)->mutable_counters());
    }
    for (const v1::UdpFlow& one : daemon.flows) {
      if (kind != Kind::kUdpFlow) break;
      *message.add_udp_flows() = one;
      grow(*message.mutable_udp_flows(0)->mutable_counters());
    }
    for (const v1::Forward& one : daemon.forwards) {
      if (kind != Kind::kForward) break;
      v1::ForwardSample& forward = *message.add_forwards();
      forward.set_name(one.metadata().name());
      *forward.mutable_counters() = one.status().counters();
      grow(*forward.mutable_counters());
    }
  }
}

void SetOneSession(FakeDaemon& daemon) {
  daemon.sessions.resize(1);
  SetStats(daemon, Kind::kSession);
}

void SetTaps(FakeDaemon& daemon) {
  const auto add = [&](v1::TapRecord::Kind kind, v1::TapRecord::Verdict verdict, const char* reason) -> v1::TapRecord& {
    v1::TapRecord& record = *daemon.taps.emplace_back().mutable_record();
    *record.mutable_time() = At(20 - static_cast<int64_t>(daemon.taps.size()), 114);
    record.set_kind(kind);
    record.set_verdict(verdict);
    record.set_reason(reason);
    record.set_forward("pg");
    record.set_session("sessions/k3f9q2");
    record.set_source("[2001:db8:85a3:8d3:1319:8a2e:370:7348]:40112");
    record.set_destination("a-database-with-a-long-name.internal.example:5432");
    record.mutable_duration()->set_seconds(4);
    record.mutable_counters()->set_rx_bytes(12 << 10);
    record.mutable_counters()->set_tx_bytes(3 << 20);
    return record;
  };
  add(v1::TapRecord::KIND_STREAM, v1::TapRecord::VERDICT_CLOSED, "FINISHED");
  v1::LostRecords& lost = *daemon.taps.emplace_back().mutable_lost();
  lost.set_records(214);
  lost.set_cause(v1::LostRecords::CAUSE_RATE_LIMIT);
  add(v1::TapRecord::KIND_UDP_FLOW, v1::TapRecord::VERDICT_REFUSED, "DIAL_FAILED").set_message("edge-b.example:443: nothing came back");
}

void SetLogs(FakeDaemon& daemon) {
  for (const auto level : {v1::LOG_LEVEL_INFO, v1::LOG_LEVEL_WARNING}) {
    v1::LogRecord& record = *daemon.logs.emplace_back().mutable_record();
    *record.mutable_time() = At(20 - level, 7);
    record.set_level(level);
    record.set_component("dial");
    record.set_message(level == v1::LOG_LEVEL_INFO ? "session opened" : "no session came about");
    (*record.mutable_fields())["dialer"] = "edge";
    (*record.mutable_fields())["target"] = "edge-b.example:443";
  }
  v1::LostRecords& lost = *daemon.logs.emplace_back().mutable_lost();
  lost.set_records(3);
  lost.set_cause(v1::LostRecords::CAUSE_SLOW_READER);
}

Apply::Result& AddResult(Apply& response, const char* kind, const char* name, Apply::Action action) {
  Apply::Result& result = *response.add_results();
  result.set_kind(kind);
  result.set_name(name);
  result.set_action(action);
  return result;
}

void SetFiles(FakeDaemon& daemon) {
  daemon.Write("t.yaml",
               "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: edge}\nspec: {transport: TCP, targets: [\"a:1\"], max_sessions: 16}\n---\n"
               "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: metrics}\nspec: {listener: local-pg, destination: \"m:9100\"}\n");
  daemon.Write("bad.yaml", "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: edge}\nspec: {transprt: TCP, targets: [\"a:1\"]}\n");
  daemon.on_apply = [](const v1::ApplyRequest&, Apply* response) {
    Apply::Result& edge = AddResult(*response, "dialer", "edge", Apply::ACTION_CONFIGURED);
    edge.add_changed_paths("spec.max_sessions");
    edge.add_changed_paths("spec.targets");
    v1::DialerSpec& before = *edge.mutable_before()->mutable_dialer()->mutable_spec();
    v1::DialerSpec& after = *edge.mutable_after()->mutable_dialer()->mutable_spec();
    before.set_max_sessions(8);
    before.add_targets("b:2");
    after.set_max_sessions(16);
    after.add_targets("a:1");
    edge.set_disruptive(true);
    v1::Warning& warning = *edge.add_warnings();
    warning.set_field("spec.targets[0]");
    warning.set_reason("PLAIN");
    warning.set_message("is reached without encryption");
    AddResult(*response, "forward", "metrics", Apply::ACTION_CREATED);
    AddResult(*response, "listener", "local-pg", Apply::ACTION_UNCHANGED);
    AddResult(*response, "forward", "old", Apply::ACTION_DELETED);
    return grpc::Status::OK;
  };
}

void SetDisruptive(FakeDaemon& daemon) {
  daemon.on_apply = [](const v1::ApplyRequest& request, Apply* response) {
    response->add_results()->set_disruptive(request.objects(0).dialer().spec().targets_size() == 1);
    return grpc::Status::OK;
  };
  daemon.Write("seed", "a seed that nobody guesses\n");
}

void SetWatched(FakeDaemon& daemon) {
  using Change = v1::WatchResponse::Change;
  v1::WatchResponse& there = daemon.watched.emplace_back();
  there.mutable_change()->set_type(Change::TYPE_ADDED);
  *there.mutable_change()->mutable_object()->mutable_dialer() = daemon.dialers[0];
  daemon.watched.emplace_back().mutable_bookmark()->set_snapshot_complete(true);
}

void SetContexts(FakeDaemon& daemon) {
  daemon.variables["XDG_CONFIG_HOME"] = daemon.folder();
  daemon.environment.user_id = ::geteuid();
}

void SetPlugins(FakeDaemon& daemon) {
  for (const char* name : {"culvertctl-hello", "culvertctl-version", "culvertctl-plain"}) {
    const std::string path = daemon.Write(name, "#!/bin/sh\n");
    const bool is_program = std::string(name) != "culvertctl-plain";
    std::filesystem::permissions(path, is_program ? std::filesystem::perms::owner_all : std::filesystem::perms::owner_read);
  }
  daemon.variables["PATH"] = daemon.folder();
}

void SetV2ray(FakeDaemon& daemon) {
  daemon.Write("server.json",
               R"({"inbounds": [{"tag": "in", "listen": "0.0.0.0", "port": 4000, "protocol": "dokodemo-door",
  "settings": {"address": "127.0.0.1", "port": 80}, "streamSettings": {"network": "kcp", "security": "tls",
  "tlsSettings": {"certificates": [{"certificateFile": "/pki/far.crt", "keyFile": "/pki/far.key"}], "serverNme": "x"},
  "kcpSettings": {"seed": "a seed", "mtu": 1400, "uplinkCapacity": 12, "congestion": true, "header": {"type": "srtp"}}}}],
  "outbounds": [{"protocol": "freedom"}]})");
  daemon.Write("none.json", R"({"inbounds": [{"port": 1, "protocol": "socks"}], "outbounds": [{"protocol": "freedom"}]})");
}

const Scene kScenes[] = {
    {"status", {80, 200}, {{"status"}}, SetDaemon},
    {"status-rejected", {80, 200}, {{"status"}}, RejectConfig},
    {"check", {80, 200}, {{"check"}, {"check", "--no-probe", "-q"}}, [](FakeDaemon& daemon) { SetDaemon(daemon); SetProbe(daemon); }},
    {"why", {80, 200}, {{"why", "ses/k3f9q2"}, {"why", "dl/nowhere"}}, SetOneSession},
    {"top-sessions", {}, {{"top", "-n", "1"}}, [](FakeDaemon& daemon) { SetStats(daemon, Kind::kSession); }},
    {"top-streams", {}, {{"top", "str", "-n", "1"}}, [](FakeDaemon& daemon) { SetStats(daemon, Kind::kStream); }},
    {"top-udpflows", {}, {{"top", "udp", "-n", "1"}}, [](FakeDaemon& daemon) { SetStats(daemon, Kind::kUdpFlow); }},
    {"top-forwards", {}, {{"top", "fwd", "-n", "1"}}, [](FakeDaemon& daemon) { SetStats(daemon, Kind::kForward); }},
    {"tap", {80, 200}, {{"tap"}}, SetTaps},
    {"logs", {80, 200}, {{"logs"}, {"logs", "--level", "loud"}}, SetLogs},
    {"dial", {80, 200}, {{"dial", "dl/edge", "--count", "2"}}, SetProbe},
    {"create", {80},
     {{"create", "listener", "quic-two", "--transport", "QUIC", "--bind", "[::]:4434", "--tls-cert", "/tls.crt", "--tls-key", "/tls.key"},
      {"create", "dl/far", "--transport", "KCP", "--target", "far.example:4000", "--seed-file", "/seed", "--dry-run"},
      {"create", "dl/far", "--transport", "KCP", "--target", "far.example:4000", "--seed-file", "/seed", "--dry-run=local", "-o", "yaml"},
      {"create", "forward", "pg", "--listener", "local-pg"},
      {"create", "lisener", "x"}}},
    {"set", {80},
     {{"set", "dl/edge", "max_sessions=16"}, {"set", "dl/edge", "max_sessions=16"}, {"set", "dl/edge", "targets=a:1", "--dry-run"},
      {"set", "dl/edge", "targets=a:1"}, {"set", "dl/edge", "max_sesions=1"}, {"set", "dl/nowhere", "max_sessions=1"}},
     SetDisruptive},
    {"label", {80},
     {{"label", "dl/edge", "tier=core"}, {"label", "lsn/quic-in", "tier=core"}, {"label", "lsn/quic-in", "tier=core", "--overwrite"},
      {"label", "lsn/quic-in", "tier-", "--dry-run"}, {"annotate", "fwd", "--all", "owner=ops"}, {"annotate", "fwd/pg", "owner"}}},
    {"delete", {80},
     {{"delete", "lsn/local-pg", "fwd/pg", "--dry-run"}, {"delete", "lsn/local-pg", "fwd/pg"}, {"delete", "dl/nowhere"}, {"delete", "dl"}}},
    {"close", {80},
     {{"close", "ses/k3f9q2", "--graceful", "--reason", "maintenance"}, {"close", "str/k3f9q2/4"}, {"close", "udp", "--filter", "forward=dns", "--dry-run"},
      {"close", "lsn/quic-in"}}},
    {"apply", {80},
     {{"apply", "-f", "FOLDER/t.yaml", "--dry-run"}, {"apply", "-f", "FOLDER/t.yaml", "--prune"}, {"apply", "-f", "FOLDER/t.yaml", "--dry-run=local"},
      {"apply", "-f", "FOLDER/bad.yaml"}},
     SetFiles},
    {"diff", {80, 200}, {{"diff", "-f", "FOLDER/t.yaml", "--prune"}}, SetFiles},
    {"wait", {80},
     {{"wait", "dl/edge", "--for", "condition=Ready"}, {"wait", "dl/edge", "--for", "jsonpath={.status.targets[?(@.sessions==2)].target}"},
      {"wait", "dl/edge", "--for", "condition=PeerReachable", "--timeout", "0s"}, {"wait", "dl/edge", "--for", "state=ACTIVE", "--timeout", "0s"},
      {"wait", "dl/edge", "--for", "jsonpath={.status.targts}"}, {"wait", "daemon", "--for", "ready"}},
     SetWatched},
    {"export", {80}, {{"export"}}},
    {"explain", {80, 200}, {{"explain", "forward"}, {"explain", "forward.spec.udp_idle_timeout"}, {"explain", "dialer.spec.quic.outer.security"}, {"explain", "dialer.spec.kpc"}}},
    {"api-resources", {80, 200}, {{"api-resources"}, {"api-resources", "-o", "wide"}}},
    {"call", {80},
     {{"call", "--list"}, {"call", "ListenerService/GetListener", "-d", R"({"name": "local-pg"})"}, {"call", "ListenerService/GetListener", "-d", R"({"nam": 1})"},
      {"call", "GetListner"}}},
    {"auth", {80}, {{"auth", "whoami"}, {"auth", "can-i", "get", "listeners"}, {"auth", "can-i", "delete", "listeners"}, {"auth", "can-i", "--list"}}},
    {"config", {80},
     {{"config", "set-context", "local", "--address", "unix:/run/culvertd/control.sock"},
      {"config", "set-context", "prod", "--address", "edge-0.example:7443", "--ca-file", "/pki/ca.crt", "--certificate-file", "/pki/me.crt", "--key-file",
       "/pki/me.key", "--protected"},
      {"config", "use-context", "prod"}, {"config", "get-contexts"}, {"config", "current-context"}, {"config", "view"},
      {"config", "rename-context", "prod", "edge"}, {"config", "delete-context", "edge"}, {"config", "current-context"}},
     SetContexts},
    {"convert", {80}, {{"convert", "v2ray", "FOLDER/server.json"}, {"convert", "v2ray", "FOLDER/server.json", "--peer", "--host", "far.example"}, {"convert", "v2ray", "FOLDER/none.json"}},
     SetV2ray},
    {"version", {80}, {{"version"}, {"version", "--client"}, {"version", "-o", "json"}}},
    {"plugin", {80}, {{"plugin", "list", "--no-headers"}}, SetPlugins},
    {"mistakes", {80}, {{}, {"gte", "lsn"}, {"get"}, {"get", "lsn/nowhere"}, {"get", "lsn", "-o", "yml"}, {"get", "lsn", "--filtr", "x"}, {"completion", "tcsh"}}},
};

class Scenes : public testing::TestWithParam<Scene> {
 protected:
  void SetUp() override { ::setenv("TZ", "UTC", 1); }
};

// `lines` as somebody would see them who types them one after the other.
std::string Transcript(FakeDaemon& daemon, const std::vector<Words>& lines) {
  const std::string folder = daemon.folder();
  std::string version = daemon.Run({"version", "--client"}).out;
  version = version.substr(version.find(' ') + 1, version.find('\n') - version.find(' ') - 1);
  std::string all;
  for (const Words& words : lines) {
    Words real = words;
    for (std::string& word : real) word = absl::StrReplaceAll(word, {{"FOLDER", folder}});
    const bool is_local = !words.empty() && (words[0] == "config" || words[0] == "plugin");
    const Answer answer = is_local ? daemon.RunHere(real) : daemon.Run(real);
    absl::StrAppend(&all, all.empty() ? "" : "\n", "$ culvertctl ", absl::StrJoin(words, " "), "\n", answer.out);
    const std::vector<std::string> errors = absl::StrSplit(answer.err, '\n', absl::SkipEmpty());
    for (const std::string& error : errors) absl::StrAppend(&all, "2> ", error, "\n");
    if (answer.code != 0) absl::StrAppend(&all, "(exit ", answer.code, ")\n");
  }
  all = absl::StrReplaceAll(all, {{folder, "FOLDER"}, {version, "VERSION"}});
  return std::regex_replace(all, std::regex("( met| deleted| created| ready) after [0-9.]+s"), "$1 after SECONDS");
}

TEST_P(Scenes, AreWhatTheyWere) {
  const Scene& scene = GetParam();
  std::vector<int> widths = scene.columns;
  if (widths.empty()) widths.push_back(0);
  for (const int columns : widths) {
    FakeDaemon daemon;
    FillGoldenWorld(daemon);
    if (scene.prepare) scene.prepare(daemon);
    daemon.out_is_terminal = columns > 0;
    daemon.variables["NO_COLOR"] = "1";
    daemon.arrange = [columns](Streams& streams) {
      streams.columns = columns;
      streams.now_seconds = [] { return kGoldenNow; };
    };
    const std::string width = scene.columns.size() > 1 ? "." + std::to_string(columns) : "";
    ExpectGolden(std::string(scene.name) + width + ".txt", Transcript(daemon, scene.lines));
  }
}

INSTANTIATE_TEST_SUITE_P(GoldenOf, Scenes, testing::ValuesIn(kScenes), [](const auto& one) {
  return absl::StrReplaceAll(one.param.name, {{"-", "_"}});
});

TEST(GoldenHelp, IsWhatItWas) {
  FakeDaemon daemon;
  const std::vector<Words> verbs = {{}, {"annotate"}, {"api-resources"}, {"apply"}, {"auth"}, {"auth", "can-i"}, {"call"}, {"check"}, {"close"},
                                    {"completion"}, {"config"}, {"config", "set-context"}, {"connect"}, {"convert"}, {"create"}, {"delete"},
                                    {"describe"}, {"dial"}, {"diff"}, {"drain"}, {"edit"}, {"events"}, {"explain"}, {"export"}, {"get"}, {"label"}, {"logs"},
                                    {"plugin"}, {"reload"}, {"set"}, {"status"}, {"tap"}, {"top"}, {"version"}, {"wait"}, {"why"}};
  for (const Words& verb : verbs) {
    Words words = verb;
    words.emplace_back("--help");
    ExpectGolden(absl::StrCat("help", verb.empty() ? "" : "-", absl::StrJoin(verb, "-"), ".txt"), daemon.Run(words).out);
  }
}

}  // namespace
}  // namespace culvert::cli
