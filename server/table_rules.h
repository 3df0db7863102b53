// Rules between objects: judged for single entries against the table they stand in. The table is indexed once, so that judging
// all entries of a large Apply stays linear, and only when something is judged that takes an index.
// Thread: the control thread. The table must outlive the rules.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "server/object_table.h"
#include "server/violation.h"

namespace culvert::server {

class TableRules {
 public:
  enum class Protocol : uint8_t { kTcp, kUdp };

  explicit TableRules(const ObjectTable& table) : table_(table) {}

  // Names referred to exist; a listener carries at most one forward, and a reverse name is taken in by one; no two listeners of one
  // protocol claim one address; and what a forward joins fits together: who says where streams go, and what carries datagrams.
  void Check(const Entry& entry, const std::string& prefix, Violations& violations) const;

 private:
  struct Claim {
    std::string name;  // of the listener
    SocketAddress address;
  };
  void CheckListener(const Entry& entry, const std::string& prefix, Violations& violations) const;
  void CheckForward(const Entry& entry, const std::string& prefix, Violations& violations) const;
  // Whether all that a forward names is there.
  bool CheckNames(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations) const;
  void CheckAlone(const v1::Forward& forward, const std::string& prefix, Violations& violations) const;

  struct Index {
    std::map<std::pair<Protocol, uint16_t>, std::vector<Claim>> claims;  // by protocol and port
    std::map<std::string, std::vector<std::string>> forwards;            // by listener
    std::map<std::string, std::vector<std::string>> public_forwards;     // by the name that reverse says
  };
  const Index& index() const;

  const ObjectTable& table_;
  mutable std::optional<Index> index_;
};

// Whether sockets bound to `a` and `b` would take the same traffic: equal ports, and equal addresses or a wildcard that covers
// the other. [::] covers IPv4 as well. Port 0 collides with nothing.
bool AddressesCollide(const SocketAddress& a, const SocketAddress& b);

}  // namespace culvert::server
