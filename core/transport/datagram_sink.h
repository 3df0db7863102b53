// Where an engine puts outgoing datagrams. The driver's batch implements it (core/io/datagram_batch.h), a simulation
// puts its virtual network behind it.
#pragma once

#include <cstddef>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/transport/datagram.h"

namespace culvert {

class DatagramSink {
 public:
  virtual ~DatagramSink() = default;
  // Room for one datagram of at most `max_size` bytes to `peer`, valid until Commit. An empty span: the batch is full;
  // keep all state and go on at the next Flush. REQUIRES: no datagram is begun.
  [[nodiscard]] virtual ByteSpan Reserve(const SocketAddress& peer, size_t max_size) = 0;
  // Marks the datagram begun by Reserve; without a call it is kNotEct. A sink that cannot mark ignores it.
  virtual void SetEcn(Ecn ecn) { static_cast<void>(ecn); }
  // Ends the datagram begun by Reserve with its final size. 0 abandons it.
  virtual void Commit(size_t size) = 0;
};

}  // namespace culvert
