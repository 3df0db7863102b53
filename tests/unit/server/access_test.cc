// Who may do what: policies, roles of methods, the book of calls.
#include <gmock/gmock.h>

#include <map>
#include <string>

#include "core/base/time.h"
#include "culvert/v1/listener.pb.h"
#include "server/access/access_book.h"
#include "server/access/access_policy.h"
#include "server/access/call_book.h"
#include "server/access/methods.h"
#include "server/access/tls_callers.h"
#include "server/access/unix_door.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(AccessPolicy, BuiltInLetsInRootOurUserAndOurGroup) {
  const AccessPolicy policy = AccessPolicy::BuiltIn(500, 600);
  EXPECT_EQ(policy.RoleOf({"uid:0", "gid:0"}), v1::ROLE_ADMIN);
  EXPECT_EQ(policy.RoleOf({"uid:500", "gid:1"}), v1::ROLE_ADMIN);
  EXPECT_EQ(policy.RoleOf({"uid:700", "gid:1", "gid:600"}), v1::ROLE_OPERATOR);
  EXPECT_EQ(policy.RoleOf({"uid:700", "gid:1"}), v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(policy.RoleOf({"uid:5000", "gid:6000"}), v1::ROLE_UNSPECIFIED) << "no prefix is enough";
  EXPECT_EQ(policy.RoleOf({"spiffe://a/b"}), v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(policy.RoleOf({}), v1::ROLE_UNSPECIFIED);
}

constexpr char kPolicy[] = R"(
# the ones who may not come first in no order
rules:
  - {role: ADMIN, principals: ["uid:0"]}
  - role: OPERATOR
    principals: ["spiffe://prod/ns/*/sa/ctl", "gid:27"]
  - {role: VIEWER, principals: ["spiffe://prod/*"]}
  - {deny: true, principals: ["spiffe://prod/ns/lab/*", "uid:13"]}
)";

TEST(AccessPolicy, TheFirstRuleThatGrantsCountsAndDenialsBeforeAll) {
  const auto policy = AccessPolicy::Parse(kPolicy, "p.yaml");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->RoleOf({"uid:0"}), v1::ROLE_ADMIN);
  EXPECT_EQ(policy->RoleOf({"spiffe://prod/ns/a/sa/ctl", "cn:x"}), v1::ROLE_OPERATOR);
  EXPECT_EQ(policy->RoleOf({"spiffe://prod/ns/a/sa/web"}), v1::ROLE_VIEWER);
  EXPECT_EQ(policy->RoleOf({"spiffe://prod/ns/lab/sa/ctl"}), v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(policy->RoleOf({"uid:13", "gid:27"}), v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(policy->RoleOf({"uid:14", "gid:27"}), v1::ROLE_OPERATOR);
  EXPECT_EQ(policy->RoleOf({"cn:spiffe://prod/x"}), v1::ROLE_UNSPECIFIED) << "a name in another place is another name";
}

TEST(AccessPolicy, AnEmptyFileLetsNobodyIn) {
  const auto policy = AccessPolicy::Parse("# nothing\n", "p.yaml");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->RoleOf({"uid:0"}), v1::ROLE_UNSPECIFIED);
}

TEST(AccessPolicy, FaultsNameFileLineAndField) {
  const auto fault = [](const std::string& text) {
    const auto policy = AccessPolicy::Parse(text, "p.yaml");
    EXPECT_FALSE(policy.ok()) << text;
    return std::string(policy.status().message());
  };
  EXPECT_EQ(fault("rules:\n- {role: ADMIN, principals: [\"1000\"]}\n"),
            "p.yaml:2: rules[0].principals[0]: \"1000\" matches nobody: uid:, gid:, spiffe://, uri:, dns:, ip:, email: or cn: comes first");
  EXPECT_THAT(fault("rules:\n- {principals: [\"uid:1\"]}\n"), HasSubstr("p.yaml:2: rules[0].role: must be VIEWER"));
  EXPECT_THAT(fault("rules:\n- {deny: true, role: ADMIN, principals: [\"uid:1\"]}\n"), HasSubstr("excludes deny: true"));
  EXPECT_THAT(fault("rules:\n- {role: ADMIN}\n"), HasSubstr("rules[0].principals: must be set"));
  EXPECT_THAT(fault("rules:\n- {rol: ADMIN, principals: [\"uid:1\"]}\n"), HasSubstr("did you mean role?"));
  EXPECT_THAT(fault("rules:\n- {role: KING, principals: [\"uid:1\"]}\n"), HasSubstr("p.yaml:2: rules[0].role"));
  EXPECT_THAT(fault("- a\n"), HasSubstr("p.yaml:1: a mapping is expected"));
  EXPECT_THAT(fault("rules: []\n---\nrules: []\n"), HasSubstr("one document"));
  EXPECT_THAT(fault("rules: [\n"), HasSubstr("p.yaml:"));
}

