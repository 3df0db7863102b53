// Binds the sockets of listeners, one per worker, and keeps a handle on each: a listener that starts anew under other settings
// gets the sockets it had, so that its port is never free in between and nothing that was sent to it is lost.
// Thread: the control thread.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "core/io/udp_socket.h"
#include "core/quic/endpoint_keys.h"
#include "culvert/v1/listener.pb.h"
#include "server/worker.h"

namespace culvert::server {

// The sockets of one listener. Destroying it lets go of our handles; workers close their own.
class BoundListener {
 public:
  virtual ~BoundListener() = default;
  virtual SocketAddress address() const = 0;  // with the real port
  // What the kernel granted; nullopt for TCP, whose buffers the kernel tunes.
  virtual std::optional<io::UdpSocket::Granted> granted() const = 0;
  // To be called when the settings of a listener change for the sockets it has: has the kernel lead QUIC packets to the worker of
  // their connection, where the spec and the kernel let it. Where not, workers hand them over to one another.
  virtual void Steer(const v1::ListenerSpec& spec) { static_cast<void>(spec); }
  // A handle for worker `index` to receive on. Errors: RESOURCE_EXHAUSTED.
  virtual absl::StatusOr<ListenerSocket> HandleFor(const ObjectId& id, size_t index) const = 0;
};

class SocketBinder {
 public:
  virtual ~SocketBinder() = default;
  // Errors: those of ErrorFromSocket below, about `field`.
  virtual absl::StatusOr<std::unique_ptr<BoundListener>> Bind(const v1::ListenerSpec& spec, size_t workers,
                                                              const std::string& field) = 0;
};

// The system's sockets. `quic_keys`: those of the daemon's QUIC listeners, which say how connection ids name workers; nullptr: none.
std::unique_ptr<SocketBinder> CreateSocketBinder(const quic::EndpointKeys* quic_keys = nullptr);

// An error of core/io as one of ours: FAILED_PRECONDITION with ADDRESS_IN_USE, BIND_NOT_PERMITTED, ADDRESS_NOT_AVAILABLE or
// INTERFACE_NOT_FOUND and a PreconditionFailure{SOCKET}; RESOURCE_EXHAUSTED with LIMIT_EXCEEDED; else INTERNAL.
absl::Status ErrorFromSocket(const absl::Status& error, const std::string& field, const std::string& address);

}  // namespace culvert::server
