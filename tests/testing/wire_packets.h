// Turns what a kernel hands to a TUN device with offloads into the packets a wire would carry: super-packets of TCP (TSO)
// and UDP (USO) are cut, partial checksums are completed. Pure functions over bytes.
//
// Why: a link emulator that drops or delays a 64 KiB train as one packet measures something no network does.
// Source: virtio 1.2 §5.1.6.2 (struct virtio_net_hdr), RFC 9293 §3.1 (TCP), RFC 768, RFC 791, RFC 8200.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "core/base/bytes.h"

namespace culvert::testing {

// The fields of struct virtio_net_hdr that matter here, in host order.
struct OffloadHeader {
  enum class Gso : uint8_t { kNone = 0, kTcp4 = 1, kTcp6 = 4, kUdp = 5 };
  bool needs_checksum = false;
  Gso gso = Gso::kNone;
  uint16_t segment_size = 0;     // payload bytes of each wire packet
  uint16_t checksum_start = 0;   // where the transport header begins, from the start of the IP header
  uint16_t checksum_offset = 0;  // of the checksum field, from there
};

inline constexpr size_t kMaxSuperPacketBytes = 65'536 + 128;

// Calls `emit` with every wire packet of `packet` (IP header first), in order, checksums complete. The view is good for the
// call. `packet` may be changed. Returns the number of packets; 0 when it is malformed or of a kind we did not ask for.
[[nodiscard]] size_t CutIntoWirePackets(const OffloadHeader& header, ByteSpan packet,
                                        const std::function<void(ByteView)>& emit);

// RFC 1071 sum of `bytes` added to `sum`, not folded. An odd last byte counts as the high half of a word.
[[nodiscard]] uint64_t SumBytes(ByteView bytes, uint64_t sum = 0);
// The checksum of a sum: folded and complemented.
[[nodiscard]] uint16_t FoldChecksum(uint64_t sum);

}  // namespace culvert::testing
