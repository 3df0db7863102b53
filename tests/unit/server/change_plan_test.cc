#include "server/change_plan.h"

#include <gmock/gmock.h>

#include "server/error_builder.h"
#include "server/table_rules.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Action = ChangeResult::Action;

class ChangePlanTest : public testing::Test {
 protected:
  ChangePlanTest() {
    context_.hash = &hash_;
    context_.random = &random_;
    context_.next_incarnation = &next_incarnation_;
    context_.now_unix_ns = 1700000000'000000000;
    context_.read_seed_file = [this](const std::string& path, const std::string& field) -> absl::StatusOr<std::string> {
      if (const auto found = files_.find(path); found != files_.end()) return found->second;
      return InvalidField(field, "no such file");
    };
  }

  absl::StatusOr<ChangePlan> Plan(std::vector<Change> changes, bool is_apply = false, const std::string& manager = "api") {
    ChangeSet set;
    set.changes = std::move(changes);
    set.manager = manager;
    set.may_name_any_file = true;
    set.is_apply = is_apply;
    return MakePlan(table_, set, context_);
  }
  static Change Make(Change::Verb verb, v1::Object object) {
    Change change;
    change.verb = verb;
    change.object = std::move(object);
    return change;
  }
  static Change Delete(Kind kind, const std::string& name, bool force = false) {
    Change change;
    change.verb = Change::Verb::kDelete;
    change.key = {kind, name};
    change.force = force;
    return change;
  }
  // Plans and takes the planned table; the plan must succeed.
  ChangePlan Do(std::vector<Change> changes, bool is_apply = false, const std::string& manager = "api") {
    auto plan = Plan(std::move(changes), is_apply, manager);
    EXPECT_TRUE(plan.ok()) << plan.status();
    if (!plan.ok()) return {};
    table_ = plan->table;
    return *std::move(plan);
  }
  ChangePlan Create(v1::Object object) { return Do({Make(Change::Verb::kCreate, std::move(object))}); }
  static std::vector<std::string> Fields(const absl::Status& status) {
    std::vector<std::string> fields;
    const auto detail = DetailOf<google::rpc::BadRequest>(status);
    for (const auto& violation : detail.field_violations()) fields.push_back(violation.field());
    return fields;
  }

  SeededRandom random_{1};
  KeyedHash hash_{random_};
  uint64_t next_incarnation_ = 1;
  std::map<std::string, std::string> files_;
  PlanContext context_;
  ObjectTable table_;
};

TEST_F(ChangePlanTest, CreationStampsMetadata) {
  const ChangePlan plan = Create(TcpListener("a", "127.0.0.1:1"));
  const v1::Metadata& metadata = MetadataOf(plan.results[0].after->object);
  EXPECT_EQ(plan.results[0].action, Action::kCreated);
  EXPECT_EQ(metadata.generation(), 1);
  EXPECT_EQ(metadata.uid().size(), 32u);
  EXPECT_EQ(metadata.manager(), "api");
  EXPECT_FALSE(metadata.etag().empty());
  EXPECT_EQ(metadata.create_time().seconds(), 1700000000);
  EXPECT_EQ(plan.results[0].after->incarnation, 1u);
}

