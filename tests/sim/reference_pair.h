// ReferencePair: our endpoint at one end of a virtual link, connections of the reference model (tests/sim/reference: v2ray as the
// specification describes it) at the other, in virtual time. Either end may dial. What one writes must reach the other whole, both
// must end, and the engine's bounds must hold whatever such a peer does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/kcp/endpoint.h"
#include "tests/sim/reference/peer.h"
#include "tests/testing/delay_line.h"

namespace culvert::sim {

enum class Closer : uint8_t { kEngine, kReference, kBoth };

struct ReferenceOptions {
  uint64_t seed = 1;
  bool engine_dials = true;
  kcp::KcpOptions engine;            // no seed: the reference speaks the unkeyed modes
  reference::Settings reference;     // its overhead is filled in
  testing::LinkOptions to_engine;
  testing::LinkOptions to_reference;
  uint32_t streams = 1;
  uint64_t engine_bytes = 0;         // written by us on each stream
  uint64_t reference_bytes = 0;
  Closer closer = Closer::kEngine;
  bool close_when_written = false;   // the closer closes with its data still on the way
  uint16_t first_conversation = 1;   // of a dialling reference: it counts up from here and wraps
};

class ReferencePair {
 public:
  explicit ReferencePair(const ReferenceOptions& options);

  // Opens everything, moves everything, ends everything. Empty: all held; else what did not.
  std::string Run();

  // For tests that look closer after Run.
  Endpoint& engine() { return *engine_; }
  uint64_t engine_retransmits() const { return engine_retransmits_; }
  uint64_t ghosts() const { return ghosts_; }

 private:
  // One connection: the engine's stream and the reference's peer, whichever exists yet.
  struct Line {
    uint16_t conversation = 0;
    SocketAddress address;             // the reference's
    std::unique_ptr<reference::Peer> peer;
    bool engine_open = false;
    StreamHandle stream;
    uint64_t engine_written = 0;
    uint64_t engine_read = 0;
    uint64_t reference_written = 0;
    uint64_t reference_read = 0;
    bool engine_closed = false;        // kClosed was reported
    bool engine_close_called = false;
    bool engine_at_end = false;
    bool reference_close_called = false;
    CloseReason reason = CloseReason::kNone;
  };
  class Sink;

  uint64_t Milliseconds() const { return static_cast<uint64_t>(ToMilliseconds(now_.time_since_epoch())); }
  bool RunUntil(const std::function<bool()>& done, Duration limit);
  TimePoint NextEvent() const;
  void Open();
  void AddPeer(Line& line);
  void DeliverToEngine();
  void DeliverToReference();
  void Settle();
  void OnEvent(const Event& event);
  void PumpEngine(Line& line);
  void PumpReference(Line& line);
  void Check();
  bool Delivered() const;
  bool Ended() const;
  Line* FindStream(StreamHandle stream);
  size_t IndexOf(const Line& line) const;
  void SendFromReference(size_t index, const reference::Bytes& plain);
  void CheckEdge(const Line& line, const std::vector<reference::Segment>& segments);
  void Fail(const std::string& what);

  ReferenceOptions options_;
  TimePoint now_{std::chrono::seconds(500)};
  SeededRandom random_;
  size_t header_size_;
  bool simple_;
  std::unique_ptr<Endpoint> engine_;
  testing::DelayLine to_engine_;
  testing::DelayLine to_reference_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::vector<uint8_t> scratch_;
  uint64_t engine_retransmits_ = 0;
  uint64_t ghosts_ = 0;
  uint32_t stalled_ = 0;
  std::string failure_;
};

}  // namespace culvert::sim
