// The one place where an absl::Status becomes what gRPC sends: its code, its message and, as google.rpc.Status, its details.
// Thread: any.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace culvert::server {

// An error that no ErrorBuilder made is a bug: it is logged, and the caller learns INTERNAL.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace culvert::server