TEST_F(ChangePlanTest, CreatingTwiceIsRefused) {
  Create(TcpListener("a", "127.0.0.1:1"));
  const auto again = Plan({Make(Change::Verb::kCreate, TcpListener("a", "127.0.0.1:2"))});
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(ChangePlanTest, UidsAndIncarnationsAreNewAfterDeletion) {
  const EntryPtr first = Create(TcpListener("a", "127.0.0.1:1")).results[0].after;
  Do({Delete(Kind::kListener, "a")});
  const EntryPtr second = Create(TcpListener("a", "127.0.0.1:1")).results[0].after;
  EXPECT_NE(MetadataOf(first->object).uid(), MetadataOf(second->object).uid());
  EXPECT_NE(first->incarnation, second->incarnation);
}

TEST_F(ChangePlanTest, EtagChangesWithContentOnly) {
  const std::string before = MetadataOf(Create(TcpListener("a", "127.0.0.1:1")).results[0].after->object).etag();
  v1::Object update = ParseObject("listener { metadata { name: 'a' } spec { paused: true } }");
  const std::string paused = MetadataOf(Do({Make(Change::Verb::kUpdate, update)}).results[0].after->object).etag();
  EXPECT_NE(before, paused);
  update.mutable_listener()->mutable_spec()->set_paused(false);
  Change change = Make(Change::Verb::kUpdate, update);
  change.mask_paths = {"spec.paused"};
  EXPECT_EQ(MetadataOf(Do({change}).results[0].after->object).etag(), before);
}

TEST_F(ChangePlanTest, EtagGuardsUpdatesAndDeletions) {
  Create(TcpListener("a", "127.0.0.1:1"));
  v1::Object update = ParseObject("listener { metadata { name: 'a' etag: '\"stale\"' } spec { paused: true } }");
  const auto refused = Plan({Make(Change::Verb::kUpdate, update)});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAborted);
  const std::string current = MetadataOf(table_.Find({Kind::kListener, "a"})->object).etag();
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(refused.status()).metadata().at("current_etag"), current);
  Change deletion = Delete(Kind::kListener, "a");
  deletion.etag = "\"stale\"";
  EXPECT_EQ(ReasonOf(Plan({deletion}).status()), "ETAG_MISMATCH");
  update.mutable_listener()->mutable_metadata()->set_etag(current);
  EXPECT_TRUE(Plan({Make(Change::Verb::kUpdate, update)}).ok());
  deletion.etag = current;
  EXPECT_TRUE(Plan({deletion}).ok());
}

TEST_F(ChangePlanTest, GenerationRisesWithTheSpecOnly) {
  Create(TcpListener("a", "127.0.0.1:1"));
  auto labels = ParseObject("listener { metadata { name: 'a' labels { key: 'k' value: 'v' } } }");
  ChangePlan plan = Do({Make(Change::Verb::kUpdate, labels)});
  EXPECT_EQ(MetadataOf(plan.results[0].after->object).generation(), 1);
  EXPECT_THAT(plan.results[0].changed_paths, ElementsAre("metadata.labels"));
  auto paused = ParseObject("listener { metadata { name: 'a' } spec { paused: true } }");
  EXPECT_EQ(MetadataOf(Do({Make(Change::Verb::kUpdate, paused)}).results[0].after->object).generation(), 2);
}

TEST_F(ChangePlanTest, OnlyDisruptiveChangesMakeAnotherIncarnation) {
  Create(KcpListener("a", "0.0.0.0:1"));
  const auto update = [this](const std::string& spec) {
    return Do({Make(Change::Verb::kUpdate, ParseObject("listener { metadata { name: 'a' } spec { " + spec + " } }"))}).results[0];
  };
  const EntryPtr before = table_.Find({Kind::kListener, "a"});
  ChangeResult result = update("paused: true max_sessions: 5");
  EXPECT_FALSE(result.disruptive);
  EXPECT_EQ(result.after->incarnation, before->incarnation);
  EXPECT_EQ(result.after->kcp, before->kcp);
  result = update("kcp { mtu_bytes: 1232 }");  // the default, written out
  EXPECT_EQ(result.action, Action::kConfigured);
  EXPECT_FALSE(result.disruptive);
  result = update("kcp { mtu_bytes: 1000 }");
  EXPECT_TRUE(result.disruptive);
  EXPECT_NE(result.after->incarnation, before->incarnation);
  EXPECT_EQ(result.after->kcp->mtu_bytes(), 1000u);
  EXPECT_TRUE(update("kcp { seed: 'another seed of length' }").disruptive);
}

