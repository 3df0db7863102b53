// BoringSSL's side of a SessionCache, for .cc files of this folder.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "core/tls/boringssl_types.h"
#include "core/tls/session_cache.h"

namespace culvert::tls {

struct SessionCache::Impl {
  struct Ticket {
    std::string key;  // the context's fingerprint and the server's name
    bssl::UniquePtr<SSL_SESSION> session;
  };

  void Put(std::string key, bssl::UniquePtr<SSL_SESSION> session);
  // The youngest of this key, which is then forgotten: a ticket used twice would let an observer join two connections
  // (RFC 8446 appendix C.4). nullptr: none.
  bssl::UniquePtr<SSL_SESSION> Take(std::string_view key);

  size_t capacity = 0;
  std::deque<Ticket> tickets;  // oldest first; few enough to be searched from end to end
};

}  // namespace culvert::tls
