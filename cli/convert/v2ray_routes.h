// Inbounds and outbounds of a v2ray configuration, and which outbound takes what an inbound brings.
// Thread: confined to its owner. Loans from the document.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/convert/notes.h"
#include "core/base/address.h"

namespace culvert::cli {

struct V2rayBound {
  JsonView json;
  std::string path;  // "inbounds[0]"
  std::string tag;   // empty: none
  std::string protocol;
  JsonView settings() const { return json["settings"]; }
  JsonView stream() const { return json["streamSettings"]; }
};

class V2rayRoutes {
 public:
  V2rayRoutes(JsonView root, Notes& notes);

  const std::vector<V2rayBound>& inbounds() const { return inbounds_; }
  const std::vector<V2rayBound>& outbounds() const { return outbounds_; }
  // nullptr: none, or more than one depending on what comes, as a note says.
  const V2rayBound* OutboundOf(const V2rayBound& inbound);

 private:
  JsonView root_;
  Notes& notes_;
  std::vector<V2rayBound> inbounds_;
  std::vector<V2rayBound> outbounds_;
};

// ADDRESS:PORT that an inbound listens on. nullopt, with a note: culvert cannot listen there.
std::optional<SocketAddress> BindOf(const V2rayBound& inbound, Notes& notes);
// Where a dokodemo-door sends everything; nullopt: it has no fixed destination.
std::optional<HostPort> FixedDestination(const V2rayBound& inbound);
// The servers that an outbound names: of vnext or servers.
std::vector<HostPort> ServersOf(const V2rayBound& outbound);
// The destination that a freedom outbound puts in place of `destination`.
HostPort Redirected(const V2rayBound& outbound, const HostPort& destination);

}  // namespace culvert::cli