TEST_F(ChangePlanTest, ARotatedSeedFileIsAChange) {
  files_["/s"] = "first content of it";
  const auto object = ParseObject(
      "listener { metadata { name: 'a' } spec { transport: TRANSPORT_KCP bind: '0.0.0.0:1' kcp { seed_file: '/s' } } }");
  Do({Make(Change::Verb::kApply, object)}, true);
  EXPECT_EQ(Do({Make(Change::Verb::kApply, object)}, true).results[0].action, Action::kUnchanged);
  files_["/s"] = "second content of it";
  const ChangeResult result = Do({Make(Change::Verb::kApply, object)}, true).results[0];
  EXPECT_EQ(result.action, Action::kConfigured);
  EXPECT_TRUE(result.disruptive);
  EXPECT_THAT(result.changed_paths, ElementsAre("spec.kcp.seed_file"));
  EXPECT_EQ(MetadataOf(result.after->object).generation(), 2);
  files_["/s"] = "";
  EXPECT_THAT(Fields(Plan({Make(Change::Verb::kApply, object)}, true).status()), ElementsAre("objects[0].spec.kcp.seed_file"));
}

TEST_F(ChangePlanTest, ImmutableFieldsAreRefused) {
  Create(TcpListener("a", "127.0.0.1:1"));
  const auto refused = Plan({Make(Change::Verb::kApply, TcpListener("a", "127.0.0.1:2"))}, true);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(refused.status()), "FIELD_IMMUTABLE");
  EXPECT_THAT(Fields(refused.status()), ElementsAre("objects[0].spec.bind"));
  auto socket = ParseObject("listener { metadata { name: 'a' } spec { socket { dscp: 4 } } }");
  EXPECT_THAT(Fields(Plan({Make(Change::Verb::kUpdate, socket)}).status()), ElementsAre("spec.socket"));
}

TEST_F(ChangePlanTest, UpdateOfWhatIsNotThereNeedsAllowMissing) {
  Change change = Make(Change::Verb::kUpdate, TcpListener("a", "127.0.0.1:1"));
  EXPECT_EQ(Plan({change}).status().code(), absl::StatusCode::kNotFound);
  change.allow_missing = true;
  EXPECT_EQ(Do({change}).results[0].action, Action::kCreated);
}

TEST_F(ChangePlanTest, ApplyFindsReferencesInTheSameSet) {
  const ChangePlan plan = Do({Make(Change::Verb::kApply, ForwardTo("f", "l", "d")),
                              Make(Change::Verb::kApply, TcpListener("l", "127.0.0.1:1")),
                              Make(Change::Verb::kApply, KcpDialer("d", "b:1"))},
                             true);
  EXPECT_EQ(plan.table.size(), 3u);
  for (const ChangeResult& result : plan.results) EXPECT_EQ(result.action, Action::kCreated);
}

TEST_F(ChangePlanTest, MissingReferencesAreNamed) {
  const auto refused = Plan({Make(Change::Verb::kApply, ForwardTo("f", "l", "d"))}, true);
  EXPECT_THAT(Fields(refused.status()), ElementsAre("objects[0].spec.listener", "objects[0].spec.dialer"));
  Create(TcpListener("l", "127.0.0.1:1"));
  EXPECT_THAT(Fields(Plan({Make(Change::Verb::kCreate, ForwardTo("f", "l", "d"))}).status()), ElementsAre("spec.dialer"));
}

