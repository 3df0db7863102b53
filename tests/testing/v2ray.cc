#include "tests/testing/v2ray.h"

#include <stdlib.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace culvert::testing {
namespace {

using Json = nlohmann::json;

constexpr Duration kStartLimit = std::chrono::seconds(20);

Json TlsSettings(const V2rayTls& tls) {
  Json settings = {{"allowInsecure", false}, {"certificates", Json::array()}};
  if (!tls.certificate_file.empty()) {
    settings["certificates"].push_back({{"certificateFile", tls.certificate_file}, {"keyFile", tls.key_file}});
  }
  if (!tls.trust_file.empty()) {
    settings["certificates"].push_back({{"certificateFile", tls.trust_file}, {"usage", "verify"}});
    settings["disableSystemRoot"] = true;
  }
  if (!tls.server_name.empty()) settings["serverName"] = tls.server_name;
  if (!tls.alpn.empty()) settings["alpn"] = tls.alpn;
  return settings;
}

Json KcpSettings(const V2rayKcp& kcp) {
  Json settings = Json::object();
  const auto set = [&](const char* key, const auto& value) {
    if (value) settings[key] = *value;
  };
  if (kcp.header) settings["header"]["type"] = *kcp.header;
  set("seed", kcp.seed);
  set("mtu", kcp.mtu);
  set("tti", kcp.tti);
  set("uplinkCapacity", kcp.uplink_capacity);
  set("downlinkCapacity", kcp.downlink_capacity);
  set("writeBufferSize", kcp.write_buffer_size);
  set("readBufferSize", kcp.read_buffer_size);
  set("congestion", kcp.congestion);
  return settings;
}

Json QuicSettings(const V2rayQuic& quic) {
  Json settings = {{"security", quic.security}, {"key", quic.key}};
  if (quic.header) settings["header"]["type"] = *quic.header;
  return settings;
}

// Of a client or a server.
template <typename Side>
Json StreamSettings(const Side& side) {
  Json all;
  if (side.quic) {
    all = {{"network", "quic"}, {"quicSettings", QuicSettings(*side.quic)}};
  } else {
    all = {{"network", "kcp"}, {"kcpSettings", KcpSettings(side.kcp)}};
  }
  if (side.tls) {
    all["security"] = "tls";
    all["tlsSettings"] = TlsSettings(*side.tls);
  }
  return all;
}

Json DokodemoDoor(const std::string& tag, const SocketAddress& listen, const SocketAddress& destination) {
  return {{"tag", tag},
          {"listen", listen.ip.ToString()},
          {"port", listen.port},
          {"protocol", "dokodemo-door"},
          {"settings",
           {{"address", destination.ip.ToString()}, {"port", destination.port}, {"network", "tcp"}, {"timeout", 600}}}};
}

Json Rule(const std::string& inbound, const std::string& outbound) {
  return {{"type", "field"}, {"inboundTag", {inbound}}, {"outboundTag", outbound}};
}

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string V2rayConfig(const V2rayOptions& options) {
  Json config;
  config["log"]["loglevel"] = "warning";
  config["inbounds"] = Json::array();
  config["outbounds"] = {{{"tag", "direct"}, {"protocol", "freedom"}}};
  // v2ray ends a connection some seconds after one direction did; the defaults are kept, as they are what peers run.
  Json& rules = config["routing"]["rules"] = Json::array();
  for (size_t i = 0; i < options.clients.size(); ++i) {
    const V2rayClient& client = options.clients[i];
    const std::string in = absl::StrFormat("client-%u", i);
    const std::string out = absl::StrFormat("wire-%u", i);
    config["inbounds"].push_back(DokodemoDoor(in, client.listen, client.peer));
    config["outbounds"].push_back(
        {{"tag", out}, {"protocol", "freedom"}, {"streamSettings", StreamSettings(client)}});
    rules.push_back(Rule(in, out));
  }
  for (size_t i = 0; i < options.servers.size(); ++i) {
    const V2rayServer& server = options.servers[i];
    const std::string in = absl::StrFormat("server-%u", i);
    Json inbound = DokodemoDoor(in, server.listen, server.destination);
    inbound["streamSettings"] = StreamSettings(server);
    config["inbounds"].push_back(std::move(inbound));
    rules.push_back(Rule(in, "direct"));
  }
  for (size_t i = 0; i < options.proxies.size(); ++i) {
    const SocketAddress& listen = options.proxies[i].listen;
    const std::string in = absl::StrFormat("socks-%u", i);
    config["inbounds"].push_back({{"tag", in},
                                  {"listen", listen.ip.ToString()},
                                  {"port", listen.port},
                                  {"protocol", "socks"},
                                  {"settings", {{"auth", "noauth"}, {"udp", true}, {"ip", listen.ip.ToString()}}}});
    rules.push_back(Rule(in, "direct"));
  }
  return config.dump(1);
}

std::string V2ray::FindBinary() {
  if (const std::string named = Environment("V2RAY_BIN"); !named.empty()) {
    return access(named.c_str(), X_OK) == 0 ? named : "";
  }
  std::string cache = Environment("CULVERT_CACHE");
  if (cache.empty()) {
    const std::string xdg = Environment("XDG_CACHE_HOME");
    cache = (xdg.empty() ? Environment("HOME") + "/.cache" : xdg) + "/culvert";
  }
  const std::string path = cache + "/peers/v2ray/usr/bin/v2ray";
  return access(path.c_str(), X_OK) == 0 ? path : "";
}

absl::StatusOr<std::unique_ptr<V2ray>> V2ray::Start(const V2rayOptions& options, const std::string& netns) {
  const std::string binary = FindBinary();
  if (binary.empty()) return absl::NotFoundError("v2ray is missing: run deploy/setup or set V2RAY_BIN");
  std::unique_ptr<V2ray> v2ray(new V2ray);
  const std::string config = v2ray->directory_.Write("config.json", V2rayConfig(options), 0600);
  ProcessOptions process;
  process.arguments = {binary, "-config", config};
  process.netns = netns;
  absl::StatusOr<Process> started = Process::Start(process);
  if (!started.ok()) return started.status();
  v2ray->process_ = *std::move(started);
  if (!v2ray->process_->WaitForOutput(" started", kStartLimit)) {
    return absl::InternalError(absl::StrFormat("v2ray did not start: %s", v2ray->Log()));
  }
  return v2ray;
}

}  // namespace culvert::testing
