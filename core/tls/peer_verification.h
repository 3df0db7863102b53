// Whether a peer is who it should be: the rules of one context, applied to the certificates the peer showed.
// Pure: no clock, no state. BoringSSL builds the chain; names, pins and the words for people are ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/tls/boringssl_types.h"
#include "core/tls/tls_context.h"

namespace culvert::tls {

struct PeerRules {
  bool peer_is_server = true;              // what its certificate must be meant for
  bool skip_verification = false;          // neither chain nor name
  bssl::UniquePtr<X509_STORE> trust;       // null: no chain is asked for, because a pin is the trust
  std::vector<std::string> allowed_names;  // not empty: instead of the server's name
  std::vector<SpkiPin> pins;
};

struct PeerVerdict {
  bool accepted = false;
  uint8_t alert = 0;    // what to tell the peer (RFC 8446 section 6.2)
  std::string message;  // what to tell our people: "the peer's certificate expired 3 days ago (...)"
};

// `chain`: what the peer showed, leaf first; may be null or empty, which is a rejection. `server_name`: whom a client
// meant to reach, DNS name or IP address; a server gives an empty one. `now`: Unix seconds.
PeerVerdict VerifyPeer(const PeerRules& rules, const STACK_OF(CRYPTO_BUFFER) * chain, std::string_view server_name,
                       int64_t now);

// Whether `name` is an IP address, with or without the brackets of a URL.
bool IsIpAddress(std::string_view name);
// `name` without what certificates never hold: brackets around an IP address, the dot at the end of a DNS name.
std::string_view BareName(std::string_view name);

}  // namespace culvert::tls
