// The BIO between BoringSSL and a Transport. To BoringSSL it is a transport that is never full: what the Transport does
// not take is kept here, so no write of BoringSSL is ever left half done. Who writes asks first whether anything is
// kept.
// Thread: owned by one connection.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/tls/boringssl_types.h"
#include "core/tls/tls_connection.h"

namespace culvert::tls {

class TransportBio {
 public:
  // `transport` must outlive the object, and the object the SSL it was attached to.
  explicit TransportBio(Transport& transport) : transport_(transport) {}
  TransportBio(const TransportBio&) = delete;
  TransportBio& operator=(const TransportBio&) = delete;

  // Makes `ssl` read and write through this.
  void AttachTo(SSL* ssl);

  // Offers the transport what is kept. True: nothing is left.
  bool Flush();
  bool HasPending() const { return sent_ < kept_.size(); }
  size_t pending_bytes() const { return kept_.size() - sent_; }

 private:
  struct Method;

  void Write(ByteView bytes);

  Transport& transport_;
  std::vector<uint8_t> kept_;  // without capacity while nothing is kept: most connections are idle
  size_t sent_ = 0;            // of kept_
};

}  // namespace culvert::tls
