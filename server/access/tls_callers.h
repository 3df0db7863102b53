// TlsCallers: who calls over TCP: what the certificate says that the TLS handshake has verified.
// Thread: any.
#pragma once

#include "server/access/access_book.h"
#include "server/access/caller.h"

namespace culvert::server {

class TlsCallers final : public CallerSource {
 public:
  // Outlives it.
  explicit TlsCallers(const AccessBook& book) : book_(book) {}
  Caller CallerOf(const grpc::ServerContextBase& call) const override;

 private:
  const AccessBook& book_;
};

// Whom a connection belongs to. nullptr: nobody knows.
Caller CallerFrom(const grpc::AuthContext* auth, const AccessPolicy& policy);

// "spiffe://a/b" or "uri:...", "dns:...", "ip:...", "email:...", "cn:...", of the properties that gRPC makes of a certificate.
Principals PrincipalsOf(const grpc::AuthContext& auth);

}  // namespace culvert::server
