#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

constexpr char kTunnel[] =
    "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: local-pg}\nspec: {transport: TCP, bind: "
    "\"127.0.0.1:5432\"}\n---\n"
    "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: site-b}\nspec:\n  transport: KCP\n  targets: [\"b:4000\"]\n"
    "  kcp:\n    seed_file: seed\n    mtu_bytes: 100\n";

grpc::Status Accept(const v1::ApplyRequest& request, v1::ApplyResponse* response) {
  using A = v1::ApplyResponse;
  const A::Action actions[] = {A::ACTION_CREATED, A::ACTION_CONFIGURED, A::ACTION_UNCHANGED};
  for (int i = 0; i < request.objects_size(); ++i) {
    auto* result = response->add_results();
    result->set_kind(request.objects(i).has_listener() ? "listener" : "dialer");
    result->set_name(request.objects(i).has_listener() ? request.objects(i).listener().metadata().name()
                                                       : request.objects(i).dialer().metadata().name());
    result->set_action(actions[i % 3]);
  }
  return grpc::Status::OK;
}

TEST(Apply, SendsTheObjectsAndSaysWhatHappened) {
  FakeDaemon daemon;
  daemon.on_apply = Accept;
  const std::string file = daemon.Write("t.yaml", kTunnel);
  const Answer answer = daemon.Run({"apply", "-f", file});
  EXPECT_EQ(answer.out, "listener/local-pg created\ndialer/site-b configured\n");
  EXPECT_EQ(answer.err, "");
  EXPECT_EQ(answer.code, 0);
  ASSERT_EQ(daemon.last_apply.objects_size(), 2);
  EXPECT_FALSE(daemon.last_apply.validate_only());
  // The daemon runs in another folder: it gets whole paths.
  EXPECT_EQ(daemon.last_apply.objects(1).dialer().spec().kcp().seed_file(), file.substr(0, file.rfind('/')) + "/seed");
}

TEST(Apply, SaysThatNothingChangedInADryRun) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest& request, v1::ApplyResponse* response) {
    Accept(request, response);
    response->mutable_results(1)->set_disruptive(true);
    return grpc::Status::OK;
  };
  const Answer answer = daemon.Run({"apply", "--dry-run", "-f", daemon.Write("t.yaml", kTunnel)});
  EXPECT_EQ(answer.out, "listener/local-pg created (dry run)\ndialer/site-b configured (dry run)\n");
  EXPECT_EQ(answer.err, "warning: dialer/site-b: closes the sessions it has, if any\n");
  EXPECT_TRUE(daemon.last_apply.validate_only());
}

TEST(Apply, PutsWarningsOnStandardError) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest& request, v1::ApplyResponse* response) {
    Accept(request, response);
    v1::Warning* warning = response->mutable_results(1)->add_warnings();
    warning->set_field("spec.kcp.seed_file");
    warning->set_reason("WEAK_SEED");
    warning->set_message("the seed is short\x1b[31m");
    v1::Warning* another = response->mutable_results(1)->add_warnings();
    another->set_field("objects[1].spec.transport");  // as the daemon names fields of a request of many
    another->set_reason("ODD");
    another->set_message("odd");
    return grpc::Status::OK;
  };
  const std::string file = daemon.Write("t.yaml", kTunnel);
  EXPECT_EQ(daemon.Run({"apply", "-f", file}).err,
            "warning: " + file + ":13: spec.kcp.seed_file: the seed is short\\x1b[31m (WEAK_SEED)\n" +
                "warning: " + file + ":10: spec.transport: odd (ODD)\n");
}

TEST(Apply, BringsViolationsBackToTheirLines) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest&, v1::ApplyResponse*) {
    google::rpc::BadRequest bad;
    const std::pair<const char*, const char*> rows[] = {
        {"objects[1].spec.kcp.mtu_bytes", "100 is not in [576, 1460]"},
        {"objects[1].spec.targets[0]", "is wrong"},
        {"objects[0]", "is wrong"},
        {"objects[7].spec", "is elsewhere"},
        {"objects[x].spec", "is odd"},
    };
    for (const auto& [field, description] : rows) {
      auto* violation = bad.add_field_violations();
      violation->set_field(field);
      violation->set_description(description);
    }
    return ErrorWithDetails(grpc::StatusCode::INVALID_ARGUMENT, "5 fields", "INVALID_FIELD", {&bad});
  };
  const std::string file = daemon.Write("t.yaml", kTunnel);
  const Answer answer = daemon.Run({"apply", "-f", file});
  EXPECT_EQ(answer.err, "error: " + file + ":14: spec.kcp.mtu_bytes: 100 is not in [576, 1460] (INVALID_FIELD)\n" +
                            "error: " + file + ":11: spec.targets[0]: is wrong (INVALID_FIELD)\n" + "error: " + file +
                            ":1: listener/local-pg: is wrong (INVALID_FIELD)\n" +
                            "error: objects[7].spec: is elsewhere (INVALID_FIELD)\n" +
                            "error: objects[x].spec: is odd (INVALID_FIELD)\n");
  EXPECT_EQ(answer.code, 2);
}

