#include <string>

#include "gtest/gtest.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/rules.h"

namespace culvert::manifest {
namespace {

std::string Check(const std::string& kind, const std::string& name, const std::string& spec) {
  const auto parsed = Parse(
      "apiVersion: culvert/v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: " + spec + "\n", "f", "");
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (!parsed.ok()) return "";
  const v1::Object& object = (*parsed)[0].object;
  const google::protobuf::Message* message = &object.forward();
  if (object.has_listener()) message = &object.listener();
  if (object.has_dialer()) message = &object.dialer();
  std::string out;
  for (const Violation& violation : CheckRules(*message)) out += violation.path + ": " + violation.message + "\n";
  return out;
}

TEST(CheckRules, AcceptsWhatIsRight) {
  EXPECT_EQ(Check("Listener", "a",
                  "{transport: KCP, bind: \"[::]:0\", kcp: {mtu_bytes: 576, tick_interval: 100ms, seed: x}}"),
            "");
  EXPECT_EQ(Check("Dialer", "a", "{transport: TCP, targets: [\"db:5432\"], dial_timeout: 100ms}"), "");
  EXPECT_EQ(Check("Forward", "a", "{listener: l, destination: \"db:5432\"}"), "");
}

TEST(CheckRules, FindsEveryViolation) {
  EXPECT_EQ(
      Check("Listener", "Bad_Name", "{bind: here, kcp: {mtu_bytes: 100, tick_interval: 1s}, max_sessions: 1000001}"),
      "metadata.name: \"Bad_Name\" does not match [a-z]([a-z0-9-]{0,61}[a-z0-9])?\n"
      "spec.transport: required\n"
      "spec.bind: \"here\" is not ADDRESS:PORT, e.g. 127.0.0.1:5432 or [::]:4000\n"
      "spec.kcp.mtu_bytes: 100 is not in [576, 1460]\n"
      "spec.kcp.tick_interval: 1s is not in [10ms, 100ms]\n"
      "spec.max_sessions: 1000001 is not in [0, 1000000]\n");
  EXPECT_EQ(Check("Dialer", "a", "{transport: TCP, targets: [\"ok:1\", nope], socket: {bind_address: x, dscp: 64}}"),
            "spec.targets[1]: \"nope\" is not HOST:PORT, e.g. site-b.example:4000\n"
            "spec.socket.bind_address: \"x\" is not an IP address\n"
            "spec.socket.dscp: 64 is not in [0, 63]\n");
  EXPECT_EQ(Check("Dialer", "a", "{transport: TCP}"), "spec.targets: required\n");
  EXPECT_EQ(Check("Forward", "a", "{tcp_idle_timeout: 1ms}"),
            "spec.tcp_idle_timeout: 1ms is not in [1s, 168h]\n");
}

}  // namespace
}  // namespace culvert::manifest
