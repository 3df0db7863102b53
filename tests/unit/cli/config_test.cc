// culvertctl config: what it writes, what it prints, and what it refuses without touching the file.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::HasSubstr;

std::string Content(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

class Config : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(around_.Run({"config", "set-context", "local", "--address", "unix:/run/a.sock"}).out, "context/local created\n");
    ASSERT_EQ(around_.Run({"config", "set-context", "prod", "--address", "edge:7443", "--ca-file", "/pki/ca.crt", "--certificate-file",
                           "/pki/me.crt", "--key-file", "/pki/me.key", "--tls-server-name", "edge.example", "--protected"})
                  .out,
              "context/prod created\n");
  }
  Surroundings around_;
};

TEST_F(Config, WritesAFileThatIsOursAlone) {
  EXPECT_EQ(Content(around_.config()),
            "contexts:\n"
            "  - name: local\n"
            "    address: \"unix:/run/a.sock\"\n"
            "  - name: prod\n"
            "    address: \"edge:7443\"\n"
            "    tls:\n"
            "      ca_file: /pki/ca.crt\n"
            "      certificate_file: /pki/me.crt\n"
            "      key_file: /pki/me.key\n"
            "      server_name: edge.example\n"
            "    protected: true\n");
  struct stat info {};
  ASSERT_EQ(::stat(around_.config().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat(around_.folder().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  // Nothing is left of the way it was written.
  const auto entries = std::filesystem::directory_iterator(around_.folder());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(Config, ListsWithTheOneInForceMarked) {
  EXPECT_EQ(around_.Run({"config", "use-context", "prod"}).out, "context/prod in use\n");
  EXPECT_EQ(around_.Run({"config", "get-contexts"}).out,
            "CURRENT  NAME   ADDRESS           TLS   PROTECTED\n"
            "         local  unix:/run/a.sock  -     no\n"
            "*        prod   edge:7443         mtls  yes\n");
  EXPECT_EQ(around_.Run({"config", "current-context"}).out, "prod\n");
  around_.variables["CULVERTCTL_CONTEXT"] = "local";
  EXPECT_EQ(around_.Run({"config", "current-context"}).out, "local\n");
  EXPECT_THAT(around_.Run({"config", "use-context", "prod"}).err, HasSubstr("warning: CULVERTCTL_CONTEXT says local"));
  EXPECT_EQ(around_.Run({"config", "get-contexts", "-o", "name"}).out, "context/local\ncontext/prod\n");
  EXPECT_THAT(around_.Run({"config", "view", "-o", "json"}).out, HasSubstr("\"certificateFile\": \"/pki/me.crt\""));
  EXPECT_EQ(around_.Run({"config", "view"}).out, "# " + around_.config() + "\n" + Content(around_.config()));
}

TEST_F(Config, ChangesWhatIsGivenAndKeepsTheRest) {
  EXPECT_EQ(around_.Run({"config", "set-context", "prod", "--protected=false"}).out, "context/prod configured\n");
  EXPECT_THAT(Content(around_.config()), ::testing::Not(HasSubstr("protected")));
  EXPECT_EQ(around_.Run({"config", "set-context", "prod", "--protected=false"}).out, "context/prod unchanged\n");
  EXPECT_THAT(Content(around_.config()), HasSubstr("me.key"));
  // To a socket there is no TLS.
  EXPECT_EQ(around_.Run({"config", "set-context", "prod", "--address", "unix:/x"}).code, 0);
  EXPECT_THAT(Content(around_.config()), ::testing::Not(HasSubstr("me.key")));
}

TEST_F(Config, RenamesAndForgets) {
  around_.Run({"config", "use-context", "prod"});
  EXPECT_EQ(around_.Run({"config", "rename-context", "prod", "edge"}).out, "context/prod renamed to edge\n");
  EXPECT_EQ(around_.Run({"config", "current-context"}).out, "edge\n");
  const Answer deleted = around_.Run({"config", "delete-context", "edge"});
  EXPECT_EQ(deleted.out, "context/edge deleted\n");
  EXPECT_EQ(deleted.err, "warning: it was the one in use; now there is none\n");
  EXPECT_EQ(around_.Run({"config", "current-context"}).code, 3);
  EXPECT_EQ(around_.Run({"config", "delete-context", "local"}).err, "");
  EXPECT_EQ(around_.Run({"config", "view"}).out, "# " + around_.config() + "\ncontexts: []\n");
}

TEST_F(Config, RefusesWithTheWordAndTheFixAndChangesNothing) {
  const std::string before = Content(around_.config());
  const std::tuple<std::vector<std::string>, int, std::string> rows[] = {
      {{"config"}, 2, "config wants one of current-context, delete-context, get-contexts, rename-context, set-context, use-context, view"},
      {{"config", "use-contxt", "prod"}, 2, "unknown command \"config use-contxt\" (did you mean use-context?)"},
      {{"config", "use-context"}, 2, "the name of a context is wanted"},
      {{"config", "use-context", "prdo"}, 3, "config: no context \"prdo\" in " + around_.config() + " (did you mean prod?)"},
      {{"config", "delete-context", "x"}, 3, "config: no context \"x\" in " + around_.config()},
      {{"config", "rename-context", "prod"}, 2, "a new name is wanted"},
      {{"config", "rename-context", "prod", "local"}, 6, "context local exists already"},
      {{"config", "rename-context", "prod", "a b"}, 2, "name: \"a b\" is not 1 to 63 letters"},
      {{"config", "set-context", "new"}, 2, "context new: address: must be set: unix:PATH or HOST:PORT"},
      {{"config", "set-context", "-x"}, 2, "unknown flag -x"},
      {{"config", "set-context", "a/b", "--address", "unix:/x"}, 2, "context a/b: name: \"a/b\" is not 1 to 63 letters"},
      {{"config", "set-context", "new", "--address", "x"}, 2, "context new: address: \"x\" is neither unix:PATH nor HOST:PORT"},
      {{"config", "set-context", "local", "--ca-file", "x"}, 2, "context local: tls: only for HOST:PORT; a Unix socket has none"},
      {{"config", "set-context", "new", "--address", "h:1", "--key-file", "k"}, 2,
       "context new: tls.certificate_file: must be set: key_file is"},
      {{"config", "set-context", "prod", "--protected=maybe"}, 2, "--protected=maybe: true or false"},
      {{"config", "set-context", "prod", "--protectd"}, 2, "unknown flag --protectd (did you mean --protected?)"},
      {{"config", "use-context", "prod", "--address", "unix:/x"}, 2, "--address and flags of TLS belong to config set-context"},
      {{"config", "view", "-o", "name"}, 2, "config does not print -o name"},
      {{"config", "view", "more"}, 2, "unexpected argument \"more\""},
  };
  for (const auto& [arguments, code, fault] : rows) {
    const Answer answer = around_.Run(arguments);
    EXPECT_THAT(answer.err, ::testing::StartsWith("error: " + fault)) << answer.out;
    EXPECT_EQ(answer.code, code) << fault;
    EXPECT_EQ(answer.out, "") << fault;
  }
  EXPECT_EQ(Content(around_.config()), before);
}

TEST_F(Config, AFileThatOthersCanReachIsNotWritten) {
  ASSERT_EQ(::chmod(around_.config().c_str(), 0644), 0);
  const std::string before = Content(around_.config());
  const Answer answer = around_.Run({"config", "use-context", "prod"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.err, HasSubstr("chmod 600 " + around_.config()));
  EXPECT_EQ(Content(around_.config()), before);
}

TEST(ConfigWithoutAHome, SaysSo) {
  Surroundings around;
  around.variables.clear();
  EXPECT_EQ(around.Run({"config", "set-context", "a", "--address", "unix:/x"}).err,
            "error: there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set\nnext: export HOME=/home/you\n");
}

}  // namespace
}  // namespace culvert::cli