// An address that cannot be bound is no violation of a rule: the daemon names the field beside its reason.
TEST(Apply, BringsFailedSocketsBackToTheirLines) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest&, v1::ApplyResponse*) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    info.set_reason("ADDRESS_IN_USE");
    (*info.mutable_metadata())["field"] = "objects[0].spec.bind";
    details.add_details()->PackFrom(info);
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "objects[0].spec.bind: 127.0.0.1:5432: Address already in use", details.SerializeAsString());
  };
  const std::string file = daemon.Write("t.yaml", kTunnel);
  const Answer answer = daemon.Run({"apply", "-f", file});
  EXPECT_EQ(answer.err, "error: " + file + ":4: spec.bind: 127.0.0.1:5432: Address already in use (ADDRESS_IN_USE)\n");
  EXPECT_EQ(answer.code, 6);
}

TEST(Apply, RefusesBadFilesWithoutAskingTheDaemon) {
  FakeDaemon daemon;
  const std::string file = daemon.Write(
      "t.yaml", "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec: {bnd: x, insecure: yes}\n");
  const Answer answer = daemon.Run({"apply", "-f", file});
  EXPECT_EQ(answer.err, "error: " + file + ":4: spec.bnd: unknown field (did you mean bind?)\n" + "error: " + file +
                            ":4: spec.insecure: \"yes\" is not true or false\n");
  EXPECT_EQ(answer.code, 2);
  EXPECT_EQ(daemon.last_apply.objects_size(), 0);
}

TEST(Apply, ChecksTheRulesOfFieldsWithoutADaemon) {
  FakeDaemon daemon;
  const std::string file = daemon.Write("t.yaml", kTunnel);
  const Answer answer = daemon.Run({"--address", "unix:/nonexistent", "apply", "-f", file, "--dry-run=local"});
  EXPECT_EQ(answer.err, "error: " + file + ":14: spec.kcp.mtu_bytes: 100 is not in [576, 1460]\n");
  EXPECT_EQ(answer.code, 2);
  const std::string good = daemon.Write("g.yaml", std::string(kTunnel).substr(0, std::string(kTunnel).find("    mtu")));
  const Answer fine = daemon.Run({"--address", "unix:/nonexistent", "apply", "-f", good, "--dry-run=local"});
  EXPECT_EQ(fine.out, "listener/local-pg valid (dry run)\ndialer/site-b valid (dry run)\n") << fine.err;
  EXPECT_EQ(fine.code, 0);
}

TEST(Apply, PrintsNames) {
  FakeDaemon daemon;
  daemon.on_apply = Accept;
  EXPECT_EQ(daemon.Run({"apply", "-o", "name", "-f", daemon.Write("t.yaml", kTunnel)}).out,
            "listener/local-pg\ndialer/site-b\n");
}

// A tunnel, and one object that nobody names any more.
grpc::Status Prune(const v1::ApplyRequest& request, v1::ApplyResponse* response) {
  Accept(request, response);
  for (const char* name : {"old", "older"}) {
    auto* result = response->add_results();
    result->set_kind("forward");
    result->set_name(name);
    result->set_action(v1::ApplyResponse::ACTION_DELETED);
  }
  return grpc::Status::OK;
}

TEST(Apply, PrunesForAManager) {
  FakeDaemon daemon;
  daemon.on_apply = Prune;
  const Answer answer = daemon.Run({"apply", "-f", daemon.Write("t.yaml", kTunnel), "--prune", "--manager", "ci", "--force-conflicts"});
  EXPECT_EQ(answer.out, "listener/local-pg created\ndialer/site-b configured\nforward/old pruned\nforward/older pruned\n");
  EXPECT_TRUE(daemon.last_apply.prune());
  EXPECT_TRUE(daemon.last_apply.force_conflicts());
  EXPECT_EQ(daemon.last_apply.manager(), "ci");
  EXPECT_NE(daemon.last_apply.request_id(), "");
  EXPECT_EQ(daemon.applies, 1);
}

