// EndpointKeys: the secrets that all QUIC listeners of a daemon share and that outlive it: with them a restarted daemon can tell
// old peers that their connections are gone (stateless reset), and knows its own address-validation tokens again.
//
//   reset key     one for the life of the state directory: a peer must be able to rely on it (RFC 9000 section 10.3)
//   token keys    the current one and the one before; turned over every 24 h
//
// It also remembers which tokens of NEW_TOKEN frames and which 0-RTT handshakes were used: each works once, on whichever worker.
// Thread: any; its own lock, taken during handshakes and resets only.
// Source: RFC 9000 sections 8.1.3, 8.1.4, 10.3; reliability.md T22, T26, T28.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/base/random.h"

namespace culvert::quic {

class EndpointKeys {
 public:
  static constexpr size_t kResetKeySize = 32;
  static constexpr size_t kTokenKeySize = 32;
  static constexpr size_t kFileSize = 8 + kResetKeySize + 2 * kTokenKeySize + 8;

  virtual ~EndpointKeys() = default;
  // All fresh. `unix_seconds`: when the current token key began.
  static std::shared_ptr<EndpointKeys> Generate(RandomSource& random, int64_t unix_seconds);
  // What Save wrote. INVALID_ARGUMENT for anything else; the text holds no byte of it.
  static absl::StatusOr<std::shared_ptr<EndpointKeys>> Load(ByteView saved);
  // The bytes to keep, kFileSize of them: secret, so erase them after use.
  virtual void Save(ByteSpan out) const = 0;

  // Turns the token keys over when the current one is 24 h old (or from the future). True: it did, save again.
  virtual bool Rotate(RandomSource& random, int64_t unix_seconds) = 0;

  // Copies of the keys, for engines. Erase after use.
  virtual void CopyResetKey(ByteSpan out) const = 0;
  virtual void CopyTokenKeys(ByteSpan current, ByteSpan previous) const = 0;
  // Changes when the token keys do.
  virtual uint64_t token_key_generation() const = 0;

  // True when `what` (a token, or the random of a ClientHello with early data) was not seen since, at least, `lifetime` ago; it is
  // remembered. Bounded; when full, everything is refused: the peer then does a Retry, or a handshake without early data.
  [[nodiscard]] virtual bool UseOnce(int64_t unix_seconds, ByteView what) = 0;
};

}  // namespace culvert::quic
