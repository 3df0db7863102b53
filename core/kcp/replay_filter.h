// ReplayFilter: remembers the nonces of datagrams that could open a conversation, so that a recorded one opens nothing when it
// is sent again. Two generations, turned over by time or size; fingerprints under a secret key.
// Thread: one worker. Source: quirks K7, reliability T06.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/crypto/keyed_hash.h"

namespace culvert::kcp {

class ReplayFilter {
 public:
  static constexpr size_t kMaxEntries = 1 << 18;  // of one generation: at most 10 MiB for both
  static constexpr Duration kGenerationTime = std::chrono::seconds(120);

  explicit ReplayFilter(const KeyedHash& hash) : hash_(hash) {}

  // True when `nonce` was not seen in this generation or the one before; it is remembered.
  [[nodiscard]] bool Admit(TimePoint now, ByteView nonce) {
    if (now - started_at_ >= kGenerationTime || current_.size() >= kMaxEntries) {
      previous_ = std::exchange(current_, {});
      started_at_ = now;
    }
    const uint64_t fingerprint = hash_(nonce);
    if (previous_.contains(fingerprint)) return false;
    return current_.insert(fingerprint).second;
  }

 private:
  const KeyedHash& hash_;
  TimePoint started_at_{};
  absl::flat_hash_set<uint64_t> current_;
  absl::flat_hash_set<uint64_t> previous_;
};

}  // namespace culvert::kcp
