// culvertd and a controller in another language: tests/e2e/controller is Python, with stubs that were generated of our protos.
#include <gmock/gmock.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "tests/testing/certificate_maker.h"
#include "tests/testing/daemon.h"

namespace culvert::testing {
namespace {

using ::testing::HasSubstr;

// Debian's own, which has the modules. Another one may stand before it in PATH.
constexpr const char* kPython = "/usr/bin/python3";
constexpr Duration kLoadLimit = std::chrono::seconds(60);
constexpr Duration kScriptLimit = std::chrono::seconds(270);

// Each class of the scripts has a daemon of its own.
constexpr const char* kOverUnix[] = {"Applied", "Callers", "Leases", "Lists", "Objects", "Retries", "Stats", "Watches"};
constexpr const char* kOverTcp[] = {"Policies", "Renewals", "Roles"};

std::string Script(const std::string& name) { return std::string(CONTROLLER_FOLDER) + "/" + name; }

RunResult RunPython(std::vector<std::string> arguments, const std::string& stubs_of_an_example = "") {
  ProcessOptions process;
  // -B: what is compiled does not belong into the source tree.
  process.arguments = {kPython, "-B"};
  process.arguments.insert(process.arguments.end(), arguments.begin(), arguments.end());
  process.environment = {{"PYTHONPATH", stubs_of_an_example}, {"PYTHONHOME", ""}, {"PYTHONSTARTUP", ""}};
  return RunProgram(process, kScriptLimit);
}

bool IsSet(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && found == value;
}

class Controller : public ::testing::Test {
 protected:
  void SetUp() override {
    static const RunResult tried = RunProgram({kPython, "-E", "-c", "import grpc, google.protobuf"}, kLoadLimit);
    if (tried.exit_code == 0) return;
    const std::string why = "python3-grpcio or python3-protobuf is missing (run deploy/setup): " + tried.err;
    ASSERT_FALSE(IsSet("CI", "true") || IsSet("CULVERT_REQUIRE_INTEROP", "1")) << why;
    GTEST_SKIP() << "SKIPPED: NO CONTROLLER IN ANOTHER LANGUAGE HERE, so nothing was proved. " << why;
  }
};

class OverUnix : public Controller, public ::testing::WithParamInterface<const char*> {};

TEST_P(OverUnix, Drives) {
  auto daemon = Daemon::Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const RunResult result = RunPython({Script("unix_test.py"), "--stubs", STUBS, "--address", (*daemon)->address(), GetParam()});
  EXPECT_EQ(result.exit_code, 0) << result.err << "\n" << (*daemon)->Log();
}

INSTANTIATE_TEST_SUITE_P(Controller, OverUnix, ::testing::ValuesIn(kOverUnix), [](const auto& one) { return std::string(one.param); });

// The files that tls_test.py describes.
class ControlFiles {
 public:
  ControlFiles() {
    const Certificate ca = MakeCa("test CA"), other_ca = MakeCa("other CA");
    folder_.Write("ca.crt", ca.certificate_pem);
    folder_.Write("trust.crt", ca.certificate_pem);
    folder_.Write("other-ca.crt", other_ca.certificate_pem);
    Write("server", MakeLeaf(ca, {"127.0.0.1"}));
    Write("renewed", MakeLeaf(ca, {"127.0.0.1"}));
    Write("operator", MakeLeaf(ca, {"URI:spiffe://fleet.example/ns/ops/sa/controller"}));
    Write("viewer", MakeLeaf(ca, {"URI:spiffe://fleet.example/ns/ops/sa/dashboard"}));
    Write("denied", MakeLeaf(ca, {"URI:spiffe://fleet.example/ns/lab/sa/controller"}));
    Write("stranger", MakeLeaf(ca, {"URI:spiffe://elsewhere.example/ns/ops/sa/controller"}));
    const std::string controller = "spiffe://fleet.example/ns/ops/sa/controller";
    Write("impostor", MakeCertificate({.common_name = controller, .names = {controller, "email:" + controller}}, &ca));
    Write("alien", MakeLeaf(other_ca, {"URI:spiffe://other.example/ns/ops/sa/controller"}));
    folder_.Write("policy.yaml", ReadFile(std::string(EXAMPLES_FOLDER) + "/access/policy.yaml"));
  }
  const std::string& path() const { return folder_.path(); }
  std::vector<std::string> Flags() const {
    return {"--control-tcp", "127.0.0.1:0", "--control-cert", folder_.File("server.crt"), "--control-key", folder_.File("server.key"),
            "--control-trust", folder_.File("trust.crt"), "--access-policy", folder_.File("policy.yaml")};
  }