TEST_F(ChangePlanTest, AListenerCarriesOneForward) {
  Create(TcpListener("l", "127.0.0.1:1"));
  Create(ForwardDirect("f", "l"));
  const auto refused = Plan({Make(Change::Verb::kCreate, ForwardDirect("g", "l"))});
  EXPECT_THAT(Fields(refused.status()), ElementsAre("spec.listener"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("forward/f"));
}

TEST_F(ChangePlanTest, AddressesThatCollideAreRefused) {
  Create(TcpListener("a", "0.0.0.0:80"));
  for (const char* bind : {"0.0.0.0:80", "127.0.0.1:80", "[::]:80"}) {
    EXPECT_THAT(Fields(Plan({Make(Change::Verb::kCreate, TcpListener("b", bind))}).status()), ElementsAre("spec.bind")) << bind;
  }
  EXPECT_TRUE(Plan({Make(Change::Verb::kCreate, TcpListener("b", "[::1]:80"))}).ok());
  EXPECT_TRUE(Plan({Make(Change::Verb::kCreate, KcpListener("b", "0.0.0.0:80"))}).ok());
}

TEST(AddressesCollideTest, Table) {
  const auto collide = [](const char* a, const char* b) {
    const bool forth = AddressesCollide(*SocketAddress::Parse(a), *SocketAddress::Parse(b));
    EXPECT_EQ(forth, AddressesCollide(*SocketAddress::Parse(b), *SocketAddress::Parse(a)));
    return forth;
  };
  EXPECT_TRUE(collide("[::]:1", "[::1]:1"));
  EXPECT_TRUE(collide("[::]:1", "127.0.0.1:1"));
  EXPECT_FALSE(collide("0.0.0.0:1", "[::1]:1"));
  EXPECT_FALSE(collide("0.0.0.0:0", "0.0.0.0:0"));
  EXPECT_FALSE(collide("127.0.0.1:1", "127.0.0.1:2"));
  EXPECT_FALSE(collide("127.0.0.1:1", "127.0.0.2:1"));
}

TEST_F(ChangePlanTest, AnObjectTwiceInOneSetIsRefused) {
  const auto refused = Plan({Make(Change::Verb::kApply, TcpListener("a", "127.0.0.1:1")),
                             Make(Change::Verb::kApply, TcpListener("a", "127.0.0.1:1"))},
                            true);
  EXPECT_THAT(Fields(refused.status()), ElementsAre("objects[1].metadata.name"));
}

TEST_F(ChangePlanTest, AllViolationsOfAllObjectsAreCollected) {
  const auto refused = Plan({Make(Change::Verb::kApply, TcpListener("a", "x")), Make(Change::Verb::kApply, v1::Object()),
                             Make(Change::Verb::kApply, KcpListener("c", "0.0.0.0:1", "mtu_bytes: 100"))},
                            true);
  EXPECT_THAT(Fields(refused.status()), ElementsAre("objects[0].spec.bind", "objects[1]", "objects[2].spec.kcp.mtu_bytes"));
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(ChangePlanTest, ObjectsOfAnotherManagerAreNotApplied) {
  Do({Make(Change::Verb::kApply, TcpListener("a", "127.0.0.1:1"))}, true, "file");
  v1::Object changed = TcpListener("a", "127.0.0.1:1");
  changed.mutable_listener()->mutable_spec()->set_max_sessions(7);
  const auto refused = Plan({Make(Change::Verb::kApply, changed)}, true, "api");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused.status()), "MANAGED_BY_OTHER");
}

TEST_F(ChangePlanTest, AnotherManagersObjectMayBeAppliedAsItIs) {
  const v1::Object object = ParseObject("listener { metadata { name: 'a' } spec { transport: TRANSPORT_TCP bind: '0.0.0.0:1' } }");
  Do({Make(Change::Verb::kApply, object)}, true, "file");
  EXPECT_EQ(Do({Make(Change::Verb::kApply, object)}, true, "api").results[0].action, Action::kUnchanged);
}

TEST_F(ChangePlanTest, WhatWasReadAndIsAppliedAgainKeepsItsSeed) {
  const v1::Object object = ParseObject(
      "listener { metadata { name: 'a' } spec { transport: TRANSPORT_KCP bind: '0.0.0.0:1' insecure: true"
      " kcp { seed: 'a seed of some length' } } }");
  Do({Make(Change::Verb::kApply, object)}, true);
  v1::Object exported = object;
  exported.mutable_listener()->mutable_spec()->mutable_kcp()->clear_seed();
  EXPECT_EQ(Do({Make(Change::Verb::kApply, exported)}, true).results[0].action, Action::kUnchanged);
  EXPECT_EQ(table_.Find({Kind::kListener, "a"})->object.listener().spec().kcp().seed(), "a seed of some length");
  // Where the object is not known there is nothing to keep.
  table_ = {};
  EXPECT_FALSE(Do({Make(Change::Verb::kApply, exported)}, true).results[0].after->object.listener().spec().kcp().has_seed());
}

