// Every manifest of deploy/examples is taken as it stands, with the files beside it that its README has people make.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/e2e/tls_files.h"
#include "tests/testing/daemon.h"

namespace culvert::testing {
namespace {

namespace fs = std::filesystem;

TEST(Examples, AreTakenAsTheyStand) {
  auto daemon = Daemon::Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const TlsFiles tls;
  int count = 0;
  std::set<std::string> folders;
  for (const auto& entry : fs::recursive_directory_iterator(CULVERT_EXAMPLES)) {
    if (entry.path().extension() != ".yaml" || entry.path().parent_path().filename() == "access") continue;
    SCOPED_TRACE(entry.path().string());
    TempDir folder;
    for (const auto& file : fs::directory_iterator(entry.path().parent_path())) {
      std::ifstream in(file.path());
      std::stringstream content;
      content << in.rdbuf();
      folder.Write(file.path().filename().string(), content.str(), 0600);
    }
    folder.Write("seed", "a seed for this test", 0600);
    folder.Write("outer.key", "a key for this test", 0600);
    for (const char* name : {"ca.crt", "far.crt", "far.key", "near.crt", "near.key"}) folder.Write(name, ReadFile(tls.Path(name)), 0600);
    const RunResult applied = (*daemon)->Ctl({"apply", "--dry-run", "-f", folder.File(entry.path().filename().string())});
    EXPECT_EQ(applied.exit_code, 0) << applied.err;
    ++count;
    folders.insert(entry.path().parent_path().filename().string());
  }
  EXPECT_GE(count, 19);
  EXPECT_GE(folders.size(), 6u);
}

TEST(Examples, AccessPoliciesAreTakenAsTheyStand) {
  auto daemon = Daemon::Start({.flags = {"--access-policy", std::string(CULVERT_EXAMPLES) + "/access/policy.yaml"}});
  EXPECT_TRUE(daemon.ok()) << daemon.status();
}

}  // namespace
}  // namespace culvert::testing
