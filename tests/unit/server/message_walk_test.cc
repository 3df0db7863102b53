#include "server/message_walk.h"

#include <gmock/gmock.h>

#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(RedactSecretsTest, LeavesNoTraceOfASeed) {
  v1::ApplyRequest request;
  *request.add_objects() = KcpListener("in", "0.0.0.0:1");
  *request.add_objects() = KcpDialer("out", "a:1");
  RedactSecrets(request);
  EXPECT_EQ(request.SerializeAsString().find(kSeed), std::string::npos);
  EXPECT_FALSE(request.objects(0).listener().spec().kcp().has_seed());
  EXPECT_FALSE(request.objects(1).dialer().spec().kcp().has_seed());
  EXPECT_EQ(request.objects(0).listener().spec().bind(), "0.0.0.0:1");
}

TEST(RedactSecretsTest, HidesThatASeedIsEmpty) {
  v1::Object object = ParseObject("listener { spec { kcp { seed: '' } } }");
  RedactSecrets(object);
  EXPECT_FALSE(object.listener().spec().kcp().has_seed());
}

TEST(ClearOutputOnlyTest, ClearsAndWarns) {
  v1::Object object = ParseObject(
      "listener { metadata { name: 'a' uid: 'x' generation: 7 etag: 'e' } status { state: STATE_ACTIVE } }");
  std::vector<v1::Warning> warnings;
  ClearOutputOnly(*object.mutable_listener(), "objects[0]", warnings);
  EXPECT_TRUE(object.listener().metadata().uid().empty());
  EXPECT_EQ(object.listener().metadata().generation(), 0);
  EXPECT_EQ(object.listener().metadata().etag(), "e");
  EXPECT_FALSE(object.listener().has_status());
  std::vector<std::string> fields;
  for (const v1::Warning& warning : warnings) fields.push_back(warning.field());
  EXPECT_THAT(fields, ElementsAre("objects[0].metadata.uid", "objects[0].metadata.generation", "objects[0].status"));
}

TEST(FindImmutableChangesTest, FindsTransportAndBind) {
  const v1::Object before = TcpListener("a", "0.0.0.0:1");
  v1::Object after = KcpListener("a", "0.0.0.0:2");
  Violations violations;
  FindImmutableChanges(before.listener(), after.listener(), "", violations);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].path, "spec.transport");
  EXPECT_EQ(violations[1].path, "spec.bind");
  EXPECT_STREQ(violations[0].reason, "FIELD_IMMUTABLE");
}

TEST(ChangedPathsTest, NamesFieldsAndTellsAbsentFromEmpty) {
  v1::Object before = KcpListener("a", "0.0.0.0:1");
  v1::Object after = before;
  EXPECT_THAT(ChangedPaths(before.listener(), after.listener()), IsEmpty());
  after.mutable_listener()->mutable_spec()->set_paused(true);
  after.mutable_listener()->mutable_spec()->mutable_kcp()->set_mtu_bytes(1000);
  (*after.mutable_listener()->mutable_metadata()->mutable_labels())["k"] = "v";
  EXPECT_THAT(ChangedPaths(before.listener(), after.listener()),
              ElementsAre("metadata.labels", "spec.kcp.mtu_bytes", "spec.paused"));

  before.mutable_listener()->mutable_spec()->mutable_kcp()->clear_seed();
  after = before;
  after.mutable_listener()->mutable_spec()->mutable_kcp()->set_seed("");
  EXPECT_THAT(ChangedPaths(before.listener(), after.listener()), ElementsAre("spec.kcp.seed"));
  after = before;
  after.mutable_listener()->mutable_spec()->mutable_socket();
  EXPECT_THAT(ChangedPaths(before.listener(), after.listener()), ElementsAre("spec.socket"));
}

