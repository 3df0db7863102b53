// Settings that every kind of socket shares.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/io/file_descriptor.h"

namespace culvert::io {

struct SocketOptions {
  std::string interface;              // empty: any
  uint32_t mark = 0;                  // firewall mark; 0: none
  uint8_t dscp = 0;                   // 0..63, of IPv4 and IPv6 alike
  uint64_t receive_buffer_bytes = 0;  // 0: UDP 8 MiB, TCP left to the kernel's tuning
  uint64_t send_buffer_bytes = 0;
};

// A non-blocking socket of `type` (SOCK_STREAM, SOCK_DGRAM) for addresses like `local`, with mark, interface and DSCP set.
// [::] takes IPv4 as well; any other IPv6 address is IPv6 alone. Errors: FAILED_PRECONDITION (INTERFACE_NOT_FOUND,
// BIND_NOT_PERMITTED for a mark without privilege), RESOURCE_EXHAUSTED.
absl::StatusOr<FileDescriptor> OpenSocket(const IpAddress& local, int type, const SocketOptions& options);

// Asks for buffers, beyond the system's limit where we may. 0 asks for nothing.
void RequestBuffers(int fd, uint64_t receive_bytes, uint64_t send_bytes);

// Errors: FAILED_PRECONDITION (ADDRESS_IN_USE, BIND_NOT_PERMITTED, ADDRESS_NOT_AVAILABLE), "bind 127.0.0.1:4000: ...".
absl::Status BindSocket(int fd, const SocketAddress& local);

// Lets further sockets of this process bind where `fd` is bound.
absl::Status AllowSharedPort(int fd);

// Sets an int option; false when the system refuses.
bool SetOption(int fd, int level, int name, int value);
// The value of an int option, -1 when the system refuses.
int GetOption(int fd, int level, int name);

}  // namespace culvert::io