TEST(AccessBook, AChangedFileCountsAndAWrongOneChangesNothing) {
  absl::StatusOr<std::string> file = std::string(kPolicy);
  auto book = AccessBook::FromFile("p.yaml", [&file](const std::string&) { return file; });
  ASSERT_TRUE(book.ok()) << book.status();
  EXPECT_FALSE((*book)->LookAgain().has_changed);

  file = std::string("rules: [{role: VIEWER, principals: ['uid:0']}]");
  EXPECT_TRUE((*book)->LookAgain().has_changed);
  EXPECT_EQ((*book)->policy()->RoleOf({"uid:0"}), v1::ROLE_VIEWER);

  file = std::string("rules: [{role: NONE}]");
  AccessBook::Look look = (*book)->LookAgain();
  EXPECT_FALSE(look.has_changed);
  EXPECT_FALSE(look.fault.ok());
  EXPECT_EQ((*book)->policy()->RoleOf({"uid:0"}), v1::ROLE_VIEWER);
  EXPECT_TRUE((*book)->LookAgain().fault.ok()) << "told once";

  file = absl::NotFoundError("gone");
  EXPECT_FALSE((*book)->LookAgain().fault.ok()) << "another fault";
  file = std::string(kPolicy);
  EXPECT_TRUE((*book)->LookAgain().has_changed);
  EXPECT_EQ((*book)->policy()->RoleOf({"uid:0"}), v1::ROLE_ADMIN);
}

TEST(Methods, EveryMethodDeclaresARoleAndMutationsAreAudited) {
  size_t methods = 0;
  for (const google::protobuf::ServiceDescriptor* service : ApiServices()) {
    for (int i = 0; i < service->method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *service->method(i);
      ++methods;
      EXPECT_NE(RulesOf(method).role(), v1::ROLE_UNSPECIFIED) << PathOf(method);
      EXPECT_EQ(MethodTaking(*method.input_type()), &method) << "two methods take " << method.input_type()->full_name();
      const bool only_looks = RulesOf(method).role() == v1::ROLE_VIEWER;
      EXPECT_EQ(RulesOf(method).audited(), !only_looks) << PathOf(method);
    }
  }
  EXPECT_GE(methods, 33u);
}

TEST(Methods, ARoleSufficesForItsOwnAndLesserMethods) {
  EXPECT_TRUE(Suffices(v1::ROLE_ADMIN, v1::ROLE_VIEWER));
  EXPECT_TRUE(Suffices(v1::ROLE_OPERATOR, v1::ROLE_OPERATOR));
  EXPECT_FALSE(Suffices(v1::ROLE_VIEWER, v1::ROLE_OPERATOR));
  EXPECT_FALSE(Suffices(v1::ROLE_UNSPECIFIED, v1::ROLE_VIEWER));
  EXPECT_FALSE(Suffices(v1::ROLE_ADMIN, v1::ROLE_UNSPECIFIED)) << "what declares nothing is nobody's";
}

TEST(PrincipalsOf, NamesUserGroupAndOtherGroups) {
  EXPECT_THAT(PrincipalsOf(io::PeerCredentials{.uid = 1000, .gid = 100, .groups = {27, 100, 4}, .pid = 1}),
              ElementsAre("uid:1000", "gid:100", "gid:27", "gid:4"));
}

// What gRPC makes of a client's certificate.
class FakeAuthContext final : public grpc::AuthContext {
 public:
  explicit FakeAuthContext(std::multimap<std::string, std::string> properties) : properties_(std::move(properties)) {}
  bool IsPeerAuthenticated() const override { return true; }
  std::vector<grpc::string_ref> GetPeerIdentity() const override { return {}; }
  std::string GetPeerIdentityPropertyName() const override { return ""; }
  std::vector<grpc::string_ref> FindPropertyValues(const std::string& name) const override {
    std::vector<grpc::string_ref> values;
    const auto [first, last] = properties_.equal_range(name);
    for (auto at = first; at != last; ++at) values.emplace_back(at->second);
    return values;
  }
  grpc::AuthPropertyIterator begin() const override { return Nowhere(); }
  grpc::AuthPropertyIterator end() const override { return Nowhere(); }
  void AddProperty(const std::string&, const grpc::string_ref&) override {}
  bool SetPeerIdentityPropertyName(const std::string&) override { return false; }

