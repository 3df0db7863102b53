#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::HasSubstr;
using Apply = v1::ApplyResponse;

constexpr char kFile[] = "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: edge}\nspec: {transport: TCP, targets: [\"a:1\"]}\n";

Apply::Result& Add(Apply* response, const char* kind, const char* name, Apply::Action action) {
  Apply::Result* result = response->add_results();
  result->set_kind(kind);
  result->set_name(name);
  result->set_action(action);
  return *result;
}

grpc::Status Everything(const v1::ApplyRequest&, Apply* response) {
  Apply::Result& edge = Add(response, "dialer", "edge", Apply::ACTION_CONFIGURED);
  for (const char* path :
       {"metadata.labels", "spec.targets", "spec.kcp.seed", "spec.max_sessions", "spec.dial_timeout", "spec.tls.server_name", "spec.new"}) {
    edge.add_changed_paths(path);
  }
  v1::Dialer& before = *edge.mutable_before()->mutable_dialer();
  v1::Dialer& after = *edge.mutable_after()->mutable_dialer();
  (*before.mutable_metadata()->mutable_labels())["tier"] = "core";
  (*before.mutable_metadata()->mutable_labels())["same"] = "1";
  (*after.mutable_metadata()->mutable_labels())["tier"] = "edge\x1b[31m";
  (*after.mutable_metadata()->mutable_labels())["same"] = "1";
  (*after.mutable_metadata()->mutable_labels())["site"] = "a";
  for (const char* target : {"a:1", "b:2"}) before.mutable_spec()->add_targets(target);
  for (const char* target : {"b:2", "c:3"}) after.mutable_spec()->add_targets(target);
  before.mutable_spec()->set_max_sessions(8);
  after.mutable_spec()->set_max_sessions(16);
  after.mutable_spec()->mutable_dial_timeout()->set_seconds(5);
  before.mutable_spec()->mutable_tls()->set_server_name("x");
  Add(response, "forward", "metrics", Apply::ACTION_CREATED);
  Apply::Result& in = Add(response, "listener", "quic-in", Apply::ACTION_CONFIGURED);
  in.set_disruptive(true);
  in.add_changed_paths("spec.insecure");
  in.mutable_before()->mutable_listener();
  in.mutable_after()->mutable_listener()->mutable_spec()->set_insecure(true);
  Add(response, "listener", "same", Apply::ACTION_UNCHANGED);
  Apply::Result& file = Add(response, "listener", "rotated", Apply::ACTION_CONFIGURED);
  file.mutable_before()->mutable_listener();
  file.mutable_after()->mutable_listener();
  Add(response, "forward", "old", Apply::ACTION_DELETED);
  return grpc::Status::OK;
}

TEST(Diff, ShowsWhatApplyWouldChange) {
  FakeDaemon daemon;
  daemon.on_apply = Everything;
  const Answer answer = daemon.Run({"diff", "-f", daemon.Write("t.yaml", kFile), "--prune", "--manager", "ci"});
  EXPECT_EQ(answer.out,
            "~ dialer/edge       metadata.labels.site: <unset> -> a\n"
            "~ dialer/edge       metadata.labels.tier: core -> edge\\x1b[31m\n"
            "~ dialer/edge       spec.targets: +c:3 -a:1\n"
            "~ dialer/edge       spec.kcp.seed: <secret> -> <secret>\n"
            "~ dialer/edge       spec.max_sessions: 8 -> 16\n"
            "~ dialer/edge       spec.dial_timeout: <unset> -> 5s\n"
            "~ dialer/edge       spec.tls.server_name: x -> <unset>\n"
            "~ dialer/edge       spec.new: <unknown> -> <unknown>\n"
            "+ forward/metrics\n"
            "! listener/quic-in  spec.insecure: <unset> -> true   (closes its sessions)\n"
            "~ listener/rotated  (the content of a file that it names)\n"
            "- forward/old\n");
  EXPECT_EQ(answer.err, "");
  EXPECT_EQ(answer.code, 1);
  EXPECT_TRUE(daemon.last_apply.validate_only());
  EXPECT_TRUE(daemon.last_apply.prune());
  EXPECT_EQ(daemon.last_apply.manager(), "ci");
  EXPECT_EQ(daemon.Run({"diff", "-f", daemon.Write("t.yaml", kFile), "-o", "name"}).out,
            "dialer/edge\nforward/metrics\nlistener/quic-in\nlistener/rotated\nforward/old\n");
  EXPECT_THAT(daemon.Run({"diff", "-f", daemon.Write("t.yaml", kFile), "-o", "json"}).out, HasSubstr("\"changedPaths\""));
}

TEST(Diff, ColoursTheMarksAlone) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest&, Apply* response) {
    Add(response, "forward", "a", Apply::ACTION_CREATED);
    Add(response, "forward", "b", Apply::ACTION_DELETED);
    return grpc::Status::OK;
  };
  EXPECT_EQ(daemon.Run({"diff", "-f", daemon.Write("t.yaml", kFile), "--color", "always"}).out,
            "\x1b[32m+\x1b[0m forward/a\n\x1b[31m-\x1b[0m forward/b\n");
}

TEST(Diff, IsSilentAndZeroWhereNothingDiffers) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest&, Apply* response) {
    Add(response, "dialer", "edge", Apply::ACTION_UNCHANGED);
    return grpc::Status::OK;
  };
  const Answer answer = daemon.Run({"diff", "-f", daemon.Write("t.yaml", kFile)});
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(answer.out + answer.err, "");
}

TEST(Diff, ErrorsAreNoDifferences) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest&, Apply*) {
    return ErrorWithDetails(grpc::StatusCode::FAILED_PRECONDITION, "dialer/edge belongs to manager \"file\"", "MANAGED_BY_OTHER");
  };
  const std::string file = daemon.Write("t.yaml", kFile);
  const Answer answer = daemon.Run({"diff", "-f", file});
  EXPECT_EQ(answer.code, 6);
  EXPECT_EQ(answer.err, "error: dialer/edge belongs to manager \"file\" (MANAGED_BY_OTHER)\nnext: --force-conflicts takes them over\n");
  daemon.Run({"diff", "-f", file, "--force-conflicts"});
  EXPECT_TRUE(daemon.last_apply.force_conflicts());
  const int asked = daemon.applies;
  EXPECT_EQ(daemon.Run({"diff"}).code, 2);
  EXPECT_EQ(daemon.Run({"diff", "-f", "-", "-f", "-"}).err, "error: standard input can be read once\n");
  EXPECT_EQ(daemon.Run({"diff", "-f", "/nonexistent.yaml"}).code, 2);
  EXPECT_EQ(daemon.Run({"diff", "-f", file, "--dry-run"}).err.find("error: diff takes no --dry-run"), 0u);
  EXPECT_EQ(daemon.applies, asked);
  EXPECT_EQ(daemon.Run({"--address", "unix:/nonexistent", "diff", "-f", file}).code, 5);
}

}  // namespace
}  // namespace culvert::cli
