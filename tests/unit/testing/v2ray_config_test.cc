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

TEST(V2rayConfig, WritesTlsWhereItIsWanted) {
  V2rayOptions options;
  const SocketAddress address = *SocketAddress::Parse("127.0.0.1:1000");
  options.clients.push_back({address, address, {}, V2rayTls{.trust_file = "/ca", .server_name = "a.example"}});
  options.servers.push_back({address, address, {}, V2rayTls{.certificate_file = "/c", .key_file = "/k", .alpn = {"x"}}});
  const auto config = nlohmann::json::parse(V2rayConfig(options));
  const auto& client = config["outbounds"][1]["streamSettings"];
  EXPECT_EQ(client["security"], "tls");
  EXPECT_EQ(client["tlsSettings"]["certificates"][0], nlohmann::json({{"certificateFile", "/ca"}, {"usage", "verify"}}));
  EXPECT_EQ(client["tlsSettings"]["serverName"], "a.example");
  EXPECT_EQ(client["tlsSettings"]["allowInsecure"], false);
  const auto& server = config["inbounds"][1]["streamSettings"]["tlsSettings"];
  EXPECT_EQ(server["certificates"][0], nlohmann::json({{"certificateFile", "/c"}, {"keyFile", "/k"}}));
  EXPECT_EQ(server["alpn"], nlohmann::json::array({"x"}));
}

TEST(V2rayConfig, SpeaksQuicWhereItIsWanted) {
  V2rayOptions options;
  const SocketAddress address = *SocketAddress::Parse("127.0.0.1:1000");
  options.clients.push_back({.listen = address, .peer = address, .quic = V2rayQuic{"aes-128-gcm", "k", "utp"}});
  options.servers.push_back({.listen = address,
                             .destination = address,
                             .tls = V2rayTls{.certificate_file = "/c", .key_file = "/k"},
                             .quic = V2rayQuic{}});
  const auto config = nlohmann::json::parse(V2rayConfig(options));
  const auto& client = config["outbounds"][1]["streamSettings"];
  EXPECT_EQ(client["network"], "quic");
  EXPECT_EQ(client["quicSettings"], nlohmann::json({{"security", "aes-128-gcm"}, {"key", "k"}, {"header", {{"type", "utp"}}}}));
  EXPECT_FALSE(client.contains("kcpSettings"));
  EXPECT_FALSE(client.contains("tlsSettings")) << "v2ray's own defaults";
  const auto& server = config["inbounds"][1]["streamSettings"];
  EXPECT_EQ(server["quicSettings"], nlohmann::json({{"security", "none"}, {"key", ""}}));
  EXPECT_EQ(server["tlsSettings"]["certificates"][0], nlohmann::json({{"certificateFile", "/c"}, {"keyFile", "/k"}}));
}

}  // namespace
}  // namespace culvert::testing
