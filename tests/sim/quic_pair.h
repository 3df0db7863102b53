// QuicPair: dialling and accepting QUIC endpoints on a virtual link, in virtual time. It drives them as workers would, stands in
// for what lies between (links, NAT, steering to workers), moves application bytes whose every value is known, and checks after
// each step what must always hold.
//
// Each stream describes itself: the client's direction begins with the stream's number and how many bytes are wanted back, the server's
// with the number of its pattern, so that a byte in the wrong stream is a wrong byte.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/quic/endpoint.h"
#include "tests/sim/quic_link.h"

namespace culvert::sim {

struct QuicPairOptions {
  uint64_t seed = 1;
  quic::QuicOptions client;
  quic::QuicOptions server;
  testing::LinkOptions up;    // clients to server
  testing::LinkOptions down;
  bool ipv6 = false;
  bool trusts = true;         // the clients' authority is the server's
  bool resumption = true;     // clients remember
  uint32_t clients = 1;       // endpoints that dial, each with an address of its own
  uint32_t workers = 1;       // endpoints that accept, on one address; datagrams reach worker (source port mod workers)
  uint32_t max_sessions = 65536;
  uint32_t retry_above_handshakes = 128;
  uint32_t max_unvalidated_per_prefix = 32;
  uint64_t server_first_bytes = 0;  // servers send so much on every stream before they have read anything
  bool checks_storms = true;
};

// One end of a stream.
struct QuicSide {
  size_t number = 0;
  StreamHandle stream;
  SessionHandle session;
  uint64_t to_send = 0;        // of the pattern, head excluded
  uint64_t expects = 0;        // of the pattern
  uint64_t written = 0;        // head included
  uint64_t received = 0;       // of the pattern
  uint64_t read_limit = UINT64_MAX;
  bool finishes = true;        // finishes writing once everything is written
  bool closes_at_end = true;   // lets go of the stream once the peer has finished and everything is written
  bool answers = true;         // server: sends what the head asks for
  bool is_foreign = false;     // opened by nobody of the pair: what comes is read and ignored
  bool finish_called = false;
  bool close_called = false;
  bool at_end = false;
  bool closed = false;
  CloseReason reason = CloseReason::kNone;
  TimePoint opened_at{};
  TimePoint progress_at{};     // the last byte came
  TimePoint ended_at{};        // the peer's end was read
  Duration longest_stall{};    // between bytes that came
  // Inner matters of QuicPair.
  std::vector<uint8_t> head_in;
  std::vector<uint8_t> head_out;
  uint64_t send_seed = 0;
  uint64_t expect_seed = 0;
  bool head_known = false;
};

struct QuicStream {
  QuicSide client;
  std::unique_ptr<QuicSide> server;  // nullptr: the server has not read its head yet
};

class QuicPair {
 public:
  explicit QuicPair(const QuicPairOptions& options);
  ~QuicPair();

  // Begins a session of client `client`; its number here.
  size_t Dial(size_t client = 0);
  // Opens a stream on a session as soon as one can be had, sends `up` and asks for `down` bytes.
  size_t Open(size_t session, uint64_t up, uint64_t down);
  size_t Open(size_t session, QuicSide client, uint64_t down);

  struct Session {
    size_t client = 0;
    SessionHandle handle;
    bool open = false;       // kSessionOpened came
    bool closed = false;
    CloseReason reason = CloseReason::kNone;
    quic::SessionInfo info;  // as of opening; as of closing
    TimePoint dialled_at{};
    TimePoint opened_at{};
    TimePoint closed_at{};
  };
  Session& session(size_t i = 0) { return sessions_[i]; }
  QuicStream& stream(size_t i = 0) { return *streams_[i]; }
  QuicSide& client(size_t i = 0) { return streams_[i]->client; }
  size_t stream_count() const { return streams_.size(); }
  // Of all streams that were opened: every byte that was to come came, and every end.
  [[nodiscard]] bool AllDone() const;
  [[nodiscard]] std::string Missing() const;

  // Advances until `done` or until `limit` of virtual time has passed; true when done. A broken invariant ends it with failure() set.
  bool RunUntil(const std::function<bool()>& done, Duration limit);
  void RunFor(Duration time) { (void)RunUntil([] { return false; }, time); }
  bool RunUntilOpen(size_t session, Duration limit);
  bool RunUntilDone(Duration limit) { return RunUntil([this] { return AllDone(); }, limit); }
  // Lets an application go on after a test changed what it wants.
  void PumpClient(size_t i = 0);
  // Gives endpoints a chance to send what a test's own call led to.
  void SettleAll();

