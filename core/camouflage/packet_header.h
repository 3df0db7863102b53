// Disguise headers: fixed-size bytes put before every datagram. They carry no information: a receiver strips as many bytes
// as its own type has and looks at none of them.
// Source: spec/headers.md.
// Thread: a HeaderWriter belongs to one worker's endpoint. (In v2ray a listener's counters are shared by all its peers;
// ours are shared by all peers of one worker's socket, which nobody can tell apart on the wire.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/random.h"

namespace culvert {

enum class HeaderType : uint8_t { kNone, kSrtp, kUtp, kWechatVideo, kDtls, kWireguard };

// 0, 4 or 13.
size_t HeaderSize(HeaderType type);
// v2ray's spelling: "none", "srtp", "utp", "wechat-video", "dtls", "wireguard".
std::string_view HeaderName(HeaderType type);
std::optional<HeaderType> HeaderFromName(std::string_view name);

class HeaderWriter {
 public:
  // Draws the initial values as v2ray does (16 random bits).
  HeaderWriter(HeaderType type, RandomSource& random);
  size_t size() const { return size_; }
  // Writes size() bytes to `out` and advances the counters. REQUIRES: out.size() >= size().
  void WriteNext(ByteSpan out);

  // For golden vectors: continues from given counter values instead of random ones.
  struct State {
    uint16_t constant = 0;       // utp connection id, dtls epoch
    uint32_t number = 0;         // srtp, wechat-video: last number written; dtls: next sequence number
    uint16_t dtls_length = 17;   // dtls: next length
  };
  HeaderWriter(HeaderType type, State state);

 private:
  HeaderType type_;
  size_t size_;
  State state_;
};

}  // namespace culvert
