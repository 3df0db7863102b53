// HandshakeSlots: how many handshakes of a listener go on at a time, and that no one network keeps the others out.
//
// As long as half of the slots are free anybody may take one: a single far side that opens many streams at once is the usual
// case. From then on a network (IpAddress::AccountingPrefix) that has its share already gets no more.
// Thread: confined to one worker.
#pragma once

#include <cstddef>
#include <map>

#include "core/base/address.h"
#include "core/base/check.h"

namespace culvert::server {

class HandshakeSlots {
 public:
  static constexpr size_t kSlots = 2048;  // a handshake holds some 30 KiB
  static constexpr size_t kShare = kSlots / 8;

  // False, and no effect: there is none for this peer.
  [[nodiscard]] bool Take(const IpAddress& peer) {
    if (taken_ >= kSlots) return false;
    size_t& of_network = networks_[peer.AccountingPrefix()];
    if (taken_ >= kSlots / 2 && of_network >= kShare) return false;
    ++of_network;
    ++taken_;
    return true;
  }
  // REQUIRES: the peer took one.
  void Give(const IpAddress& peer) {
    const auto found = networks_.find(peer.AccountingPrefix());
    CULVERT_CHECK(found != networks_.end());
    if (--found->second == 0) networks_.erase(found);
    --taken_;
  }
  void GiveAll() {
    networks_.clear();
    taken_ = 0;
  }
  [[nodiscard]] size_t taken() const { return taken_; }

 private:
  // In order, not hashed: peers choose their addresses.
  struct Before {
    bool operator()(const IpAddress& a, const IpAddress& b) const {
      return a.family() != b.family() ? a.family() < b.family() : a.bytes() < b.bytes();
    }
  };
  std::map<IpAddress, size_t, Before> networks_;  // none with 0
  size_t taken_ = 0;
};

}  // namespace culvert::server
