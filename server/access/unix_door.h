// UnixDoor: the control socket. It takes connections itself, asks the kernel who is there, and hands each to a gRPC server that is for
// that caller alone. gRPC's own listener would tell the services nothing of who calls; this way it is known before a byte was read,
// who has no role is turned away there and then, and the audit trail can name whoever changed something.
// Thread: its own, and one more that ends rooms, which can take as long as the calls in them: nobody waits at the door for that.
// SetPolicy and Close from any.
// Limits: kMaxConnections, of which the last kReservedForAdmins are for admins, so that the others cannot keep out who would put an end to
// it; kMaxConnectionsPerUser; kMaxEmptyRooms servers of callers who have left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/io/unix_listen_socket.h"
#include "server/access/caller.h"
#include "server/access/door_loop.h"

namespace culvert::server {

// A gRPC server for the connections of one caller. Its end sends away who is still there, and waits for that: it is on another thread than
// the door's.
class CallerRoom {
 public:
  virtual ~CallerRoom() = default;
  // Takes the connection, and closes it in the end. False: it can take none, ever. The door's thread.
  virtual bool Enter(io::FileDescriptor socket) = 0;
};

class UnixDoor {
 public:
  static constexpr size_t kMaxConnections = 64;
  static constexpr size_t kReservedForAdmins = 8;
  static constexpr size_t kMaxConnectionsPerUser = 16;
  static constexpr size_t kMaxEmptyRooms = 4;

  using MakeRoom = std::function<std::unique_ptr<CallerRoom>(const Caller&)>;

  // `make_room` and `on_refused` are called on the door's thread. Errors: FAILED_PRECONDITION and others when `path` cannot be bound.
  static absl::StatusOr<std::unique_ptr<UnixDoor>> Open(const std::string& path, std::shared_ptr<const AccessPolicy> policy,
                                                        MakeRoom make_room, OnRefused on_refused);

  // From now on this policy; callers whose role it changes are sent away, and may come back.
  void SetPolicy(std::shared_ptr<const AccessPolicy> policy);
  // Takes nobody any more and waits for the end of the rooms. Idempotent.
  void Close() { thread_.Close(); }

 private:
  class Loop;
  explicit UnixDoor(std::unique_ptr<Loop> loop);

  Loop& loop_;
  DoorThread thread_;
};

// "uid:1000", "gid:100", and a "gid:" for every other group.
Principals PrincipalsOf(const io::PeerCredentials& peer);

}  // namespace culvert::server