  // What lies between.
  QuicLink& up() { return up_; }
  QuicLink& down() { return down_; }
  void SetBlackHole(bool on) { up_.black_hole = down_.black_hole = on; }
  void SetMtu(size_t ip_bytes) { up_.mtu = down_.mtu = ip_bytes; }
  // No faults from now on.
  void Heal();
  // The client's NAT forgets its binding and takes another port, or another address.
  void RebindPort(size_t client = 0);
  void RebindAddress(size_t client = 0);
  // The client's host has another address itself; its driver says so to the engine.
  void MigrateClient(size_t client = 0);
  // The servers are gone and others run at their address, with the same keys.
  void ReplaceServers();
  // The same under other settings.
  void ReplaceServers(const quic::QuicOptions& settings) {
    options_.server = settings;
    ReplaceServers();
  }
  // Offers a datagram to the server as if it came from `from`; its effect on the endpoint, after settling.
  DropReason Inject(const SocketAddress& from, std::vector<uint8_t> bytes, size_t worker = 0);
  // The same for a client.
  DropReason InjectToClient(const SocketAddress& from, std::vector<uint8_t> bytes, size_t client = 0);
  // Called for every datagram that enters the link: (true: towards the server, the far address, bytes).
  std::function<void(bool, const SocketAddress&, ByteView)> on_datagram;
  // Called for every event before the pair acts on it (true: a client's).
  std::function<void(bool, size_t, const Event&)> on_event;
  // Called when a server has accepted a stream, before anything happens to it.
  std::function<void(QuicSide&)> on_accept;

  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] TimePoint now() const { return now_; }
  [[nodiscard]] quic::Endpoint& client_endpoint(size_t i = 0) { return *clients_[i].endpoint; }
  [[nodiscard]] quic::Endpoint& server_endpoint(size_t i = 0) { return *servers_[i].endpoint; }
  [[nodiscard]] const SocketAddress& server_address() const { return server_address_; }
  // As the server sees it.
  [[nodiscard]] const SocketAddress& client_address(size_t i = 0) const { return clients_[i].seen_as; }
  [[nodiscard]] std::optional<SessionStats> ClientStats(size_t session = 0);
  // Of the server's first session.
  [[nodiscard]] std::optional<SessionStats> ServerStats();
  [[nodiscard]] SessionHandle ServerSession();
  [[nodiscard]] uint64_t accepted_streams() const { return accepted_streams_; }
  // Bytes that the servers sent to and got from an address.
  struct Traffic {
    uint64_t in = 0;
    uint64_t out = 0;
    bool validated = false;
  };
  [[nodiscard]] Traffic TrafficOf(const SocketAddress& address) const;
  // Hash over everything that entered the link, with its times: equal for equal seeds.
  [[nodiscard]] uint64_t trace_hash() const { return trace_hash_; }

 private:
  struct End {
    bool is_client = false;
    size_t index = 0;
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<quic::Endpoint> endpoint;
    std::shared_ptr<quic::ResumptionStore> resumption;
    SocketAddress local;    // what the engine believes
    SocketAddress seen_as;  // behind the NAT; servers: the same
    uint64_t sent_in_window = 0;
    TimePoint window_started_at{};
    std::map<uint64_t, QuicSide*> sides;  // by stream handle
    std::vector<std::unique_ptr<QuicSide>> unknown;  // server: head not read yet
  };
  class Sink;
  using AddressKey = std::pair<std::array<uint8_t, 16>, uint16_t>;
  static AddressKey KeyOf(const SocketAddress& address) { return {address.ip.bytes(), address.port}; }

  void MakeEnd(End& end, bool is_client, size_t index);
  void Deliver();
  void DeliverToServer(const SocketAddress& from, ByteView packet, Ecn ecn);
  void DeliverToClient(const SocketAddress& to, ByteView packet, Ecn ecn);
  void OnSent(End& end, const SocketAddress& peer, ByteView datagram, Ecn ecn);
  void Settle(End& end);
  void OnEvent(End& end, const Event& event);
  void OnSessionEvent(End& end, const Event& event);
  void Accept(End& end, const Event& event);
  void OpenWaiting();
  void Pump(End& end, QuicSide& side);
  bool Read(End& end, QuicSide& side);
  ByteView TakeHead(End& end, QuicSide& side, ByteView bytes);
  void OnHead(End& end, QuicSide& side);
  void Write(End& end, QuicSide& side);
  void CheckInvariants(End& end);
  void NoteValidated();
  void CheckAmplification();
  QuicSide* FindSide(End& end, StreamHandle stream);
  template <typename Visit>
  void ForEachEnd(Visit visit);
  void Fail(const std::string& what);

  QuicPairOptions options_;
  TimePoint now_{std::chrono::seconds(1000)};
  std::shared_ptr<quic::EndpointKeys> keys_;
  std::shared_ptr<const tls::TlsContext> server_tls_;
  std::shared_ptr<const tls::TlsContext> client_tls_;
  SocketAddress server_address_;
  std::vector<End> clients_;
  std::vector<End> servers_;
  QuicLink up_;
  QuicLink down_;
  std::vector<Session> sessions_;
  std::vector<std::unique_ptr<QuicStream>> streams_;
  std::vector<std::pair<size_t, size_t>> waiting_;  // session, stream: to be opened
  std::map<AddressKey, Traffic> traffic_;
  std::vector<SocketAddress> suspects_;  // were sent more than three times what they sent
  bool may_open_ = false;                // a session may have a stream to give
  size_t largest_datagram_ = 0;
  uint16_t next_port_ = 50000;
  uint8_t next_host_ = 100;
  uint64_t accepted_streams_ = 0;
  uint64_t next_server_number_ = uint64_t{1} << 40;  // of patterns of servers that speak first
  uint32_t stalled_turns_ = 0;
  uint32_t turns_ = 0;
  std::vector<uint8_t> scratch_;
  std::string failure_;
  uint64_t trace_hash_ = 1469598103934665603u;
};

}  // namespace culvert::sim
