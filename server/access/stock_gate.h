// StockGate: who may call the services over TCP that gRPC itself brings (health, reflection) and that know nothing of roles: whoever has
// one. On the Unix socket nobody else gets so far (unix_door.h). A certificate that the trust file vouches for is none by itself.
// Thread: any.
#pragma once

#include <grpcpp/security/auth_metadata_processor.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "server/access/access_book.h"
#include "server/access/caller.h"

namespace culvert::server {

class StockGate final : public grpc::AuthMetadataProcessor {
 public:
  // Told of who was turned away; any thread. `method`: "grpc.health.v1.Health/Check".
  using OnRefused = std::function<void(const std::string& method, const Caller& caller, const absl::Status& why)>;

  // `book` outlives it.
  StockGate(const AccessBook& book, OnRefused on_refused) : book_(book), on_refused_(std::move(on_refused)) {}

  bool IsBlocking() const override { return false; }
  // Of every call; those of our API are let pass, as they have a gate of their own that says more (admission.h).
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata* consumed, OutputMetadata* answer) override;

 private:
  const AccessBook& book_;
  const OnRefused on_refused_;
};

}  // namespace culvert::server
