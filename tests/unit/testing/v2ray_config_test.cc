#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/testing/v2ray.h"

namespace culvert::testing {
namespace {

TEST(V2rayConfig, NamesEverySideAndLeavesOutWhatIsAbsent) {
  V2rayOptions options;
  options.clients.push_back({*SocketAddress::Parse("127.0.0.1:1000"), *SocketAddress::Parse("127.0.0.1:2000"), {}});
  options.servers.push_back({*SocketAddress::Parse("[::1]:3000"),
                             *SocketAddress::Parse("127.0.0.1:4000"),
                             {.header = "srtp", .seed = "s", .tti = 20}});
  const auto config = nlohmann::json::parse(V2rayConfig(options));
  EXPECT_EQ(config["inbounds"].size(), 2u);
  EXPECT_EQ(config["inbounds"][0]["settings"]["port"], 2000);
  EXPECT_EQ(config["outbounds"][1]["streamSettings"]["kcpSettings"], nlohmann::json::object());
  EXPECT_EQ(config["inbounds"][1]["listen"], "::1");
  EXPECT_EQ(config["inbounds"][1]["streamSettings"]["kcpSettings"],
            nlohmann::json({{"header", {{"type", "srtp"}}}, {"seed", "s"}, {"tti", 20}}));
  EXPECT_EQ(config["routing"]["rules"].size(), 2u);
}

}  // namespace
}  // namespace culvert::testing
