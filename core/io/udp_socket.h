// UdpSocket: a bound, non-blocking UDP socket set up for batches. Unless it is asked to it fragments nothing (DF is set and cached
// path MTUs are ignored: a datagram too long for the interface is an EMSGSIZE, counted), and no error closes it.
// Thread: confined to its owner; may be handed to another thread while nobody uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/io/file_descriptor.h"
#include "core/io/socket_options.h"

namespace culvert::io {

struct UdpSocketOptions {
  SocketAddress bind;  // [::] takes IPv4 as well; port 0: the system's choice; no address: any IPv4
  SocketOptions socket;
  // Datagrams that are too long for the path are fragmented by the kernel in place of being refused: for payloads that are not ours to cut.
  bool fragments = false;
  // Each datagram tells where it was addressed to, and answers may come from there (transparent proxying). Needs CAP_NET_ADMIN.
  bool original_destination = false;
  // Others of this process may be bound to the same address.
  bool shares_port = false;
};

class UdpSocket {
 public:
  // What the kernel gave us.
  struct Granted {
    uint64_t receive_buffer_bytes = 0;  // in the unit of the request: without the kernel's doubling
    uint64_t send_buffer_bytes = 0;
    bool gso = false;  // cuts outgoing trains into datagrams for us
    bool gro = false;  // merges incoming datagrams into trains
  };

  // Cumulative. Datagrams and bytes are counted by the engines; here is what only the socket sees.
  struct Counters {
    uint64_t sent_trains = 0;     // messages handed to the kernel: trains, or datagrams where there is no GSO
    uint64_t sent_datagrams = 0;
    uint64_t receive_truncations = 0;
    uint64_t receive_errors = 0;
    uint64_t kernel_drops = 0;    // datagrams lost because our receive buffer was full
    // Datagrams not sent, by reason.
    uint64_t send_refused = 0;        // ECONNREFUSED
    uint64_t send_unreachable = 0;    // EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN
    uint64_t send_too_big = 0;        // EMSGSIZE
    uint64_t send_no_buffers = 0;     // ENOBUFS, ENOMEM; of UdpOutbox EAGAIN too
    uint64_t send_not_permitted = 0;  // EPERM, EACCES: a packet filter
    uint64_t send_other_errors = 0;
    [[nodiscard]] uint64_t send_errors() const {
      return send_refused + send_unreachable + send_too_big + send_no_buffers + send_not_permitted + send_other_errors;
    }
  };

  UdpSocket() = default;

  // Alone on its port. Errors: those of OpenSocket and BindSocket (socket_options.h).
  static absl::StatusOr<UdpSocket> Bind(const UdpSocketOptions& options);
  // `count` sockets on one port, between which the kernel spreads peers (SO_REUSEPORT): one per worker. All or none. A
  // port that anything else holds is ADDRESS_IN_USE; port 0 is chosen once. A group of one does not share its port.
  static absl::StatusOr<std::vector<UdpSocket>> BindGroup(const UdpSocketOptions& options, size_t count);
  // Another handle on the same socket, with the same port, group and buffers: for a listener that starts anew with other
  // settings where an old one ran. One of the two must be closed before both receive.
  [[nodiscard]] absl::StatusOr<UdpSocket> Duplicate() const;

  [[nodiscard]] bool is_open() const { return fd_.is_open(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The address bound, with its real port.
  [[nodiscard]] const SocketAddress& local_address() const { return local_; }
  [[nodiscard]] const Granted& granted() const { return granted_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  // True for an AF_INET6 socket, whose IPv4 peers are written in mapped form.
  [[nodiscard]] bool is_v6() const { return is_v6_; }
  // What its datagrams carry in the octet of DSCP and ECN when nothing else is said.
  [[nodiscard]] uint8_t traffic_class() const { return traffic_class_; }
  void Close() { fd_.Close(); }

  // Has the kernel hand each QUIC packet to the socket of its connection's worker, whatever address it comes from, for the whole
  // group of this socket (BindGroup, in the order of workers). `payload_offset`: where the packet begins in the datagram.
  // `worker_key`: see core/quic/connection_id.h, whose form of ids this reads. Datagrams that name no worker of the group are
  // spread as before. False: the kernel does not permit it; datagrams then come to any of the sockets.
  [[nodiscard]] bool SteerByConnectionId(size_t payload_offset, uint8_t worker_key);
  // Spreads by addresses alone again. Nothing happens when it did.
  void StopSteering();

  // For datagram_batch.
  Counters& mutable_counters() { return counters_; }
  // After the kernel refused a train: from now on datagrams go one by one. Logs the first time.
  void DisableGso(int error_number);

 private:
  static absl::StatusOr<UdpSocket> Open(const UdpSocketOptions& options, bool joins_group);

  FileDescriptor fd_;
  SocketAddress local_;
  Granted granted_;
  Counters counters_;
  uint8_t traffic_class_ = 0;
  bool is_v6_ = false;
};

}  // namespace culvert::io
