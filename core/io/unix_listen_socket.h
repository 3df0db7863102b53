// UnixListenSocket: a Unix stream socket that takes connections, and who the kernel says is at the other end of each.
// Thread: confined to its owner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/io/file_descriptor.h"

namespace culvert::io {

// As of the moment of connect (SO_PEERCRED, SO_PEERGROUPS).
struct PeerCredentials {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  // supplementary
  int32_t pid = 0;               // 0: in a namespace that we cannot see
};

class UnixListenSocket {
 public:
  struct Accepted {
    FileDescriptor socket;  // non-blocking
    PeerCredentials peer;
  };

  // Binds `path` with mode 0660, which must be free (PrepareControlSocket). Errors: those of the system, naming the path.
  static absl::StatusOr<UnixListenSocket> Bind(const std::string& path);

  // nullopt: nobody waits, or who did is gone, or there is no descriptor left for it; `is_out_of_files` says so.
  std::optional<Accepted> Accept(bool& is_out_of_files);
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  explicit UnixListenSocket(FileDescriptor socket) : socket_(std::move(socket)) {}

  FileDescriptor socket_;
};

// Nothing passes any more, in either direction, through any descriptor of the connection.
void Disconnect(const FileDescriptor& connection);

}  // namespace culvert::io
