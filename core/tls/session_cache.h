// SessionCache: tickets a client got, to resume with (RFC 8446 section 4.6.1). Each is used once. Bounded; the oldest goes first.
// Thread: owned by one worker.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace culvert::tls {

class SessionCache {
 public:
  // `capacity`: tickets kept in all.
  explicit SessionCache(size_t capacity = 64);
  ~SessionCache();
  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;

  // Forgets all: what verified a peer has changed, or its key has. To be called when a dialer's TLS settings change.
  void Clear();
  [[nodiscard]] size_t size() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::tls