TEST(DeterministicBytesTest, DoesNotDependOnTheOrderOfMaps) {
  v1::Metadata a;
  v1::Metadata b;
  for (int i = 0; i < 50; ++i) (*a.mutable_labels())["k" + std::to_string(i)] = "v";
  for (int i = 49; i >= 0; --i) (*b.mutable_labels())["k" + std::to_string(i)] = "v";
  EXPECT_EQ(DeterministicBytes(a), DeterministicBytes(b));
}

class MergeUpdateTest : public testing::Test {
 protected:
  v1::Dialer Merge(const std::string& patch, const std::vector<std::string>& paths) {
    v1::Dialer target =
        ParseObject("dialer { metadata { name: 'd' uid: 'u' labels { key: 'a' value: '1' } } "
                    "spec { transport: TRANSPORT_KCP targets: 'a:1' targets: 'b:2' kcp { seed: 's' mtu_bytes: 1000 } } }")
            .dialer();
    MergeUpdate(ParseObject("dialer { " + patch + " }").dialer(), paths, target, violations_);
    return target;
  }
  Violations violations_;
};

TEST_F(MergeUpdateTest, WithoutMaskReplacesPopulatedFields) {
  const v1::Dialer merged = Merge("spec { targets: 'c:3' kcp { mtu_bytes: 900 } }", {});
  EXPECT_THAT(merged.spec().targets(), ElementsAre("c:3"));
  EXPECT_EQ(merged.spec().kcp().mtu_bytes(), 900u);
  EXPECT_EQ(merged.spec().kcp().seed(), "s");
  EXPECT_EQ(merged.spec().transport(), v1::TRANSPORT_KCP);
}

TEST_F(MergeUpdateTest, WithMaskSetsAndClearsJustThose) {
  const v1::Dialer merged = Merge("spec { paused: true max_sessions: 7 }", {"spec.paused", "spec.kcp.mtu_bytes", "metadata.labels"});
  EXPECT_TRUE(merged.spec().paused());
  EXPECT_EQ(merged.spec().max_sessions(), 0u);
  EXPECT_EQ(merged.spec().kcp().mtu_bytes(), 0u);
  EXPECT_EQ(merged.spec().kcp().seed(), "s");
  EXPECT_THAT(merged.metadata().labels(), IsEmpty());
  EXPECT_EQ(merged.spec().targets_size(), 2);
}

TEST_F(MergeUpdateTest, AMaskedSeedThatIsAbsentBecomesAbsentNotEmpty) {
  EXPECT_FALSE(Merge("spec { }", {"spec.kcp.seed"}).spec().kcp().has_seed());
  const v1::Dialer emptied = Merge("spec { kcp { seed: '' } }", {"spec.kcp.seed"});
  EXPECT_TRUE(emptied.spec().kcp().has_seed());
  EXPECT_EQ(emptied.spec().kcp().seed(), "");
}

TEST_F(MergeUpdateTest, StarReplacesAllButWhatTheDaemonSets) {
  const v1::Dialer merged = Merge("metadata { name: 'd' } spec { transport: TRANSPORT_KCP targets: 'c:3' }", {"*"});
  EXPECT_THAT(merged.spec().targets(), ElementsAre("c:3"));
  EXPECT_FALSE(merged.spec().has_kcp());
  EXPECT_THAT(merged.metadata().labels(), IsEmpty());
  EXPECT_EQ(merged.metadata().uid(), "u");
}

TEST_F(MergeUpdateTest, RefusesPathsThatCannotBeSet) {
  Merge("", {"spec.nothing", "status.state", "metadata.uid", "spec.targets.x", "", "spec.", ".spec"});
  EXPECT_EQ(violations_.size(), 7u);
  for (const Violation& violation : violations_) EXPECT_EQ(violation.path, "update_mask");
}

TEST_F(MergeUpdateTest, TakesCamelCasePaths) {
  EXPECT_EQ(Merge("spec { max_sessions: 5 }", {"spec.maxSessions"}).spec().max_sessions(), 5u);
  EXPECT_THAT(violations_, IsEmpty());
}

}  // namespace
}  // namespace culvert::server
