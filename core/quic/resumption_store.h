// What earlier sessions left for later ones; see quic/endpoint.h.
// Thread: owned by one worker.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/tls/session_cache.h"

namespace culvert::quic {

class ResumptionStore {
 public:
  tls::SessionCache& tickets() { return tickets_; }

  // The server's transport parameters under which 0-RTT data may be sent (RFC 9000 section 7.4.1). `key`: the tickets'.
  void PutParameters(const std::string& key, std::vector<uint8_t> encoded) {
    if (parameters_.size() >= kMaxServers && !parameters_.contains(key)) parameters_.clear();
    parameters_[key] = std::move(encoded);
  }
  // nullptr: none.
  const std::vector<uint8_t>* FindParameters(const std::string& key) const {
    const auto found = parameters_.find(key);
    return found == parameters_.end() ? nullptr : &found->second;
  }

  void PutToken(const SocketAddress& peer, std::vector<uint8_t> token) {
    if (tokens_.size() >= kMaxTokens) tokens_.pop_front();
    tokens_.emplace_back(peer, std::move(token));
  }
  // The youngest for `peer`, which is forgotten: it works once. Empty: none.
  std::vector<uint8_t> TakeToken(const SocketAddress& peer) {
    for (size_t i = tokens_.size(); i-- > 0;) {
      if (tokens_[i].first != peer) continue;
      std::vector<uint8_t> token = std::move(tokens_[i].second);
      tokens_.erase(tokens_.begin() + static_cast<std::ptrdiff_t>(i));
      return token;
    }
    return {};
  }

 private:
  static constexpr size_t kMaxServers = 64;
  static constexpr size_t kMaxTokens = 64;

  tls::SessionCache tickets_;
  std::map<std::string, std::vector<uint8_t>> parameters_;
  std::deque<std::pair<SocketAddress, std::vector<uint8_t>>> tokens_;  // oldest first
};

}  // namespace culvert::quic
