// Configuration folders and seeds that change while the daemon runs.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_stream.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

std::string Loopback(uint16_t port) { return absl::StrFormat("127.0.0.1:%u", port); }

// A mounted ConfigMap: files are links through a link that is put in another's place.
class ConfigMap {
 public:
  explicit ConfigMap(const TempDir& folder) : folder_(folder) {}
  void Set(const std::map<std::string, std::string>& files) {
    namespace fs = std::filesystem;
    const fs::path root = folder_.path();
    const std::string version = absl::StrFormat("..version_%d", ++version_);
    fs::create_directory(root / version);
    for (const auto& [name, content] : files) folder_.Write(version + "/" + name, content);
    fs::create_symlink(version, root / "..data_tmp");
    fs::rename(root / "..data_tmp", root / "..data");
    for (const auto& [name, content] : files) {
      if (!fs::is_symlink(root / name)) fs::create_symlink("..data/" + name, root / name);
    }
    if (version_ > 1) fs::remove_all(root / absl::StrFormat("..version_%d", version_ - 1));
  }

 private:
  const TempDir& folder_;
  int version_ = 0;
};

std::string Condition(Daemon& daemon, const std::string& type) {
  const RunResult status = daemon.Ctl({"call", "DaemonService/GetDaemon", "-o", "json"});
  for (const nlohmann::json& conditions : FindAll(status.out, "conditions")) {
    for (const nlohmann::json& condition : conditions) {
      if (condition["type"] == type) return condition["status"].get<std::string>() + " " + condition["message"].get<std::string>();
    }
  }
  return "";
}

std::string ConfigStatus(Daemon& daemon) { return daemon.Ctl({"call", "ConfigService/GetConfigStatus", "-o", "json"}).out; }

TEST(ConfigReload, TakesWhatAConfigMapBecomesAndKeepsSessions) {
  auto app = TcpServer::Start({IpAddress::LoopbackV4(), 0}, EchoHandler());
  ASSERT_TRUE(app.ok());
  const uint16_t entrance = FreePort(), wire = FreePort(), another = FreePort();
  TempDir folder;
  ConfigMap config(folder);
  const std::string tunnel = TcpListener("in", Loopback(entrance)) + KcpDialer("far", Loopback(wire), {}) + ForwardToDialer("near", "in", "far") +
                             KcpListener("wire", Loopback(wire), {}) + ForwardDirect("far", "wire", (*app)->address().ToString());
  config.Set({{"a.yaml", tunnel}});
  auto daemon = Daemon::Start({.flags = {"--config-dir", folder.path()}});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  auto stream = TcpStream::Connect({IpAddress::LoopbackV4(), entrance});
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->Write("before").ok());
  ASSERT_EQ(stream->ReadText(6).value_or(""), "before") << (*daemon)->Log();

  config.Set({{"a.yaml", tunnel + TcpListener("more", Loopback(another)) + ForwardDirect("more", "more", (*app)->address().ToString())}});
  EXPECT_TRUE(Eventually([&] { return TcpStream::Connect({IpAddress::LoopbackV4(), another}, seconds(1)).ok(); })) << (*daemon)->Log();
  EXPECT_EQ(FindAll(ConfigStatus(**daemon), "generation"), std::vector<nlohmann::json>{"2"});
  ASSERT_TRUE(stream->Write("after").ok());
  EXPECT_EQ(stream->ReadText(5).value_or(""), "after") << (*daemon)->Log();

  // A fault: all stays as it is, and it is told where the fault is.
  config.Set({{"a.yaml", tunnel + TcpListener("more", Loopback(another)) + "  bimd: 1\n"}});
  EXPECT_TRUE(Eventually([&] { return Condition(**daemon, "ConfigAccepted").starts_with("STATUS_FALSE"); }));
  EXPECT_NE(Condition(**daemon, "ConfigAccepted").find("bimd"), std::string::npos);
  EXPECT_NE((*daemon)->Ctl({"events"}).out.find("ConfigRejected"), std::string::npos);
  EXPECT_TRUE(TcpStream::Connect({IpAddress::LoopbackV4(), another}, seconds(1)).ok());

  // What is not declared any more goes.
  config.Set({{"a.yaml", tunnel}});
  EXPECT_TRUE(Eventually([&] { return !TcpStream::Connect({IpAddress::LoopbackV4(), another}, seconds(1)).ok(); })) << (*daemon)->Log();
  EXPECT_TRUE(Condition(**daemon, "ConfigAccepted").starts_with("STATUS_TRUE"));
  EXPECT_TRUE(FindAll(ConfigStatus(**daemon), "rejected_message").empty());
  ASSERT_TRUE(stream->Write("last").ok());
  EXPECT_EQ(stream->ReadText(4).value_or(""), "last");
}

