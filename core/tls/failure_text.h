// From BoringSSL's errors to a failure with a reason, in words for people.
#pragma once

#include <cstdint>
#include <string>

#include "core/tls/tls_connection.h"

namespace culvert::tls {

struct Failure {
  TlsFailure kind = TlsFailure::kNone;
  std::string message;
};

// "bad_certificate (42)", by RFC 8446 section 6 and IANA's registry; "unknown (200)".
std::string AlertName(uint8_t alert);

// Empties this thread's error queue and says in words what was in it; "no reason given".
std::string TakeErrorText();

// What the error queue holds after a call of BoringSSL failed with SSL_ERROR_SSL, and empties it. `alpn`: our own
// protocols, for the text. `is_connected`: the handshake had been done, so the peer does speak TLS.
Failure TakeFailure(const std::string& alpn, bool is_connected);

}  // namespace culvert::tls