TEST(Apply, AsksBeforeItPrunesMany) {
  FakeDaemon daemon;
  daemon.on_apply = Prune;
  const std::string file = daemon.Write("t.yaml", kTunnel);
  const Answer no = daemon.Run({"apply", "-f", file, "--prune"}, "n\n", true);
  EXPECT_EQ(no.code, 1);
  EXPECT_NE(no.err.find("  forward/old\n  forward/older\napply 2 objects and delete these 2? [y/N] "), std::string::npos) << no.err;
  EXPECT_EQ(daemon.applies, 1);
  EXPECT_TRUE(daemon.last_apply.validate_only());
  EXPECT_EQ(daemon.Run({"apply", "-f", file, "--prune", "--no-input"}).code, 2);
  EXPECT_TRUE(daemon.last_apply.validate_only());
  EXPECT_EQ(daemon.Run({"apply", "-f", file, "--prune"}, "y\n", true).code, 0);
  EXPECT_FALSE(daemon.last_apply.validate_only());
}

TEST(Apply, SaysHowToTakeOver) {
  FakeDaemon daemon;
  daemon.on_apply = [](const v1::ApplyRequest&, v1::ApplyResponse*) {
    return ErrorWithDetails(grpc::StatusCode::FAILED_PRECONDITION, "belongs to manager \"file\"", "MANAGED_BY_OTHER");
  };
  EXPECT_EQ(daemon.Run({"apply", "-f", daemon.Write("t.yaml", kTunnel)}).err,
            "error: belongs to manager \"file\" (MANAGED_BY_OTHER)\nnext: --force-conflicts takes them over\n");
}

TEST(Apply, WaitsUntilAllIsReady) {
  FakeDaemon daemon;
  daemon.on_apply = Accept;
  v1::WatchResponse listener, complete;
  listener.mutable_change()->set_type(v1::WatchResponse::Change::TYPE_ADDED);
  v1::Listener& body = *listener.mutable_change()->mutable_object()->mutable_listener();
  body.mutable_metadata()->set_name("local-pg");
  v1::Condition* condition = body.mutable_status()->add_conditions();
  condition->set_type("Ready");
  condition->set_status(v1::Condition::STATUS_TRUE);
  complete.mutable_bookmark()->set_snapshot_complete(true);
  v1::WatchResponse dialer;
  dialer.mutable_change()->set_type(v1::WatchResponse::Change::TYPE_ADDED);
  dialer.mutable_change()->mutable_object()->mutable_dialer()->mutable_metadata()->set_name("site-b");
  *dialer.mutable_change()->mutable_object()->mutable_dialer()->mutable_status()->add_conditions() = *condition;
  const std::string file = daemon.Write("t.yaml", kTunnel);
  daemon.watched = {listener, complete};
  const Answer late = daemon.Run({"apply", "-f", file, "--wait", "--timeout", "0s"});
  EXPECT_EQ(late.code, 7);
  EXPECT_EQ(late.err, "error: timed out after 0s: dialer/site-b does not exist yet\n");
  daemon.watched = {listener, complete, dialer};
  EXPECT_EQ(daemon.Run({"apply", "-f", file, "--wait"}).code, 0);
  EXPECT_EQ(daemon.Run({"apply", "-f", file, "--wait", "--dry-run=local"}).code, 2);
}

TEST(Apply, PrintsYaml) {
  FakeDaemon daemon;
  const std::string file = daemon.Write("t.yaml", std::string(kTunnel).substr(0, std::string(kTunnel).find("---")));
  EXPECT_EQ(daemon.Run({"apply", "-f", file, "--dry-run=local", "-o", "yaml"}).out,
            "apiVersion: culvert/v1\nkind: Listener\nmetadata:\n  name: local-pg\nspec:\n  transport: TCP\n  bind: \"127.0.0.1:5432\"\n");
}

TEST(Apply, SaysWhatItNeeds) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"apply"}).code, 2);
  EXPECT_EQ(daemon.Run({"apply", "-f", daemon.Write("e.yaml", "# nothing\n")}).code, 2);
  EXPECT_EQ(daemon.Run({"apply", "-f", "/nonexistent.yaml"}).err,
            "error: /nonexistent.yaml: No such file or directory\n");
  EXPECT_EQ(daemon.Run({"apply", "-f", "x", "--dry-run=client"}).err, "error: --dry-run: server or local\n");
}

}  // namespace
}  // namespace culvert::cli
