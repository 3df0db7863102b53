// culvertd --config-dir: the same documents, read at start. What is wrong with them stops the start with one clear line.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

std::string Loopback(uint16_t port) { return absl::StrFormat("127.0.0.1:%u", port); }

TEST(ConfigDir, ServesWhatItsFilesSay) {
  auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, ChoiceHandler());
  ASSERT_TRUE(app.ok());
  const uint16_t entrance = FreePort(), wire = FreePort();
  TempDir config;
  const KcpText kcp{.header = "SRTP", .seed_file = "seed"};
  config.Write("seed", "from a file\n", 0600);
  config.Write("20-near.yaml", TcpListener("in", Loopback(entrance)) + KcpDialer("far", Loopback(wire), kcp) +
                                   ForwardToDialer("near", "in", "far"));
  config.Write("10-far.yml",
               KcpListener("wire", Loopback(wire), kcp) + ForwardDirect("far", "wire", (*app)->address().ToString()));
  config.Write("notes.txt", "not: [read");
  config.Write(".hidden.yaml", "not: [read");
  auto daemon = Daemon::Start({.flags = {"--config-dir", config.path()}});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  EXPECT_TRUE(Eventually([&] { return FindAll((*daemon)->GetJson("forwards"), "metadata").size() == 2; }));
  const ClientOptions client{.to = {IpAddress::LoopbackV4(), entrance}, .chooses = true};
  EXPECT_EQ(RunExchange(client, {.up_bytes = 300'000, .down_bytes = 300'000}), absl::OkStatus()) << (*daemon)->Log();
}

struct BadFolder {
  std::string name;
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::string> said;  // all of these stand in what it prints
};

TEST(ConfigDir, ABadFileStopsTheStartWithFileAndLine) {
  const std::vector<BadFolder> folders = {
      {"malformed", {{"a.yaml", "apiVersion: culvert/v1\nkind: [Listener\n"}}, {"a.yaml:"}},
      {"unknown key",
       {{"a.yaml", TcpListener("in", "127.0.0.1:0")}, {"b.yaml", TcpListener("b", "127.0.0.1:0") + "  bimd: 1\n"}},
       {"b.yaml:8", "bimd"}},
      {"dangling",
       {{"a.yaml", TcpListener("in", "127.0.0.1:0") + ForwardToDialer("f", "in", "nowhere")}},
       {"a.yaml:", "nowhere"}},
      {"twice",
       {{"a.yaml", TcpListener("in", "127.0.0.1:0")}, {"b.yaml", TcpListener("in", "127.0.0.1:0")}},
       {"a.yaml", "b.yaml", "in"}},
      {"no seed file", {{"a.yaml", KcpListener("w", "127.0.0.1:0", {.seed_file = "missing-seed"})}}, {"missing-seed"}},
  };
  for (const BadFolder& folder : folders) {
    TempDir config;
    for (const auto& [file, text] : folder.files) config.Write(file, text);
    const RunResult result = RunProgram({CulvertdBinary(), "--config-dir", config.path(), "--state-dir", "none",
                                         "--control", "unix:" + config.File("run/c.sock")},
                                        seconds(20));
    EXPECT_GT(result.exit_code, 0) << folder.name << ": it started, or hung";
    for (const std::string& text : folder.said) {
      EXPECT_NE((result.out + result.err).find(text), std::string::npos)
          << folder.name << ": no '" << text << "' in: " << result.out << result.err;
    }
  }
}

TEST(ConfigDir, AMissingFolderStopsTheStart) {
  TempDir directory;
  const RunResult result = RunProgram({CulvertdBinary(), "--config-dir", directory.File("nowhere"), "--state-dir",
                                       "none", "--control", "unix:" + directory.File("run/c.sock")},
                                      seconds(20));
  EXPECT_GT(result.exit_code, 0);
  EXPECT_NE((result.out + result.err).find("nowhere"), std::string::npos) << result.err;
}

TEST(ConfigDir, ObjectsOfFilesAreNotForTheApi) {
  TempDir config;
  const std::string listener = TcpListener("in", Loopback(FreePort()));
  config.Write("a.yaml", listener);
  auto daemon = Daemon::Start({.flags = {"--config-dir", config.path()}});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const RunResult changed = (*daemon)->Apply(listener + "  max_sessions: 7\n");
  EXPECT_EQ(changed.exit_code, 6) << changed.out << changed.err;
  EXPECT_NE(changed.err.find("MANAGED_BY_OTHER"), std::string::npos) << changed.err;
}

// What outlives a daemon: the certificate of QUIC listeners without tls, so that a pin is good for longer than a run.
class StateDir : public ::testing::Test {
 protected:
  static std::string PinOf(Daemon& daemon) {
    const auto found = FindAll(daemon.GetJson("listeners"), "spkiPin");
    return found.empty() || !found.front().is_string() ? "" : found.front().get<std::string>();
  }
  std::unique_ptr<Daemon> Start(const std::string& state_dir) {
    auto daemon = Daemon::Start({.flags = {"--config-dir", config_.path()}, .state_dir = state_dir});
    EXPECT_TRUE(daemon.ok()) << daemon.status();
    return daemon.ok() ? *std::move(daemon) : nullptr;
  }
  void SetUp() override {
    config_.Write("a.yaml", absl::StrFormat("apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: in}\n"
                                            "spec: {transport: QUIC, bind: \"127.0.0.1:%u\"}\n",
                                            FreePort()));
  }
  TempDir config_;
  TempDir folder_;
};

TEST_F(StateDir, APinIsGoodForTheNextRunToo) {
  const std::string state = folder_.File("state");
  auto first = Start(state);
  ASSERT_NE(first, nullptr);
  const std::string pin = PinOf(*first);
  EXPECT_TRUE(pin.starts_with("sha256/")) << first->GetJson("listeners");
  EXPECT_NE(first->Log().find(pin), std::string::npos) << "the log tells it at bind";
  EXPECT_NE(first->Ctl({"get", "listeners", "-o", "wide"}).out.find(pin), std::string::npos);
  ASSERT_TRUE(first->Stop());
  auto second = Start(state);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(PinOf(*second), pin);
  EXPECT_EQ(second->GetJson("listeners").find("InMemory"), std::string::npos);
}

TEST_F(StateDir, WithoutOneTheStatusSaysWhatIsLost) {
  auto daemon = Start("none");
  ASSERT_NE(daemon, nullptr);
  EXPECT_NE(daemon->GetJson("listeners").find("InMemory"), std::string::npos);
  const std::string status = daemon->Ctl({"status"}).out;
  EXPECT_NE(status.find("STATE_NOT_KEPT"), std::string::npos) << status;
}

TEST_F(StateDir, AFolderThatCannotBeUsedStopsTheStart) {
  const std::string file = folder_.Write("file", "x");
  const std::string open = folder_.File("open");
  std::filesystem::create_directory(open);
  std::filesystem::permissions(open, std::filesystem::perms(0755));
  const std::pair<std::string, std::string> rows[] = {{open, "chmod 700"}, {file, "is not a folder"}, {"state", "absolute path"}};
  for (const auto& [path, said] : rows) {
    const RunResult result = RunProgram(
        {CulvertdBinary(), "--state-dir", path, "--control", "unix:" + folder_.File("run/c.sock")}, seconds(20));
    EXPECT_GT(result.exit_code, 0) << path << ": it started, or hung";
    EXPECT_NE((result.out + result.err).find(said), std::string::npos) << path << ": " << result.out << result.err;
  }
}

}  // namespace
}  // namespace culvert::testing
