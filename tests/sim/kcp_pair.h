// KcpPair: a dialling and an accepting mKCP endpoint on a virtual link, in virtual time. It drives both as a worker would,
// moves application bytes whose every value is known, and checks after each step what must always hold.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kcp/endpoint.h"
#include "tests/testing/delay_line.h"

namespace culvert::sim {

// One application stream as one end sees it.
struct Side {
  StreamHandle stream;
  uint64_t to_send = 0;       // bytes this side will write in all
  uint64_t written = 0;
  uint64_t received = 0;
  uint64_t send_seed = 0;     // of the pattern written
  uint64_t expect_seed = 0;   // of the pattern expected
  uint64_t read_limit = UINT64_MAX;  // reads no further than this: a slow reader
  bool close_when_sent = false;
  bool close_at_end = true;
  bool opened = false;
  bool at_end = false;
  bool close_called = false;
  bool closed = false;
  CloseReason reason = CloseReason::kNone;
};

struct PairOptions {
  uint64_t seed = 1;
  kcp::KcpOptions client;
  kcp::KcpOptions server;
  testing::LinkOptions up;     // client to server
  testing::LinkOptions down;
  uint32_t max_unvalidated = 4096;
  SerialNumber first_number;   // of both directions; mKCP's is 0
};

class KcpPair {
 public:
  explicit KcpPair(const PairOptions& options);

  // Opens a stream from the client; side 0 of it is the client's, side 1 the server's once it is accepted.
  size_t Open(const Side& client, const Side& server);
  Side& client(size_t i = 0) { return *streams_[i].client; }
  Side& server(size_t i = 0) { return *streams_[i].server; }

  // Advances until `done` or until `limit` of virtual time has passed; true when done. A broken invariant ends it with
  // failure() set.
  bool RunUntil(const std::function<bool()>& done, Duration limit);
  // Lets the applications go on after a test gave them more to send or to read.
  void PumpClient(size_t i = 0) { Pump(client_end_, client(i)); }
  void PumpServer(size_t i = 0) { Pump(server_end_, server(i)); }
  void RunFor(Duration time) { (void)RunUntil([] { return false; }, time); }

  // The server is gone and another one runs at its address.
  void ReplaceServer();
  // From now on the link has its rate and delay and a deep queue, and does nothing else to datagrams.
  void Heal();

  const std::string& failure() const { return failure_; }
  TimePoint now() const { return now_; }
  Endpoint& client_endpoint() { return *client_end_.endpoint; }
  Endpoint& server_endpoint() { return *server_end_.endpoint; }
  std::optional<SessionStats> ClientStats(size_t i = 0) { return client_endpoint().GetStats(now_, client(i).stream); }
  std::optional<SessionStats> ServerStats(size_t i = 0) { return server_endpoint().GetStats(now_, server(i).stream); }
  // Of the link as it was before Heal.
  const testing::LinkCounters& up() const { return up_.faulty.counters(); }
  const testing::LinkCounters& down() const { return down_.faulty.counters(); }
  // Hash over everything that crossed the link, with its times: equal for equal seeds.
  uint64_t trace_hash() const { return trace_hash_; }
  // While true nothing crosses the link.
  bool black_hole = false;
  // Called for every datagram that enters the link (true: from the client).
  std::function<void(bool, ByteView)> on_datagram;

 private:
  struct Stream {
    uint32_t conversation_id = 0;
    std::unique_ptr<Side> client;
    std::unique_ptr<Side> server;
  };
  struct End {
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<Endpoint> endpoint;
    SocketAddress address;
    uint64_t sent_in_window = 0;  // datagram bytes in the current 100 ms
    TimePoint window_started_at{};
  };
  class Sink;
  // One direction of the link: as configured, and as it is once healed.
  struct Direction {
    explicit Direction(const testing::LinkOptions& options);
    void Push(TimePoint now, ByteView datagram);
    std::optional<testing::DelayLine::Arrived> Pop(TimePoint now);
    TimePoint NextDelivery() const;

    testing::DelayLine faulty;
    testing::DelayLine healthy;
    bool healed = false;
  };

  void Settle(End& end, bool is_client);
  void OnEvent(End& end, bool is_client, const Event& event);
  void Pump(End& end, Side& side);
  Side* FindSide(bool is_client, StreamHandle stream);
  void CheckInvariants(End& end, bool is_client);
  void Fail(const std::string& what);

  PairOptions options_;
  TimePoint now_{std::chrono::seconds(1000)};
  End client_end_;
  End server_end_;
  Direction up_;
  Direction down_;
  std::vector<Stream> streams_;
  uint32_t stalled_turns_ = 0;
  std::vector<uint8_t> scratch_;
  std::string failure_;
  uint64_t trace_hash_ = 1469598103934665603u;
};

}  // namespace culvert::sim