TEST_F(ChangePlanTest, ASingleUpdateOfAnotherManagersObjectIsWarnedAbout) {
  Do({Make(Change::Verb::kApply, TcpListener("a", "127.0.0.1:1"))}, true, "file");
  const auto update = ParseObject("listener { metadata { name: 'a' } spec { paused: true } }");
  const ChangeResult result = Do({Make(Change::Verb::kUpdate, update)}).results[0];
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(result.warnings[0].reason(), "MANAGED_BY_OTHER");
  EXPECT_EQ(MetadataOf(result.after->object).manager(), "file");
}

TEST_F(ChangePlanTest, DeletionIsRefusedWhileReferredToUnlessForced) {
  Create(TcpListener("l", "127.0.0.1:1"));
  Create(KcpDialer("d", "b:1"));
  Create(ForwardTo("f", "l", "d"));
  for (const Kind kind : {Kind::kListener, Kind::kDialer}) {
    const std::string name = kind == Kind::kListener ? "l" : "d";
    const auto refused = Plan({Delete(kind, name)});
    EXPECT_EQ(ReasonOf(refused.status()), "RESOURCE_IN_USE");
    EXPECT_EQ(DetailOf<google::rpc::PreconditionFailure>(refused.status()).violations(0).subject(), "forward/f");
  }
  const ChangePlan plan = Do({Delete(Kind::kListener, "l", true)});
  EXPECT_THAT(plan.also_deleted, ElementsAre(ObjectKey{Kind::kForward, "f"}));
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(ChangePlanTest, DeletingWhatIsNotThere) {
  Change change = Delete(Kind::kForward, "f");
  EXPECT_EQ(Plan({change}).status().code(), absl::StatusCode::kNotFound);
  change.allow_missing = true;
  EXPECT_EQ(Plan({change})->results[0].action, Action::kMissing);
}

TEST_F(ChangePlanTest, OutputOnlyFieldsAreIgnoredWithAWarning) {
  auto object = TcpListener("a", "127.0.0.1:1");
  object.mutable_listener()->mutable_metadata()->set_uid("mine");
  object.mutable_listener()->mutable_status()->set_state(v1::STATE_FAILED);
  const ChangeResult result = Create(object).results[0];
  EXPECT_NE(MetadataOf(result.after->object).uid(), "mine");
  EXPECT_FALSE(result.after->object.listener().has_status());
  EXPECT_EQ(result.warnings.size(), 2u);
}

TEST_F(ChangePlanTest, PathsOfWarningsBeginAtTheObject) {
  auto object = KcpListener("a", "127.0.0.1:1");
  object.mutable_listener()->mutable_spec()->mutable_kcp()->set_seed("short");
  const ChangeResult result = Do({Make(Change::Verb::kApply, object)}, true).results[0];
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(result.warnings[0].field(), "spec.kcp.seed");
}

TEST_F(ChangePlanTest, AMaskNeverRenames) {
  Create(TcpListener("a", "127.0.0.1:1"));
  Change change = Make(Change::Verb::kUpdate, ParseObject("listener { metadata { name: 'b' } }"));
  change.mask_paths = {"metadata.name"};
  EXPECT_EQ(Plan({change}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ChangePlanTest, TheNumberOfObjectsIsBounded) {
  std::vector<Change> changes;
  for (size_t i = 0; i <= kMaxObjects; ++i) {
    changes.push_back(Make(Change::Verb::kApply, TcpListener("l" + std::to_string(i), "127.0.0.1:0")));
  }
  EXPECT_EQ(ReasonOf(Plan(std::move(changes), true).status()), "LIMIT_EXCEEDED");
}

}  // namespace
}  // namespace culvert::server
