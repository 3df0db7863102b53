#include "tests/tidy/tidy.h"

#include <gtest/gtest.h>

namespace culvert::tidy {
namespace {

// The rules broken by a file at `path` with this content, one line each.
std::string RulesBroken(std::string_view path, std::string_view text) {
  std::string rules;
  for (const Finding& finding : CheckFile(path, text)) rules += finding.ToString() + "\n";
  return rules;
}

TEST(Tidy, TheTreeKeepsItsRules) {
  size_t files = 0;
  const auto findings = CheckTree(CULVERT_SOURCE_DIR, files);
  for (const Finding& finding : findings) ADD_FAILURE() << finding.ToString();
  EXPECT_GT(files, 50u) << "the tree was not found";
}

TEST(TidyRules, LayersIncludeDownwards) {
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "#include \"core/crypto/aead.h\"\n#include <vector>\n"), "");
  EXPECT_EQ(RulesBroken("core/camouflage/a.cc", "#include \"core/transport/datagram.h\"\n"), "");
  EXPECT_EQ(RulesBroken("core/base/a.cc", "#include \"absl/status/status.h\"\n"), "");
  EXPECT_EQ(RulesBroken("server/a.cc", "#include \"core/kcp/endpoint.h\"\n#include \"culvert/v1/types.pb.h\"\n"), "");
  EXPECT_EQ(RulesBroken("core/base/a.cc", "\n#include \"core/io/reactor.h\"\n"),
            "core/base/a.cc:2: core/base/ may not include core/io/reactor.h\n");
  EXPECT_EQ(RulesBroken("core/tls/a.cc", "#include \"core/crypto/sha256.h\"\n"), "");
  EXPECT_EQ(RulesBroken("core/tls/a.cc", "#include \"core/transport/event.h\"\n"),
            "core/tls/a.cc:1: core/tls/ may not include core/transport/event.h\n");
  EXPECT_EQ(RulesBroken("core/frontdoor/a.cc", "#include \"core/crypto/sha256.h\"\n"), "");
  EXPECT_EQ(RulesBroken("core/frontdoor/a.cc", "#include \"core/transport/event.h\"\n"),
            "core/frontdoor/a.cc:1: core/frontdoor/ may not include core/transport/event.h\n");
  EXPECT_EQ(RulesBroken("core/egress/a.cc", "#include \"core/crypto/sha256.h\"\n"),
            "core/egress/a.cc:1: core/egress/ may not include core/crypto/sha256.h\n");
  EXPECT_EQ(RulesBroken("core/io/a.cc", "#include \"core/kcp/endpoint.h\"\n"),
            "core/io/a.cc:1: core/io/ may not include core/kcp/endpoint.h\n");
  EXPECT_EQ(RulesBroken("cli/a.cc", "#include \"server/worker.h\"\n"),
            "cli/a.cc:1: cli/ may not include server/worker.h\n");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "#include \"tests/sim/net.h\"\n"),
            "core/kcp/a.cc:1: core/kcp/ may not include tests/sim/net.h\n");
  EXPECT_EQ(
      RulesBroken("core/kcp/a.cc", "#include \"culvert/v1/types.pb.h\"\n"),
      "core/kcp/a.cc:1: Protocol Buffers in core\ncore/kcp/a.cc:1: core/kcp/ may not include culvert/v1/types.pb.h\n");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "#include \"../base/time.h\"\n"),
            "core/kcp/a.cc:1: an include that is not written from the top\n");
}

TEST(TidyRules, TheSystemBelongsToIo) {
  EXPECT_EQ(RulesBroken("core/io/a.cc", "#include <sys/socket.h>\nauto t = std::chrono::steady_clock::now();\n"), "");
  EXPECT_EQ(RulesBroken("core/base/address.cc", "#include <arpa/inet.h>\n"), "");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "#include <sys/socket.h>\n"),
            "core/kcp/a.cc:1: a system header outside core/io\n");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "auto t = std::chrono::steady_clock::now();\n"),
            "core/kcp/a.cc:1: a real clock outside core/io: steady_clock::now\n");
  EXPECT_EQ(RulesBroken("server/a.cc", "auto t = std::chrono::steady_clock::now();\n"), "");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "#include <openssl/aead.h>\n"),
            "core/kcp/a.cc:1: BoringSSL outside core/crypto, core/tls and the handshake of core/quic\n");
  EXPECT_EQ(RulesBroken("core/crypto/a.cc", "#include <openssl/aead.h>\n"), "");
  EXPECT_EQ(RulesBroken("core/tls/a.cc", "#include <openssl/ssl.h>\n"), "");
}

TEST(TidyRules, SomeCallsAreBanned) {
  EXPECT_EQ(RulesBroken("server/a.cc", "std::this_thread::sleep_for(1s);\n"), "server/a.cc:1: a sleep: sleep_for\n");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "int x = rand ();\n"),
            "core/kcp/a.cc:1: a generator that is neither seeded nor unpredictable: rand\n");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "operand(); random(); std::thread t;\n"),
            "core/kcp/a.cc:1: a thread in core: std::thread\n");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "std::printf(\"x\");\n"), "core/kcp/a.cc:1: printing in core: printf\n");
  EXPECT_EQ(RulesBroken("core/base/log.cc", "std::fprintf(stderr, \"x\");\n"), "");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "std::snprintf(buffer, 3, \"x\");\n"), "");
}

TEST(TidyRules, CommentsAndTextAreNoCode) {
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "// never rand()\n/* nor\n rand() */ f(\"rand()\\\" rand()\");\n"), "");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", "/* a */ rand();\n"),
            "core/kcp/a.cc:1: a generator that is neither seeded nor unpredictable: rand\n");
}

TEST(TidyRules, UnfinishedWorkShows) {
  const std::string word = std::string("TO") + "DO";
  EXPECT_EQ(RulesBroken("deploy/x", "a\n# " + word + ": b\n"), "deploy/x:2: unfinished work: " + word + "\n");
  EXPECT_EQ(RulesBroken("deploy/x",
                        "METHO"
                        "DO\n"),
            "");
}

TEST(TidyRules, FilesStaySmall) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "\n";
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", text), "");
  EXPECT_EQ(RulesBroken("core/kcp/a.cc", text + "\n"), "core/kcp/a.cc:501: more than 500 lines\n");
}

TEST(TidyRules, HeadersHaveTheirGuard) {
  EXPECT_EQ(RulesBroken("core/kcp/a.h", "// x\n#pragma once\n"), "");
  EXPECT_EQ(RulesBroken("core/kcp/a.h", "// x\n"), "core/kcp/a.h:1: a header without #pragma once\n");
}

}  // namespace
}  // namespace culvert::tidy
