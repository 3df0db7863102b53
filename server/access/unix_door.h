// UnixDoor: the control socket. It takes connections itself, asks the kernel who is there, and hands each to a gRPC server that is for
// that caller alone. gRPC's own listener would tell the services nothing of who calls; this way it is known before a byte was read,
// who has no role is turned away there and then, and the audit trail can name whoever changed something.
//
// A second descriptor of every connection stays here, to learn when it ends: gRPC shuts a socket down before it closes it, so that
// ours keeps nothing open.
// Thread: its own; SetPolicy and Close from any.
// Limits: kMaxConnections, kMaxConnectionsPerUser; kMaxEmptyRooms servers of callers who have left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "core/io/mailbox.h"
#include "core/io/unix_listen_socket.h"
#include "server/access/caller.h"

namespace culvert::server {

// A gRPC server for the connections of one caller.
class CallerRoom {
 public:
  virtual ~CallerRoom() = default;
  // Takes the connection, and closes it in the end. False: it can take none, ever. The door's thread.
  virtual bool Enter(io::FileDescriptor socket) = 0;
  // Sends everybody away at once. The door's thread.
  virtual void Empty() = 0;
};

class UnixDoor {
 public:
  static constexpr size_t kMaxConnections = 64;
  static constexpr size_t kMaxConnectionsPerUser = 16;
  static constexpr size_t kMaxEmptyRooms = 4;

  using MakeRoom = std::function<std::unique_ptr<CallerRoom>(const Caller&)>;
  // Somebody was turned away: who, and why.
  using OnRefused = std::function<void(const std::string& who, const std::string& why)>;

  // `make_room` and `on_refused` are called on the door's thread. Errors: FAILED_PRECONDITION and others when `path` cannot be bound.
  static absl::StatusOr<std::unique_ptr<UnixDoor>> Open(const std::string& path, std::shared_ptr<const AccessPolicy> policy,
                                                        MakeRoom make_room, OnRefused on_refused);
  ~UnixDoor();  // closes
  UnixDoor(const UnixDoor&) = delete;
  UnixDoor& operator=(const UnixDoor&) = delete;

  // From now on this policy; callers whose role it changes are sent away, and may come back.
  void SetPolicy(std::shared_ptr<const AccessPolicy> policy);
  // Takes nobody any more and lets go of the rooms, which are ended by their destructors. Idempotent.
  void Close();

 private:
  class Loop;
  explicit UnixDoor(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

// "uid:1000", "gid:100", and a "gid:" for every other group.
Principals PrincipalsOf(const io::PeerCredentials& peer);

}  // namespace culvert::server
