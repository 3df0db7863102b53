// Which daemon is meant, and the file that says so: its owner and modes, what is wrong in it, what goes before what.
#include "cli/target/contexts.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cli/target/target.h"
#include "gmock/gmock.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kTwo[] =
    "current_context: local\n"
    "contexts:\n"
    "- name: local\n"
    "  address: unix:/run/a.sock\n"
    "- name: prod\n"
    "  address: edge-0.example:7443\n"
    "  protected: true\n"
    "  tls:\n"
    "    ca_file: ca.crt\n"
    "    certificate_file: /etc/me.crt\n"
    "    key_file: me.key\n"
    "    server_name: edge\n";

std::string Fault(const Surroundings& around) {
  Contexts contexts;
  const Outcome failed = contexts.Load(around.environment());
  if (!failed) return "";
  EXPECT_EQ(failed->code, ExitCode::kUsage);
  return failed->faults.at(0) + (failed->next.empty() ? "" : " | " + failed->next);
}

TEST(Contexts, NoFileIsNoContexts) {
  const Surroundings around;
  Contexts contexts;
  EXPECT_FALSE(contexts.Load(around.environment()));
  EXPECT_EQ(contexts.path(), around.config());
  EXPECT_EQ(contexts.file().contexts_size(), 0);
}

TEST(Contexts, AreBelowTheHomeByDefault) {
  Surroundings around;
  around.variables = {{"HOME", "/home/you"}};
  Contexts contexts;
  EXPECT_FALSE(contexts.Load(around.environment()));
  EXPECT_EQ(contexts.path(), "/home/you/.config/culvertctl/config.yaml");
  around.variables["XDG_CONFIG_HOME"] = "relative";
  EXPECT_FALSE(contexts.Load(around.environment()));
  EXPECT_EQ(contexts.path(), "/home/you/.config/culvertctl/config.yaml");
}

TEST(Contexts, AFileThatOthersCanReachIsRefused) {
  const Surroundings around;
  const std::pair<mode_t, std::string> files[] = {{0644, "others may read it (mode 0644)"},
                                                  {0640, "others may read it (mode 0640)"},
                                                  {0604, "others may read it (mode 0604)"},
                                                  {0620, "others may change it (mode 0620)"},
                                                  {0602, "others may change it (mode 0602)"},
                                                  {0666, "others may change it (mode 0666)"}};
  for (const auto& [mode, why] : files) {
    around.Contexts(kTwo, mode);
    EXPECT_EQ(Fault(around), around.config() + ": " + why + " | chmod 600 " + around.config());
  }
  for (const mode_t mode : {0600, 0400}) {
    around.Contexts(kTwo, mode);
    EXPECT_EQ(Fault(around), "");
  }
}

TEST(Contexts, AFolderThatOthersCanReachIsRefused) {
  const Surroundings around;
  const std::pair<mode_t, std::string> folders[] = {{0755, "others may read it (mode 0755)"},
                                                    {0770, "others may change it (mode 0770)"},
                                                    {01777, "others may change it (mode 1777)"}};
  for (const auto& [mode, why] : folders) {
    around.Contexts(kTwo, 0600, mode);
    EXPECT_EQ(Fault(around), around.folder() + ": " + why + " | chmod 700 " + around.folder());
  }
}

TEST(Contexts, AFileOfAnotherUserIsRefused) {
  Surroundings around;
  around.Contexts(kTwo);
  around.user = ::geteuid() + 1;
  EXPECT_THAT(Fault(around), HasSubstr(around.folder() + ": the folder belongs to user " + std::to_string(::geteuid())));
}