 private:
  struct Nowhere : grpc::AuthPropertyIterator {};
  const std::multimap<std::string, std::string> properties_;
};

TEST(PrincipalsOf, OnlyAUriIsASpiffeId) {
  const FakeAuthContext auth({{"peer_uri", "spiffe://c/ctl"},
                              {"peer_uri", "https://x"},
                              {"peer_dns", "spiffe://c/admin"},
                              {"peer_email", "spiffe://c/admin"},
                              {"x509_common_name", "spiffe://c/admin"}});
  EXPECT_THAT(PrincipalsOf(auth), ElementsAre("spiffe://c/ctl", "uri:https://x", "dns:spiffe://c/admin", "email:spiffe://c/admin",
                                              "cn:spiffe://c/admin"));
}

TEST(PrincipalsOf, WhoHasTooManyNamesHasNone) {
  std::multimap<std::string, std::string> names;
  for (int i = 0; i < 64; ++i) names.emplace("peer_dns", "h" + std::to_string(i));
  EXPECT_EQ(PrincipalsOf(FakeAuthContext(names)).size(), 64u);
  names.emplace("x509_common_name", "one more");
  EXPECT_TRUE(PrincipalsOf(FakeAuthContext(names)).empty());
}

constexpr TimePoint kStart = TimePoint() + seconds(1000);

TEST(CallBook, WhatIsLateIsAnsweredOnce) {
  CallBook book;
  std::vector<absl::Status> answers;
  const auto call = std::make_shared<PendingCall>(kStart + seconds(30), [&](absl::Status status) { answers.push_back(std::move(status)); });
  ASSERT_TRUE(book.Add(call, "uid:1"));
  book.Expire(kStart + seconds(29));
  EXPECT_TRUE(answers.empty());
  book.Expire(kStart + seconds(30));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ReasonOf(answers[0]), "CALL_TIMED_OUT");
  EXPECT_FALSE(call->Claim());
  EXPECT_EQ(book.pending(), 0u);
  book.Expire(kStart + seconds(60));
  EXPECT_EQ(answers.size(), 1u);
}

TEST(CallBook, WhatWasAnsweredIsNotLate) {
  CallBook book;
  int answers = 0;
  const auto call = std::make_shared<PendingCall>(kStart, [&](const absl::Status&) { ++answers; });
  ASSERT_TRUE(book.Add(call, "uid:1"));
  ASSERT_TRUE(call->Claim());
  book.Expire(kStart + seconds(1));
  EXPECT_EQ(answers, 0) << "its handler has the word";
}

TEST(CallBook, ARequestIdIsAnsweredFromMemory) {
  CallBook book;
  const CallBook::RequestKey key{"uid:1", "a"};
  EXPECT_EQ(book.Begin(key, "digest", kStart).standing, CallBook::Standing::kNew);
  EXPECT_EQ(book.Begin(key, "digest", kStart).standing, CallBook::Standing::kUnderWay);
  EXPECT_EQ(book.Begin(key, "other", kStart).standing, CallBook::Standing::kOther);
  book.End(key, "answer", kStart);
  const CallBook::Found found = book.Begin(key, "digest", kStart + seconds(599));
  EXPECT_EQ(found.standing, CallBook::Standing::kAnswered);
  EXPECT_EQ(found.answer, "answer");
  EXPECT_EQ(book.Begin({"uid:2", "a"}, "digest", kStart).standing, CallBook::Standing::kNew) << "another caller's";
  EXPECT_EQ(book.Begin(key, "digest", kStart + seconds(600)).standing, CallBook::Standing::kNew) << "forgotten";
}

TEST(CallBook, WhatFailedMayBeTriedAgain) {
  CallBook book;
  const CallBook::RequestKey key{"uid:1", "a"};
  ASSERT_EQ(book.Begin(key, "digest", kStart).standing, CallBook::Standing::kNew);
  book.End(key, std::nullopt, kStart);
  EXPECT_EQ(book.Begin(key, "digest", kStart).standing, CallBook::Standing::kNew);
}

