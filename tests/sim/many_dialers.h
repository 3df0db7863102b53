// ManyDialers: one accepting endpoint and dozens of dialling ones that share one link, in virtual time. Streams are opened, closed
// and aborted at random, strangers send garbage and forged openings; every byte delivered is checked against the one stream it may
// belong to, and the listener's bounds after every step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/kcp/endpoint.h"
#include "tests/testing/delay_line.h"

namespace culvert::sim {

struct ManyOptions {
  uint64_t seed = 1;
  kcp::KcpOptions listener;
  std::vector<kcp::KcpOptions> dialers;
  testing::LinkOptions up;               // all dialers to the listener
  testing::LinkOptions down;
  uint32_t max_sessions = 1000;
  uint32_t max_unvalidated = 1000;
  uint32_t opens = 40;                   // streams in all
  uint32_t max_stream_bytes = 20'000;    // each way
  uint32_t strangers = 0;                // datagrams from nobody's address
  Duration trouble = std::chrono::seconds(5);  // opens, ends and faults happen within this time; then the link heals
};

class ManyDialers {
 public:
  explicit ManyDialers(const ManyOptions& options);
  // Empty: everything held; else what did not.
  std::string Run();
  uint64_t trace_hash() const { return trace_hash_; }
  // Bytes each dialer's streams have brought to the listener so far, at the moment the first one had brought `max_stream_bytes`.
  const std::vector<uint64_t>& shares() const { return shares_; }

 private:
  // One end of a stream.
  struct Side {
    StreamHandle stream;
    bool open = false;
    bool closed = false;
    bool close_called = false;
    bool at_end = false;
    uint64_t to_send = 0;
    uint64_t written = 0;
    uint64_t received = 0;
    uint64_t send_seed = 0;
    uint64_t expect_seed = 0;
  };
  struct Stream {
    size_t dialer = 0;
    uint32_t conversation_id = 0;
    bool aborted = false;        // by either end: what is missing then is missed rightly
    bool closed_early = false;   // in order, but before the other direction was done
    Side near;                   // the dialer's
    Side far;
  };
  struct Dialer {
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<Endpoint> endpoint;
    SocketAddress address;
  };
  class Sink;
  static constexpr size_t kListener = SIZE_MAX;

  void Step(TimePoint limit);
  void Act();
  void OpenStream();
  void SendAsStranger();
  void Deliver();
  void Settle(size_t who);
  void OnEvent(size_t who, const Event& event);
  void Pump(Endpoint& endpoint, Side& side);
  void CheckBounds();
  bool RunUntil(bool (ManyDialers::*done)(), Duration limit);
  bool Delivered();
  bool Gone();
  bool Emptied() { return listener_->session_count() == 0; }
  Endpoint& EndpointOf(size_t who) { return who == kListener ? *listener_ : *dialers_[who].endpoint; }
  void Fail(const std::string& what);

  const ManyOptions options_;
  TimePoint now_{std::chrono::seconds(1000)};
  SeededRandom choices_;
  SeededRandom listener_random_;
  std::unique_ptr<Endpoint> listener_;
  const SocketAddress listener_address_ = *SocketAddress::Parse("10.0.0.1:4000");
  std::vector<Dialer> dialers_;
  std::vector<std::unique_ptr<Stream>> streams_;
  testing::DelayLine up_;
  testing::DelayLine down_;
  testing::DelayLine healed_up_;
  testing::DelayLine healed_down_;
  bool healed_ = false;
  TimePoint next_act_;
  uint32_t opened_ = 0;
  uint32_t strangers_sent_ = 0;
  std::vector<uint8_t> scratch_;
  std::vector<uint64_t> shares_;
  uint64_t trace_hash_ = 1469598103934665603u;
  std::string failure_;
};

}  // namespace culvert::sim
