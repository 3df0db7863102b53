// DatagramWriter: turns one segment into one sealed datagram in the driver's batch. Shared by all connections of an endpoint:
// the disguise header's counters go over all of its datagrams.
// Thread: one worker. Source: spec/mkcp.md section 1.2.
#pragma once

#include <cstddef>

#include "core/base/random.h"
#include "core/camouflage/packet_header.h"
#include "core/camouflage/sealed_datagram.h"
#include "core/transport/datagram_sink.h"

namespace culvert::kcp {

class DatagramWriter {
 public:
  DatagramWriter(HeaderType header, const DatagramSealer& sealer, RandomSource& random)
      : header_(header, random), sealer_(sealer), random_(random) {}

  // What a datagram adds to its segments.
  size_t overhead() const { return header_.size() + sealer_.overhead(); }

  // Writes a datagram whose plaintext of `size` bytes `encode(ByteSpan)` fills in. False: the sink is full.
  template <typename Encode>
  [[nodiscard]] bool Write(const SocketAddress& peer, size_t size, DatagramSink& sink, Encode&& encode) {
    const size_t total = overhead() + size;
    const ByteSpan out = sink.Reserve(peer, total);
    if (out.empty()) return false;
    header_.WriteNext(out.first(header_.size()));
    const ByteSpan sealed = out.subspan(header_.size(), sealer_.overhead() + size);
    encode(sealed.subspan(sealer_.prefix_size(), size));
    sealer_.SealInPlace(sealed, random_);
    sink.Commit(total);
    return true;
  }

 private:
  HeaderWriter header_;
  const DatagramSealer& sealer_;
  RandomSource& random_;
};

}  // namespace culvert::kcp