TEST(CallBook, ForgetsTheOldestWhenThereAreTooMany) {
  CallBook book;
  for (size_t i = 0; i <= CallBook::kMaxAnswers; ++i) {
    const CallBook::RequestKey key{"uid:" + std::to_string(i % 5), std::to_string(i)};  // of several: none has more than its share
    ASSERT_EQ(book.Begin(key, "d", kStart).standing, CallBook::Standing::kNew);
    book.End(key, "x", kStart);
  }
  EXPECT_EQ(book.Begin({"uid:0", "0"}, "d", kStart).standing, CallBook::Standing::kNew);
  EXPECT_EQ(book.Begin({"uid:1", "4096"}, "d", kStart).standing, CallBook::Standing::kAnswered);

  // And when they are too large.
  CallBook large;
  const std::string answer(CallBook::kMaxOneAnswerBytes, 'x');
  const size_t fit = CallBook::kMaxAnswerBytes / answer.size();
  ASSERT_EQ(large.Begin({"u", "under way"}, "d", kStart).standing, CallBook::Standing::kNew);
  for (size_t i = 0; i <= fit; ++i) {
    const CallBook::RequestKey key{"u" + std::to_string(i % 5), std::to_string(i)};
    ASSERT_EQ(large.Begin(key, "d", kStart).standing, CallBook::Standing::kNew);
    large.End(key, answer, kStart);
  }
  EXPECT_EQ(large.Begin({"u0", "0"}, "d", kStart).standing, CallBook::Standing::kNew);
  EXPECT_EQ(large.Begin({"u1", "1"}, "d", kStart).standing, CallBook::Standing::kAnswered);
  EXPECT_EQ(large.Begin({"u", "under way"}, "d", kStart).standing, CallBook::Standing::kUnderWay) << "never while it is being done";
}

TEST(CallBook, OneCallerPushesOutItsOwnAnswersOnly) {
  CallBook book;
  const auto answer = [&book](const std::string& who, const std::string& id, const std::string& text) {
    ASSERT_EQ(book.Begin({who, id}, "d", kStart).standing, CallBook::Standing::kNew);
    book.End({who, id}, text, kStart);
  };
  answer("quiet", "0", "x");
  for (size_t i = 0; i <= CallBook::kMaxAnswersOfOneCaller; ++i) answer("busy", std::to_string(i), "x");
  EXPECT_EQ(book.Begin({"quiet", "0"}, "d", kStart).standing, CallBook::Standing::kAnswered);
  EXPECT_EQ(book.Begin({"busy", "1"}, "d", kStart).standing, CallBook::Standing::kAnswered);
  EXPECT_EQ(book.Begin({"busy", "0"}, "d", kStart).standing, CallBook::Standing::kNew) << "the oldest of its own";
  // The same by their size.
  const std::string large(CallBook::kMaxOneAnswerBytes, 'x');
  for (size_t i = 0; i < 2 * CallBook::kMaxAnswerBytes / large.size(); ++i) answer("large", std::to_string(i), large);
  EXPECT_EQ(book.Begin({"quiet", "0"}, "d", kStart).standing, CallBook::Standing::kAnswered);
  EXPECT_EQ(book.Begin({"busy", "2"}, "d", kStart).standing, CallBook::Standing::kAnswered);
}

TEST(CallBook, OneCallerHasSoManyCallsUnderWay) {
  CallBook book;
  std::vector<std::shared_ptr<PendingCall>> calls;
  const auto add = [&](const std::string& who) {
    calls.push_back(std::make_shared<PendingCall>(kStart + seconds(30), [](const absl::Status&) {}));
    return book.Add(calls.back(), who);
  };
  for (size_t i = 0; i < CallBook::kMaxPendingOfOneCaller; ++i) ASSERT_TRUE(add("uid:1"));
  EXPECT_FALSE(add("uid:1"));
  book.Remove(calls.back());  // of the one that was refused: nothing
  EXPECT_FALSE(add("uid:1"));
  EXPECT_TRUE(add("uid:2"));
  book.Remove(calls.front());
  EXPECT_TRUE(add("uid:1"));
  EXPECT_FALSE(add("uid:1"));
  book.Expire(kStart + seconds(30));
  EXPECT_TRUE(add("uid:1"));
}

}  // namespace
}  // namespace culvert::server
