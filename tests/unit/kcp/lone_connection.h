// LoneConnection: one Connection by itself, its peer played by the test, in virtual time. Datagrams are plain (profile XRAY
// without header), so that what it sends is read back as segments.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kcp/connection.h"

namespace culvert::kcp {

// A segment the connection sent, with the bytes it views.
struct SentSegment {
  std::vector<uint8_t> plain;
  Segment segment;
  TimePoint at{};
};

class LoneConnection {
 public:
  explicit LoneConnection(bool outgoing, SerialNumber first_number = SerialNumber(), uint64_t seed = 1);

  Connection& connection() { return connection_; }
  TimePoint now() const { return now_; }

  // Exchanges the first data both ways, so that both ends are proved and nothing is queued or unacknowledged.
  void Establish();

  // Input, then everything that is due because of it.
  void Receive(const Segment& segment);
  void ReceiveData(SerialNumber number, ByteView payload, uint8_t option = 0);
  // An ack of everything sent so far, echoing the clock of the last data segment.
  void ReceiveFullAck(uint8_t option = 0);
  void ReceivePing(uint8_t option = 0);
  // `missing`: how many segments more than arrived the peer claims to have sent.
  void ReceiveTerminate(uint8_t option = 0, uint32_t missing = 0);
  // Moves on, stopping at every deadline.
  void Advance(Duration time);
  void Settle();
  // What the application can read, consumed.
  std::vector<uint8_t> ReadAll();

  int32_t peer_window_segments = 1000;  // announced by the peer
  std::vector<SentSegment> sent;  // since the test last cleared it
  std::vector<Event> events;
  size_t SentCommands(Command command) const;
  PathMemory& paths() { return paths_; }

 private:
  class Sink;

  std::shared_ptr<const KcpConfig> config_;
  SeededRandom random_;
  DatagramWriter writer_;
  BlockPool send_pool_;
  ReceivePools receive_pools_;
  EndpointCounters counters_;
  KeyedHash hash_{{1, 2}};
  PathMemory paths_{hash_};
  ConnectionContext context_;
  TimePoint now_{std::chrono::seconds(100)};
  Connection connection_;
  SerialNumber next_number_;        // of the peer's data
  SerialNumber seen_end_;           // one above the highest number the connection sent
  uint32_t last_timestamp_ = 0;
};

}  // namespace culvert::kcp
