// TcpDoor: the TCP port of the control API. It takes connections itself and hands each to gRPC, so that there is a limit to how many there
// are: who they come from is not known before the TLS handshake, and gRPC's own listener would take them all. A handshake that does not
// end is cut off by gRPC (control_server.h), which makes room.
// Thread: its own; Close from any.
// Limits: kMaxConnections, kMaxConnectionsPerNetwork.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/io/file_descriptor.h"
#include "server/access/door_loop.h"

namespace culvert::server {

class TcpDoor {
 public:
  static constexpr size_t kMaxConnections = 64;
  // Of one network (IpAddress::AccountingPrefix), so that whoever has one does not keep everybody else out.
  static constexpr size_t kMaxConnectionsPerNetwork = 32;

  // Takes the connection, and closes it in the end. The door's thread.
  using Enter = std::function<void(io::FileDescriptor socket)>;

  // Errors: those of binding.
  static absl::StatusOr<std::unique_ptr<TcpDoor>> Open(const SocketAddress& bind, Enter enter, OnRefused on_refused);

  // Takes nobody any more. Idempotent.
  void Close() { thread_.Close(); }
  [[nodiscard]] int port() const { return port_; }

 private:
  class Loop;
  TcpDoor(std::unique_ptr<Loop> loop, int port);

  const int port_;
  DoorThread thread_;
};

}  // namespace culvert::server
