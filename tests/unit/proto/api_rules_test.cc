// What the build refuses, on descriptor sets that are wrong on purpose.
#include "proto/api_rules/api_rules.h"

#include <gmock/gmock.h>

#include <functional>

#include "absl/strings/str_split.h"
#include "culvert/v1/options.pb.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/proto/api_sets.h"

namespace culvert::testing {
namespace {

using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorSet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

constexpr Duration kLimit = std::chrono::seconds(60);

v1::MethodRules& RulesOf(FileDescriptorSet& set, const std::string& service, const std::string& method) {
  return *MethodIn(set, service, method).mutable_options()->MutableExtension(v1::method_rules);
}

void AddField(FileDescriptorSet& set, const std::string& message, const std::string& name, FieldDescriptorProto::Type type) {
  FieldDescriptorProto& field = *MessageIn(set, message).add_field();
  field.set_name(name);
  field.set_number(1000 + MessageIn(set, message).field_size());
  field.set_type(type);
  field.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
}

// The program that the build runs, on what `change` makes of the API: how it ends and the lines it says.
struct Verdict {
  int exit_code = -1;
  std::vector<std::string> lines;
};
Verdict Judge(const std::function<void(FileDescriptorSet&)>& change) {
  FileDescriptorSet set = ReadSet(API_DESCRIPTORS);
  change(set);
  const TempDir folder;
  const RunResult result = RunProgram({CHECK_API, folder.Write("api.binpb", set.SerializeAsString())}, kLimit);
  return {result.exit_code, absl::StrSplit(result.err, '\n', absl::SkipEmpty())};
}

TEST(ApiRules, TheApiPasses) {
  const Verdict verdict = Judge([](FileDescriptorSet&) {});
  EXPECT_EQ(verdict.exit_code, 0);
  EXPECT_THAT(verdict.lines, IsEmpty());
}

TEST(ApiRules, AMethodWithoutARoleIsNamedWithItsFileAndLine) {
  const std::string fault = "culvert/v1/listener.proto:[0-9]+: culvert.v1.ListenerService.CreateListener: declares no role: .*";
  Verdict verdict = Judge([](FileDescriptorSet& set) { MethodIn(set, "ListenerService", "CreateListener").clear_options(); });
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_THAT(verdict.lines, ElementsAre(MatchesRegex(fault)));
  verdict = Judge([](FileDescriptorSet& set) { RulesOf(set, "ListenerService", "CreateListener").set_role(v1::ROLE_UNSPECIFIED); });
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_THAT(verdict.lines, ElementsAre(MatchesRegex(fault)));
}

TEST(ApiRules, WhatChangesSomethingIsAudited) {
  const Verdict verdict = Judge([](FileDescriptorSet& set) {
    RulesOf(set, "DialerService", "Connect").set_audited(false);
    RulesOf(set, "DialerService", "ListDialers").set_role(v1::ROLE_ADMIN);
    RulesOf(set, "DialerService", "GetDialer").set_audited(true);  // more than is asked
  });
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_THAT(verdict.lines, ElementsAre(HasSubstr("culvert.v1.DialerService.ListDialers: needs more than the role viewer and is not audited"),
                                         HasSubstr("culvert.v1.DialerService.Connect: needs more than the role viewer and is not audited")));
}

TEST(ApiRules, NoTwoMethodsTakeTheSame) {
  const Verdict verdict = Judge([](FileDescriptorSet& set) {
    MethodIn(set, "AccessService", "TestPermissions").set_input_type(".culvert.v1.WhoAmIRequest");
    MethodIn(set, "ForwardService", "GetForward").set_input_type(".culvert.v1.GetDialerRequest");  // of another file, too
    FileIn(set, "culvert/v1/forward.proto").add_dependency("culvert/v1/dialer.proto");
  });
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_THAT(
      verdict.lines,
      ElementsAre(HasSubstr("culvert.v1.ForwardService.GetForward: takes culvert.v1.GetDialerRequest as culvert.v1.DialerService.GetDialer does"),
                  HasSubstr("culvert.v1.AccessService.TestPermissions: takes culvert.v1.WhoAmIRequest as culvert.v1.AccessService.WhoAmI does")));
}

TEST(ApiRules, WhatIsNamedLikeASecretIsMarkedAsOne) {
  const Verdict verdict = Judge([](FileDescriptorSet& set) {
    FieldIn(set, "KcpSpec", "seed").mutable_options()->MutableExtension(v1::rules)->set_secret(false);
    FieldIn(set, "QuicOuterSpec", "key").clear_options();
    AddField(set, "ApplyRequest", "api_token", FieldDescriptorProto::TYPE_BYTES);
    AddField(set, "ConnectRequest.Open", "password", FieldDescriptorProto::TYPE_STRING);
    AddField(set, "Daemon", "page_token", FieldDescriptorProto::TYPE_STRING);  // public wherever it stands
    AddField(set, "Daemon", "monkey", FieldDescriptorProto::TYPE_STRING);      // no word of its own
    AddField(set, "Daemon", "key_file", FieldDescriptorProto::TYPE_STRING);    // where a secret is, and not the secret
    AddField(set, "Daemon", "hash_seed", FieldDescriptorProto::TYPE_INT64);    // no text
  });
  EXPECT_EQ(verdict.exit_code, 1);
  EXPECT_THAT(verdict.lines,
              ElementsAre(MatchesRegex("culvert/v1/types.proto:[0-9]+: culvert.v1.KcpSpec.seed: is named like a secret and not marked as one.*"),
                          HasSubstr("culvert.v1.QuicOuterSpec.key: "), HasSubstr("culvert.v1.ConnectRequest.Open.password: "),
                          HasSubstr("culvert.v1.ApplyRequest.api_token: ")));
}

TEST(ApiRules, WhatCannotBeJudgedIsNotTakenForGood) {
  const Verdict without_options = Judge([](FileDescriptorSet& set) { set.clear_file(); });
  EXPECT_EQ(without_options.exit_code, 2);
  const Verdict torn = Judge([](FileDescriptorSet& set) { Erase(*set.mutable_file(), "culvert/v1/types.proto"); });
  EXPECT_EQ(torn.exit_code, 2);
  EXPECT_EQ(RunProgram({CHECK_API, "/nowhere"}, kLimit).exit_code, 2);
  const TempDir folder;
  EXPECT_EQ(RunProgram({CHECK_API, folder.Write("api.binpb", "no descriptor set")}, kLimit).exit_code, 2);
}

// The other sets of this library have positions in the source; one without still says what is wrong.
TEST(ApiRules, WithoutPositionsTheFileIsNamed) {
  FileDescriptorSet set = ReadSet(API_DESCRIPTORS);
  for (auto& file : *set.mutable_file()) file.clear_source_code_info();
  MethodIn(set, "AccessService", "WhoAmI").clear_options();
  const auto faults = api_rules::FindFaults(set);
  ASSERT_TRUE(faults.ok()) << faults.status();
  ASSERT_EQ(faults->size(), 1u);
  EXPECT_THAT(faults->front().ToString(), MatchesRegex("culvert/v1/access.proto: culvert.v1.AccessService.WhoAmI: declares no role.*"));
}

}  // namespace
}  // namespace culvert::testing
