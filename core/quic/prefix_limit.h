// PrefixLimit: how many handshakes of one network (/24 or /56) are under way that have not proved their address, so that one network
// cannot take all places.
// Thread: confined to its owner. Source: reliability.md T20.
#pragma once

#include <array>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "core/base/address.h"
#include "core/crypto/keyed_hash.h"

namespace culvert::quic {

class PrefixLimit {
 public:
  PrefixLimit(const KeyedHash& hash, uint32_t most) : most_(most), counts_(16, Hash{&hash}) {}

  [[nodiscard]] bool IsFull(const IpAddress& ip) const {
    const auto found = counts_.find(ip.AccountingPrefix());
    return found != counts_.end() && found->second >= most_;
  }
  void Take(const IpAddress& ip) { ++counts_[ip.AccountingPrefix()]; }
  // `ip`: as it was taken.
  void Give(const IpAddress& ip) {
    const auto found = counts_.find(ip.AccountingPrefix());
    if (found != counts_.end() && --found->second == 0) counts_.erase(found);
  }

 private:
  struct Hash {
    const KeyedHash* hash;
    size_t operator()(const IpAddress& ip) const { return (*hash)(ip.bytes()); }
  };

  uint32_t most_;
  absl::flat_hash_map<IpAddress, uint32_t, Hash> counts_;
};

}  // namespace culvert::quic