// What is refused since something else stands in the way is taken once that is gone, without a change.
TEST(ConfigReload, APortInUseIsTriedAgain) {
  TempDir folder;
  folder.Write("a.yaml", TcpListener("a", Loopback(FreePort())));
  auto daemon = Daemon::Start({.flags = {"--config-dir", folder.path()}});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  auto squatter = TcpServer::Start({IpAddress::LoopbackV4(), 0}, EchoHandler());
  ASSERT_TRUE(squatter.ok());
  folder.Write("b.yaml", TcpListener("b", (*squatter)->address().ToString()));
  EXPECT_TRUE(Eventually([&] { return Condition(**daemon, "ConfigAccepted").find("b.yaml") != std::string::npos; })) << (*daemon)->Log();
  squatter->reset();
  EXPECT_TRUE(Eventually([&] { return Condition(**daemon, "ConfigAccepted").starts_with("STATUS_TRUE"); }, seconds(30))) << (*daemon)->Log();
}

TEST(ConfigReload, ASignalLooksAtOnce) {
  TempDir folder;
  auto daemon = Daemon::Start({.flags = {"--config-dir", folder.path()}});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  (*daemon)->process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return (*daemon)->Log().find("reading configuration folders and credentials again") != std::string::npos; }));
  const auto ended = (*daemon)->Stop();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 0);
}

// Both sides get a new seed: the old sessions end, the next ones use it, and nobody asked for anything.
TEST(ConfigReload, ARotatedSeedIsUsed) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  ASSERT_EQ(RunExchange((*pair)->client(), {.up_bytes = 1000, .down_bytes = 1000}), absl::OkStatus());
  (*pair)->far().directory().Write("seed", "quite another seed\n", 0600);
  EXPECT_TRUE(Eventually([&] { return (*pair)->far().Log().find("seed_file") != std::string::npos; }, seconds(20))) << (*pair)->Logs();
  (*pair)->near().directory().Write("seed", "quite another seed\n", 0600);
  const RunResult reloaded = (*pair)->near().Ctl({"call", "DaemonService/ReloadCredentials", "-o", "json"});
  EXPECT_EQ(reloaded.exit_code, 0) << reloaded.err;
  EXPECT_NE(reloaded.out.find(std::string("dialer/") + TunnelPair::kDialer), std::string::npos) << reloaded.out;
  EXPECT_TRUE(Eventually([&] { return RunExchange((*pair)->client(), {.up_bytes = 1000, .down_bytes = 1000}).ok(); }, seconds(20))) << (*pair)->Logs();
}

TEST(ConfigReload, CredentialsThatCannotBeUsedAreToldAndLeaveTheObjectAsItWas) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  std::filesystem::remove((*pair)->far().directory().File("seed"));
  const RunResult reloaded = (*pair)->far().Ctl({"call", "DaemonService/ReloadCredentials", "-o", "json"});
  EXPECT_EQ(reloaded.exit_code, 0) << reloaded.err;
  EXPECT_NE(reloaded.out.find("seed"), std::string::npos) << reloaded.out;
  EXPECT_EQ(FindAll(reloaded.out, "fault").size(), 1u) << reloaded.out;
  EXPECT_EQ(RunExchange((*pair)->client(), {.up_bytes = 1000, .down_bytes = 1000}), absl::OkStatus()) << (*pair)->Logs();
}

}  // namespace
}  // namespace culvert::testing