 private:
  void Write(const std::string& name, const Certificate& certificate) {
    folder_.Write(name + ".crt", certificate.chain_pem);
    folder_.Write(name + ".key", certificate.private_key_pem, 0600);
  }
  TempDir folder_;
};

// Where the daemon says that it serves TCP; empty: it does not say.
std::string TcpAddressOf(Daemon& daemon) {
  if (!daemon.process().WaitForOutput("daemon: serving", kLoadLimit)) return "";
  const std::string log = daemon.Log(), head = "control_tcp=";
  const size_t at = log.find(head);
  return at == std::string::npos ? "" : log.substr(at + head.size(), log.find(' ', at) - at - head.size());
}

class OverTcp : public Controller, public ::testing::WithParamInterface<const char*> {};

TEST_P(OverTcp, Drives) {
  const ControlFiles files;
  auto daemon = Daemon::Start({.flags = files.Flags()});
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const std::string address = TcpAddressOf(**daemon);
  ASSERT_THAT(address, HasSubstr("127.0.0.1:")) << (*daemon)->Log();
  const RunResult result = RunPython({Script("tls_test.py"), "--stubs", STUBS, "--address", address, "--files", files.path(), GetParam()});
  EXPECT_EQ(result.exit_code, 0) << result.err << "\n" << (*daemon)->Log();
  if (GetParam() == std::string("Roles")) {
    EXPECT_THAT((*daemon)->Log(), HasSubstr("spiffe://fleet.example/ns/ops/sa/controller")) << "the audit trail says who it was";
  }
}

INSTANTIATE_TEST_SUITE_P(Controller, OverTcp, ::testing::ValuesIn(kOverTcp), [](const auto& one) { return std::string(one.param); });

// A class that is not listed above would be a test that nobody runs.
TEST(ControllerScripts, AreRunWhole) {
  std::set<std::string> listed(std::begin(kOverUnix), std::end(kOverUnix));
  listed.insert(std::begin(kOverTcp), std::end(kOverTcp));
  std::set<std::string> found;
  for (const char* script : {"unix_test.py", "tls_test.py"}) {
    std::istringstream lines(ReadFile(Script(script)));
    for (std::string line; std::getline(lines, line);) {
      const size_t base = line.find("(Over");
      if (line.starts_with("class ") && base != std::string::npos) found.insert(line.substr(6, base - 6));
    }
  }
  EXPECT_EQ(found, listed);
}

TEST_F(Controller, TheExampleKeepsItsTunnel) {
  auto daemon = Daemon::Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const RunResult result = RunPython({std::string(EXAMPLES_FOLDER) + "/controller/controller.py", (*daemon)->address(), "1"}, STUBS);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* line : {"ADDED    listener/orders-pg", "ADDED    dialer/site-b", "ADDED    forward/orders-pg"}) {
    EXPECT_THAT(result.out, HasSubstr(line));
  }
  EXPECT_THAT((*daemon)->GetJson("forwards"), HasSubstr("\"manager\": \"orders\""));
}

// What README.md shows is what runs here.
TEST(ControllerExample, IsWhatTheReadmeShows) {
  const std::string script = ReadFile(std::string(EXAMPLES_FOLDER) + "/controller/controller.py");
  const std::string begin = "# [readme\n", end = "# readme]\n";
  const size_t from = script.find(begin);
  ASSERT_NE(from, std::string::npos);
  const std::string shown = script.substr(from + begin.size(), script.find(end) - from - begin.size());
  EXPECT_GT(shown.size(), 500u);
  EXPECT_THAT(ReadFile(README), HasSubstr("```python\n" + shown + "```\n"));
}

}  // namespace
}  // namespace culvert::testing
