// culvertctl auth: who we are, and what we may; the answer is the exit code.
#include "cli/objects/api_methods.h"
#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Auth, SaysWhoWeAre) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"auth", "whoami"}).out, "PRINCIPAL  uid:1000,gid:100  ROLE operator  CHANNEL unix\n");
  EXPECT_EQ(nlohmann::json::parse(daemon.Run({"auth", "whoami", "-o", "json"}).out)["role"], "ROLE_OPERATOR");
  daemon.who.set_principals(0, "uid:\x1b[31m1");
  daemon.who.set_role(static_cast<v1::Role>(77));
  EXPECT_EQ(daemon.Run({"auth", "whoami"}).out, "PRINCIPAL  uid:\\x1b[31m1,gid:100  ROLE unknown  CHANNEL unix\n");
}

TEST(Auth, TheAnswerIsTheExitCode) {
  FakeDaemon daemon;
  const Answer yes = daemon.Run({"auth", "can-i", "get", "listeners"});
  EXPECT_EQ(yes.out + yes.err, "yes\n");
  EXPECT_EQ(yes.code, 0);
  EXPECT_THAT(daemon.asked_permissions, ElementsAre("culvert.v1.ListenerService/GetListener", "culvert.v1.ListenerService/ListListeners"));
  const Answer no = daemon.Run({"auth", "can-i", "delete", "lsn/quic-in"});
  EXPECT_EQ(no.out + no.err, "no\n");
  EXPECT_EQ(no.code, 1);
  EXPECT_THAT(daemon.asked_permissions, ElementsAre("culvert.v1.ListenerService/DeleteListener"));
  EXPECT_EQ(daemon.Run({"auth", "can-i", "watch", "ses"}).code, 0);
  EXPECT_EQ(daemon.Run({"auth", "can-i", "close", "udpflow"}).code, 1);
  EXPECT_EQ(daemon.Run({"auth", "can-i", "edit", "forward"}).code, 1);
  EXPECT_EQ(daemon.Run({"auth", "can-i", "dial", "dialer"}).code, 0);
  EXPECT_EQ(daemon.Run({"auth", "can-i", "SessionService/CloseSession"}).code, 1);
  EXPECT_EQ(daemon.Run({"auth", "can-i", "whoami"}).code, 0);
  EXPECT_EQ(daemon.Run({"auth", "can-i", "delete", "ses", "-o", "json"}).code, 2);
  EXPECT_EQ(daemon.Run({"auth", "can-i", "close", "ses", "-o", "json"}).out,
            "{\"allowed\": false, \"methods\": [\"culvert.v1.SessionService/CloseSession\"]}\n");
}

TEST(Auth, ListsAllMethods) {
  FakeDaemon daemon;
  const Answer answer = daemon.Run({"auth", "can-i", "--list"});
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(answer.out, HasSubstr("METHOD  "));
  EXPECT_THAT(answer.out, ::testing::ContainsRegex("ListenerService/DeleteListener +operator +no\n"));
  EXPECT_THAT(answer.out, ::testing::ContainsRegex("AccessService/WhoAmI +viewer +yes\n"));
  EXPECT_EQ(daemon.asked_permissions.size(), ApiMethods().size());
}

TEST(Auth, WrongWordsAreNamed) {
  FakeDaemon daemon;
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"auth"}, "auth wants one of whoami, can-i"},
      {{"auth", "whoam"}, "unknown command \"auth whoam\" (did you mean whoami?)"},
      {{"auth", "can-i"}, "a verb and a kind, or a method, is wanted"},
      {{"auth", "can-i", "delete"}, "delete: a kind is wanted behind it"},
      {{"auth", "can-i", "delet", "listeners"}, "unknown verb \"delet\" (did you mean delete?)"},
      {{"auth", "can-i", "delete", "listners"}, "unknown kind \"listners\" (did you mean listeners?)"},
      {{"auth", "can-i", "delete", "sessions"}, "sessions cannot be asked to delete: they have get, list, watch, close, top"},
      {{"auth", "can-i", "ListenerService/DeletListener"},
       "no method \"ListenerService/DeletListener\" (did you mean ListenerService/DeleteListener?)"},
      {{"auth", "can-i", "get", "lsn", "x"}, "unexpected argument \"x\""},
      {{"auth", "can-i", "--list", "get"}, "--list: takes no verb; it shows all methods"},
      {{"auth", "whoami", "-o", "yaml"}, "auth does not print -o yaml"},
  };
  for (const auto& [arguments, fault] : rows) {
    const Answer answer = daemon.Run(arguments);
    EXPECT_THAT(answer.err, ::testing::StartsWith("error: " + fault + "\n"));
    EXPECT_EQ(answer.code, 2) << fault;
  }
  EXPECT_TRUE(daemon.asked_permissions.empty());
}

TEST(ApiMethods, AreThoseOfTheDescriptorsAndAllHaveARole) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const ApiMethod& method : ApiMethods()) {
    EXPECT_EQ(pool->FindMethodByName("culvert.v1." + std::string(method.method->service()->name()) + "." + method.method->name()),
              method.method);
    EXPECT_NE(method.rules().role(), v1::ROLE_UNSPECIFIED) << method.name;
  }
  EXPECT_GT(ApiMethods().size(), 30u);
}

TEST(ApiMethods, VerbsLeadToMethodsThatExist) {
  for (const Kind kind : AllKinds()) {
    EXPECT_FALSE(VerbsOf(kind).empty());
    for (const std::string& verb : VerbsOf(kind)) EXPECT_TRUE(MethodsOf(verb, kind).ok()) << verb << " " << Plural(kind);
  }
}

TEST(ApiResources, ListsKinds) {
  const Surroundings around;
  EXPECT_EQ(around.Run({"api-resources"}).out,
            "NAME       SHORT  VERBS                                                          DECLARED\n"
            "listeners  lsn    get,list,create,update,delete,apply,export,watch               yes\n"
            "dialers    dl     get,list,create,update,delete,apply,export,watch,dial,connect  yes\n"
            "forwards   fwd    get,list,create,update,delete,apply,export,watch,top           yes\n"
            "sessions   ses    get,list,watch,close,top                                       no\n"
            "streams    str    list,close,top,tap                                             no\n"
            "udpflows   udp    list,close,top,tap                                             no\n"
            "events     ev     list,watch,logs                                                no\n");
  EXPECT_EQ(around.Run({"api-resources", "-o", "name"}).out, "listeners\ndialers\nforwards\nsessions\nstreams\nudpflows\nevents\n");
  EXPECT_THAT(around.Run({"api-resources", "-o", "wide"}).out, HasSubstr("UdpFlow\n"));
  EXPECT_EQ(around.Run({"api-resources", "-o", "json"}).code, 2);
}

}  // namespace
}  // namespace culvert::cli
