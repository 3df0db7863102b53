// ControlFrameLimit: how many frames that carry no data a peer may send. Each is cheap, a million are not, and several make us keep
// or send something (CVE-2024-22189 and its kin). ngtcp2 1.11 has no limit of its own and no hook for frames, so the frames of
// decrypted 0-RTT and 1-RTT packets are looked through here: types and lengths only, and which streams STOP_SENDING names.
//
// A bucket of 1,000 that fills by 100 a second, and by what real work needs: for each stream enough to announce, reset and stop it (but
// for no more than 2,000 streams a second), some for each frame and each block of stream data, and for what we sent, which is acknowledged in
// packets that now and then ask to be acknowledged themselves (PING).
// Source: reliability.md T23; frame layouts: RFC 9000 section 19, RFC 9221 section 4.
// Thread: owned by one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"

namespace culvert::quic {

class ControlFrameLimit {
 public:
  static constexpr double kBurst = 1000;
  static constexpr double kPerSecond = 100;
  static constexpr double kPerStream = 3;
  static constexpr double kStreamsPerSecond = 2000;

  // The frames of one packet. False: the peer sent more than it may. What is malformed is left to ngtcp2. The streams of
  // STOP_SENDING frames are added to `stopped`. `sent_datagrams`: how many we have sent to the peer so far.
  [[nodiscard]] bool Admit(TimePoint now, ByteView frames, uint64_t sent_datagrams, std::vector<int64_t>& stopped);

  // What frames are worth counting in `frames`, and the stream data in it.
  struct Tally {
    uint32_t control_frames = 0;
    uint32_t stream_frames = 0;   // with data or an end
    uint64_t stream_bytes = 0;
    std::vector<int64_t> stopped;  // streams that STOP_SENDING names
    uint32_t new_streams = 0;      // that stand higher than any before
    int64_t highest_stream = -1;
  };
  // `highest_stream`: of earlier packets; -1: none.
  static Tally Count(ByteView frames, int64_t highest_stream = -1);

 private:
  double tokens_ = kBurst;
  double stream_tokens_ = kStreamsPerSecond;
  int64_t highest_stream_ = -1;
  TimePoint filled_at_{};
  uint64_t sent_datagrams_ = 0;  // for which it was filled
};

}  // namespace culvert::quic