TEST(Contexts, LinksAreFollowedWhenTheyAreOurs) {
  Surroundings around;
  around.Contexts(kTwo);
  const std::string real = around.home.Write("real.yaml", kTwo, 0600);
  ASSERT_EQ(::unlink(around.config().c_str()), 0);
  ASSERT_EQ(::symlink(real.c_str(), around.config().c_str()), 0);
  EXPECT_EQ(Fault(around), "");
  // The link stays when the file is changed.
  EXPECT_EQ(around.Run({"config", "use-context", "prod"}).code, 0);
  struct stat info {};
  ASSERT_EQ(::lstat(around.config().c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  ASSERT_EQ(::chmod(real.c_str(), 0644), 0);
  EXPECT_THAT(Fault(around), HasSubstr("others may read it"));
  ASSERT_EQ(::chmod(real.c_str(), 0600), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::lchown(around.config().c_str(), 1234, 1234), 0);
    EXPECT_THAT(Fault(around), HasSubstr("the link belongs to user 1234, not to you"));
  }
}

TEST(Contexts, WhatIsNoFileIsRefused) {
  const Surroundings around;
  around.Contexts(kTwo);
  ASSERT_EQ(::unlink(around.config().c_str()), 0);
  ASSERT_EQ(::mkfifo(around.config().c_str(), 0600), 0);
  EXPECT_EQ(Fault(around), around.config() + ": is no file");
}

TEST(Contexts, FaultsHaveALineAndAFix) {
  const Surroundings around;
  const std::pair<std::string, std::string> rows[] = {
      {"curent_context: a\n", ":1: curent_context: unknown field (did you mean current_context?)"},
      {"contexts:\n- name: a\n  adress: unix:/x\n", ":3: contexts[0].adress: unknown field (did you mean address?)"},
      {"contexts:\n- name: a\n  exec: curl\n  address: unix:/x\n", ":3: contexts[0].exec: unknown field"},
      {"contexts:\n- name: a\n", ":2: contexts[0].address: must be set: unix:PATH or HOST:PORT"},
      {"contexts:\n- address: unix:/x\n  name: a b\n",
       ":3: contexts[0].name: \"a b\" is not 1 to 63 letters, digits, '-', '_' and '.', the first a letter or digit"},
      {"contexts:\n- name: a\n  address: nowhere\n", ":3: contexts[0].address: \"nowhere\" is neither unix:PATH nor HOST:PORT"},
      {"contexts:\n- name: a\n  address: unix:/x\n  tls: {ca_file: x}\n",
       ":4: contexts[0].tls: only for HOST:PORT; a Unix socket has none"},
      {"contexts:\n- name: a\n  address: h:1\n  tls: {certificate_file: x}\n",
       ":4: contexts[0].tls.key_file: must be set: certificate_file is"},
      {"contexts:\n- {name: a, address: unix:/x}\n- {name: a, address: unix:/y}\n", ":3: contexts[1].name: \"a\" stands twice"},
      {"contexts: {\n", ":1: YAML: "},
  };
  for (const auto& [text, fault] : rows) {
    around.Contexts(text);
    EXPECT_THAT(Fault(around), HasSubstr(around.config() + fault)) << text;
  }
}

// "CONTEXT ADDRESS", or what is wrong.
std::string Resolved(const Surroundings& around, const Globals& globals) {
  Target target;
  if (const Outcome failed = ResolveTarget(globals, around.environment(), target)) return failed->faults.at(0);
  return target.context + " " + target.ToString();
}

TEST(Target, FlagsGoBeforeVariablesBeforeTheFile) {
  Surroundings around;
  around.Contexts(kTwo);
  EXPECT_EQ(Resolved(around, {}), "local unix:/run/a.sock");
  around.variables["CULVERTCTL_CONTEXT"] = "prod";
  EXPECT_EQ(Resolved(around, {}), "prod edge-0.example:7443");
  EXPECT_EQ(Resolved(around, {.context = "local"}), "local unix:/run/a.sock");
  EXPECT_EQ(Resolved(around, {.address = "unix:/b"}), " unix:/b");
  around.variables["CULVERTCTL_ADDRESS"] = "other:1";
  EXPECT_EQ(Resolved(around, {}), "prod other:1");
  EXPECT_EQ(Resolved(around, {.context = "local"}), "local unix:/run/a.sock");
  EXPECT_EQ(Resolved(around, {.context = "prod", .address = "third:1"}), "prod third:1");
  around.variables.erase("CULVERTCTL_CONTEXT");
  EXPECT_EQ(Resolved(around, {}), " other:1");
}

TEST(Target, WithoutAnythingTheDefaultPlacesAreTried) {
  const Surroundings around;
  EXPECT_EQ(Resolved(around, {}), " unix:/run/culvertd/control.sock");
}

TEST(Target, AddressAloneDoesNotReadTheFile) {
  const Surroundings around;
  around.Contexts("nonsense: 1\n", 0666);
  EXPECT_EQ(Resolved(around, {.address = "unix:/b"}), " unix:/b");
  EXPECT_THAT(Resolved(around, {}), HasSubstr("others may change it"));
}

TEST(Target, TakesTlsFromTheContextAndFlagsOverIt) {
  const Surroundings around;
  around.Contexts(kTwo);
  Target target;
  ASSERT_FALSE(ResolveTarget({.context = "prod"}, around.environment(), target));
  EXPECT_TRUE(target.is_protected);
  EXPECT_EQ(target.tls.ca_file, around.folder() + "/ca.crt");
  EXPECT_EQ(target.tls.certificate_file, "/etc/me.crt");
  EXPECT_EQ(target.tls.key_file, around.folder() + "/me.key");
  EXPECT_EQ(target.tls.server_name, "edge");
  Globals globals{.context = "prod"};
  globals.tls.ca_file = "other.crt";
  ASSERT_FALSE(ResolveTarget(globals, around.environment(), target));
  EXPECT_EQ(target.tls.ca_file, "other.crt");
  EXPECT_EQ(target.tls.certificate_file, "/etc/me.crt");
}

TEST(Target, WrongWordsAreNamed) {
  const Surroundings around;
  around.Contexts(kTwo);
  EXPECT_EQ(Resolved(around, {.context = "prdo"}),
            "--context: no context \"prdo\" in " + around.config() + " (did you mean prod?)");
  Globals globals{.address = "unix:/a"};
  globals.tls.ca_file = "ca.crt";
  EXPECT_EQ(Resolved(around, globals), "--ca-file: only for --address HOST:PORT; unix:/a is no TLS");
  globals = {.address = "host:1"};
  globals.tls.key_file = "me.key";
  EXPECT_EQ(Resolved(around, globals), "--certificate-file: must be given: --key-file is");
  globals.tls = {};
  globals.tls.certificate_file = "me.crt";
  EXPECT_EQ(Resolved(around, globals), "--key-file: must be given: --certificate-file is");
  around.Contexts("current_context: gone\n");
  EXPECT_EQ(Resolved(around, {}), "current_context: no context \"gone\" in " + around.config());
}

TEST(Target, WrongVariablesAreNamed) {
  Surroundings around;
  around.variables["CULVERTCTL_CONTEXT"] = "x";
  EXPECT_EQ(Resolved(around, {}), "CULVERTCTL_CONTEXT: no context \"x\" in " + around.config());
  around.variables = {{"CULVERTCTL_ADDRESS", "x"}};
  EXPECT_EQ(Resolved(around, {}), "CULVERTCTL_ADDRESS: \"x\" is neither unix:PATH nor HOST:PORT");
}

TEST(Target, WhoAsksNoDaemonDoesNotMind) {
  const Surroundings around;
  around.Contexts(kTwo, 0666);
  EXPECT_EQ(around.Run({"explain", "dialer"}).code, 0);
  EXPECT_EQ(around.Run({"version", "--client"}).code, 0);
  const Answer answer = around.Run({"get", "lsn"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_EQ(answer.err, "error: " + around.config() + ": others may change it (mode 0666)\nnext: chmod 600 " + around.config() + "\n");
}

}  // namespace
}  // namespace culvert::cli
