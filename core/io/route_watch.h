// RouteWatch: hears from the kernel that addresses of this machine or its routes have changed. What changed it does not say: who
// wants to know asks (source_address.h).
// Thread: confined to one worker.
#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "core/io/file_descriptor.h"

namespace culvert::io {

class RouteWatch {
 public:
  // Errors: UNAVAILABLE when the system does not let us listen (a sandbox without netlink), RESOURCE_EXHAUSTED.
  static absl::StatusOr<RouteWatch> Open();

  // Readable when something changed.
  [[nodiscard]] int fd() const { return socket_.get(); }
  // Takes in everything that waits, at most a bounded number of messages. True: something has changed since the last call.
  [[nodiscard]] bool TakeChanges();

 private:
  explicit RouteWatch(FileDescriptor socket) : socket_(std::move(socket)) {}

  FileDescriptor socket_;
};

}  // namespace culvert::io
