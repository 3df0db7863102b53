#include "cli/convert/v2ray_routes.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace culvert::cli {
namespace {

// Version 4 has lists; the names of version 2 and 3 are understood by it still.
void Collect(const JsonView& root, const char* list, const char* first, const char* more, std::vector<V2rayBound>& out) {
  const auto add = [&](const JsonView& one, const std::string& path) {
    V2rayBound bound{one, path, one["tag"].text(), one["protocol"].text()};
    absl::AsciiStrToLower(&bound.protocol);
    out.push_back(std::move(bound));
  };
  if (const JsonView one = root[first]) add(one, first);
  for (const char* name : {list, more}) {
    int index = 0;
    for (const JsonView& one : root[name].elements()) add(one, absl::StrFormat("%s[%d]", name, index++));
  }
}

bool HasConditions(const JsonView& rule) {
  static constexpr const char* kConditions[] = {"domain",  "domains", "ip",   "port",  "sourcePort",
                                                "network", "source",  "user", "attrs", "protocol"};
  return std::any_of(std::begin(kConditions), std::end(kConditions), [&](const char* name) { return static_cast<bool>(rule[name]); });
}

std::optional<uint16_t> PortOf(const JsonView& value) {
  const auto number = value.number();
  if (!number || *number < 1 || *number > 65535) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

}  // namespace

V2rayRoutes::V2rayRoutes(JsonView root, Notes& notes) : root_(root), notes_(notes) {
  Collect(root, "inbounds", "inbound", "inboundDetour", inbounds_);
  Collect(root, "outbounds", "outbound", "outboundDetour", outbounds_);
}

const V2rayBound* V2rayRoutes::OutboundOf(const V2rayBound& inbound) {
  JsonView rules = root_["routing"]["rules"];
  if (!rules) rules = root_["routing"]["settings"]["rules"];
  int index = 0;
  for (const JsonView& rule : rules.elements()) {
    const std::string path = absl::StrFormat("routing.rules[%d]", index++);
    const std::vector<std::string> tags = rule["inboundTag"].texts();
    const bool is_of_all = tags.empty();
    if (!is_of_all && std::find(tags.begin(), tags.end(), inbound.tag) == tags.end()) continue;
    if (HasConditions(rule) || is_of_all) {
      notes_.Add(rule, path, absl::StrFormat("depends on what comes; not carried over for %s", inbound.path));
      continue;
    }
    if (rule["balancerTag"]) {
      notes_.Add(rule, path, "a balancer: not carried over; a dialer spreads streams over its targets");
      return nullptr;
    }
    const std::string wanted = rule["outboundTag"].text();
    for (const V2rayBound& outbound : outbounds_) {
      if (outbound.tag == wanted) return &outbound;
    }
    notes_.Add(rule, path, absl::StrFormat("there is no outbound \"%s\"", wanted.substr(0, 60)));
    return nullptr;
  }
  return outbounds_.empty() ? nullptr : &outbounds_.front();
}

std::optional<SocketAddress> BindOf(const V2rayBound& inbound, Notes& notes) {
  const JsonView listen = inbound.json["listen"];
  const std::string text = listen ? listen.text() : "0.0.0.0";
  const std::string_view bare =
      absl::StartsWith(text, "[") && absl::EndsWith(text, "]") ? std::string_view(text).substr(1, text.size() - 2) : text;
  const auto ip = IpAddress::Parse(bare);
  if (!ip.ok()) {
    notes.Add(listen, inbound.path + ".listen", absl::StrFormat("\"%s\" is no IP address; not converted", text.substr(0, 60)));
    return std::nullopt;
  }
  const JsonView port = inbound.json["port"];
  if (const auto number = PortOf(port)) return SocketAddress{*ip, *number};
  int64_t first = 0;
  const std::string range = port.text();
  if (absl::SimpleAtoi(range.substr(0, range.find_first_of("-,")), &first) && first >= 1 && first <= 65535 &&
      range.find_first_of("-,") != std::string::npos) {
    notes.Add(port, inbound.path + ".port",
              absl::StrFormat("%s: a listener has one port; only %d is carried over", range.substr(0, 40), first));
    return SocketAddress{*ip, static_cast<uint16_t>(first)};
  }
  notes.Add(port ? port : inbound.json, inbound.path + ".port", absl::StrFormat("\"%s\" is no port; not converted", range.substr(0, 40)));
  return std::nullopt;
}

std::optional<HostPort> FixedDestination(const V2rayBound& inbound) {
  if (inbound.protocol != "dokodemo-door" || inbound.settings()["followRedirect"].is_true()) return std::nullopt;
  const std::string host = inbound.settings()["address"].text();
  const auto port = PortOf(inbound.settings()["port"]);
  if (host.empty() || !port) return std::nullopt;
  return HostPort{host, *port};
}

std::vector<HostPort> ServersOf(const V2rayBound& outbound) {
  std::vector<HostPort> servers;
  for (const char* name : {"vnext", "servers"}) {
    for (const JsonView& one : outbound.settings()[name].elements()) {
      const auto port = PortOf(one["port"]);
      if (port && !one["address"].text().empty()) servers.push_back({one["address"].text(), *port});
    }
  }
  return servers;
}

HostPort Redirected(const V2rayBound& outbound, const HostPort& destination) {
  HostPort result = destination;
  const std::string redirect = outbound.settings()["redirect"].text();
  const size_t colon = redirect.rfind(':');
  if (colon == std::string::npos) return result;
  std::string host = redirect.substr(0, colon);
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) host = host.substr(1, host.size() - 2);
  int port = 0;
  if (!host.empty()) result.host = host;
  if (absl::SimpleAtoi(redirect.substr(colon + 1), &port) && port > 0 && port <= 65535) result.port = static_cast<uint16_t>(port);
  return result;
}

}  // namespace culvert::cli
