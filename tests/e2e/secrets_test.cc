// A canary as seed: it may stand in the files a user wrote and nowhere else, whatever is asked and whatever goes wrong.
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

constexpr const char* kCanary = "CANARY-7f3a9c";

std::string WithSeed(const std::string& name, const std::string& kcp) {
  return absl::StrFormat(
      "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: %s}\nspec:\n  transport: KCP\n  bind: "
      "\"127.0.0.1:%u\"\n  kcp: %s\n",
      name, FreePort(), kcp);
}

class Secrets : public ::testing::Test {
 protected:
  void SetUp() override {
    auto daemon = Daemon::Start({.flags = {"--log-level", "debug"}});
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    (void)daemon_->directory().Write("seed", absl::StrFormat("%s\n", kCanary), 0600);
  }
  void TearDown() override {
    if (!daemon_) return;
    ASSERT_TRUE(daemon_->Stop());
    EXPECT_EQ(daemon_->Log().find(kCanary), std::string::npos) << "in the log";
  }
  void ExpectSilent(const RunResult& result, const std::string& what) {
    EXPECT_EQ((result.out + result.err).find(kCanary), std::string::npos)
        << what << " tells: " << result.out << result.err;
  }
  std::unique_ptr<Daemon> daemon_;
};

TEST_F(Secrets, NoOutputShowsThem) {
  const RunResult applied = daemon_->Apply(WithSeed("inline", absl::StrFormat("{seed: %s}", kCanary)) +
                                           WithSeed("file", "{seed_file: seed}"));
  ASSERT_EQ(applied.exit_code, 0) << applied.err;
  ExpectSilent(applied, "apply");
  for (const char* format : {"wide", "json", "yaml", "name"}) {
    const RunResult got = daemon_->Ctl({"get", "listeners", "-o", format});
    EXPECT_EQ(got.exit_code, 0) << got.err;
    ExpectSilent(got, format);
  }
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"get", "listener", "inline"},
                                                                                       {"export"},
                                                                                       {"status"},
                                                                                       {"status", "-o", "json"},
                                                                                       {"logs"},
                                                                                       {"check", "--no-probe"},
                                                                                       {"top", "-n", "1"},
                                                                                       {"-v", "get", "all"}}) {
    ExpectSilent(daemon_->Ctl(command), command.front());
  }
}

TEST_F(Secrets, NoErrorShowsThem) {
  const std::vector<std::string> mistakes = {
      WithSeed("a", absl::StrFormat("{seed: %s, mtu_bytes: 1}", kCanary)),
      WithSeed("b", absl::StrFormat("{seed: %s, unknown: 1}", kCanary)),
      WithSeed("c", absl::StrFormat("{seed: [%s]}", kCanary)),
      WithSeed("d", absl::StrFormat("{seed: {x: %s}}", kCanary)),
      WithSeed("e", absl::StrFormat("{seed: %s, seed: %s}", kCanary, kCanary)),
      WithSeed("f", absl::StrFormat("{seed: %s, seed_file: seed}", kCanary)),
      WithSeed("g", absl::StrFormat("{seed: %s, header: %s}", kCanary, "NOPE")),
      WithSeed("h", absl::StrFormat("{seed: \"%s\n", kCanary)),
      WithSeed("i", absl::StrFormat("{seed: %s, tick_interval: soon}", kCanary)),
      WithSeed("Bad_Name", absl::StrFormat("{seed: %s}", kCanary)),
  };
  for (const std::string& mistake : mistakes) {
    const RunResult result = daemon_->Ctl({"-v", "apply", "-f", daemon_->directory().Write("bad.yaml", mistake)});
    EXPECT_NE(result.exit_code, 0) << mistake;
    ExpectSilent(result, mistake);
  }
}

// The outer key of QUIC is as secret as a seed.
TEST_F(Secrets, NoOutputShowsAnOuterKey) {
  const auto with_outer = [](const std::string& name, const std::string& outer) {
    return absl::StrFormat(
        "---\napiVersion: culvert/v1\nkind: Listener\nmetadata: {name: %s}\nspec:\n  transport: QUIC\n  bind: "
        "\"127.0.0.1:%u\"\n  quic: {outer: {%s}}\n",
        name, FreePort(), outer);
  };
  const RunResult applied = daemon_->Apply(with_outer("inline", absl::StrFormat("security: AES_128_GCM, key: %s", kCanary)) +
                                           with_outer("file", "security: CHACHA20_POLY1305, key_file: seed"));
  ASSERT_EQ(applied.exit_code, 0) << applied.err;
  ExpectSilent(applied, "apply");
  for (const char* format : {"wide", "json", "yaml", "name"}) {
    const RunResult got = daemon_->Ctl({"get", "listeners", "-o", format});
    EXPECT_EQ(got.exit_code, 0) << got.err;
    ExpectSilent(got, format);
  }
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"export"}, {"status"}, {"status", "-o", "json"}, {"-v", "get", "all"}}) {
    ExpectSilent(daemon_->Ctl(command), command.front());
  }
  // What export shows can be applied again, and the key stays.
  EXPECT_EQ(daemon_->Apply(daemon_->Ctl({"export"}).out).out, "listener/file unchanged\nlistener/inline unchanged\n");
  for (const std::string& outer : {std::string("key: %s"), std::string("security: AES_128_GCM, key: %s, key_file: seed"),
                                   std::string("security: NOPE, key: %s"), std::string("security: AES_128_GCM, key: [%s]"),
                                   std::string("security: AES_128_GCM, key: %s, unknown: 1")}) {
    std::string text = outer;
    text.replace(text.find("%s"), 2, kCanary);
    const RunResult result = daemon_->Ctl({"-v", "apply", "-f", daemon_->directory().Write("bad.yaml", with_outer("bad", text))});
    EXPECT_NE(result.exit_code, 0) << outer;
    ExpectSilent(result, outer);
  }
}

TEST_F(Secrets, AChangedSeedIsNoticedWithoutBeingShown) {
  const uint16_t port = FreePort();
  const auto manifest = [&](const std::string& seed) {
    return absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: d}\nspec: {transport: KCP, targets: "
        "[\"127.0.0.1:%u\"], kcp: {seed: %s}}\n",
        port, seed);
  };
  ASSERT_EQ(daemon_->Apply(manifest("first")).exit_code, 0);
  const RunResult changed = daemon_->Apply(manifest(kCanary));
  EXPECT_EQ(changed.out, "dialer/d configured\n") << changed.err;
  ExpectSilent(changed, "apply");
  EXPECT_EQ(daemon_->Apply(manifest(kCanary)).out, "dialer/d unchanged\n");
}

}  // namespace
}  // namespace culvert::testing
