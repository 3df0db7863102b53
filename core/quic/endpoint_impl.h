// quic::Endpoint as it is; see endpoint.h for what it promises.
// Thread: confined to one worker.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/deadline_heap.h"
#include "core/base/slot_map.h"
#include "core/crypto/keyed_hash.h"
#include "core/crypto/secret.h"
#include "core/quic/connection.h"
#include "core/quic/connection_host.h"
#include "core/quic/endpoint.h"
#include "core/quic/prefix_limit.h"
#include "core/quic/rate_limit.h"
#include "core/quic/resumption_store.h"

namespace culvert::quic {

class EndpointImpl final : public Endpoint, private ConnectionHost {
 public:
  EndpointImpl(const EndpointOptions& options, RandomSource& random);
  ~EndpointImpl() override;

  [[nodiscard]] DropReason OnDatagram(TimePoint now, Datagram& datagram) override;
  void OnTimeout(TimePoint now) override;
  // Streams need a session of their own choosing here. Always UNIMPLEMENTED.
  [[nodiscard]] absl::StatusOr<StreamHandle> Connect(TimePoint now, const SocketAddress& peer) override;
  [[nodiscard]] size_t WritableBytes(StreamHandle stream) const override;
  [[nodiscard]] size_t Write(StreamHandle stream, ByteView bytes) override;
  [[nodiscard]] size_t Peek(StreamHandle stream, std::span<ByteView> views) override;
  void Consume(StreamHandle stream, size_t size) override;
  [[nodiscard]] bool SetReadDeadline(StreamHandle stream, TimePoint when) override;
  [[nodiscard]] bool AtEnd(StreamHandle stream) const override;
  [[nodiscard]] bool CanHalfClose() const override { return true; }
  void FinishWriting(TimePoint now, StreamHandle stream) override;
  [[nodiscard]] bool HasUndelivered(StreamHandle stream) const override;
  void Close(TimePoint now, StreamHandle stream) override;
  void Abort(TimePoint now, StreamHandle stream, CloseReason reason) override;
  void StopAccepting() override { accepting_ = false; }
  void Flush(TimePoint now, DatagramSink& sink) override;
  [[nodiscard]] bool HasPendingOutput() const override { return ready_head_ < ready_.size() || !stateless_.empty(); }
  [[nodiscard]] std::optional<Event> PollEvent() override;
  [[nodiscard]] std::optional<TimePoint> NextTimeout() const override;
  [[nodiscard]] size_t session_count() const override { return connections_.size(); }
  [[nodiscard]] const EndpointCounters& counters() const override { return counters_; }
  [[nodiscard]] std::optional<SessionStats> GetStats(TimePoint now, StreamHandle stream) const override;
  [[nodiscard]] std::optional<TimeInLimit> GetTimeInLimit(TimePoint now, StreamHandle stream) const override;
  [[nodiscard]] std::optional<SessionStats> GetSessionStats(TimePoint now, SessionHandle session) const override;
  void AbortSession(TimePoint now, SessionHandle session, CloseReason reason) override;
  void ForEachSession(TimePoint now, const std::function<void(const SessionStats&)>& visit) const override;

  [[nodiscard]] absl::StatusOr<SessionHandle> ConnectSession(TimePoint now, const ConnectOptions& options) override;
  [[nodiscard]] std::optional<StreamHandle> OpenStream(TimePoint now, SessionHandle session) override;
  [[nodiscard]] uint32_t OpenStreams(SessionHandle session) const override;
  [[nodiscard]] Duration SmoothedRtt(SessionHandle session) const override;
  [[nodiscard]] uint32_t AvailableStreams(SessionHandle session) const override;
  [[nodiscard]] SessionHandle SessionOf(StreamHandle stream) const override;
  [[nodiscard]] std::optional<SessionInfo> GetSessionInfo(SessionHandle session) const override;
  void CloseSession(TimePoint now, SessionHandle session) override;
  void KeepAlive(SessionHandle session, bool keep) override;
  [[nodiscard]] bool SendDatagram(StreamHandle stream, ByteView head, ByteView payload) override;
  [[nodiscard]] size_t MaxDatagramBytes(StreamHandle stream) const override;
  void SetDatagramQueue(StreamHandle stream, size_t packets) override;
  [[nodiscard]] uint64_t DroppedDatagrams(StreamHandle stream) const override;
  [[nodiscard]] bool TakeDatagram(SessionHandle session, StreamHandle& stream, ByteView& bytes) override;
  void SetServerTls(std::shared_ptr<const tls::TlsContext> tls) override { options_.server_tls = std::move(tls); }
  [[nodiscard]] Handover TakeHandover() override { return std::exchange(handover_, {}); }
  [[nodiscard]] DropReason OnHandedOver(TimePoint now, Datagram& datagram) override;
  void MigrateTo(TimePoint now, SessionHandle session, const SocketAddress& local) override;
  void UpdateKeys(TimePoint now, SessionHandle session) override;

 private:
  struct ConnectionSlot {
    std::unique_ptr<Connection> connection;
    std::vector<ConnectionId> ids;  // that lead to it
    IpAddress counted_prefix;       // while it is unvalidated
    IpAddress handshake_prefix;     // while its handshake is under way; of an accepted one
  };
  // What is left of a connection for as long as late datagrams may come (RFC 9000 section 10.2).
  struct Tombstone {
    std::vector<ConnectionId> ids;
    std::vector<uint8_t> last_words;
    uint32_t late_datagrams = 0;
    uint32_t next_answer = 1;
  };
  struct Owner {
    SlotHandle handle;
    bool is_tombstone = false;
  };
  struct IdHash {
    const KeyedHash* hash;
    size_t operator()(const ConnectionId& id) const { return (*hash)(id.view()); }
  };
  struct Stateless {
    SocketAddress peer;
    std::vector<uint8_t> inner;
  };
  // What a token proves.
  struct Validation {
    bool is_valid = false;
    bool is_retry = false;
    bool is_bad_retry = false;  // a Retry token that is not ours, or too old: the connection cannot be
    ConnectionId original_id;
  };

  static ngtcp2_cid ToCid(const ConnectionId& id) {
    ngtcp2_cid cid;
    ngtcp2_cid_init(&cid, id.bytes.data(), id.size);
    return cid;
  }

  // ConnectionHost.
  const QuicConfig& config() const override { return *options_.config; }
  RandomSource& random() override { return random_; }
  HeaderWriter& header_writer() override { return header_writer_; }
  int64_t wall_clock_ns(TimePoint now) const override { return options_.unix_ns_at_epoch + now.time_since_epoch().count(); }
  void Emit(const Event& event) override { events_.push_back(event); }
  void MarkReady(Connection& connection) override;
  void OnValidated(Connection& connection) override;
  void OnSent(size_t bytes) override {
    ++counters_.tx_datagrams;
    counters_.tx_bytes += bytes;
  }
  void OnHandshakeOver(Connection& connection) override;
  Stream& AddStream(Connection& connection, const StreamLimitClock& clock) override;
  void EraseStream(Stream& stream) override;
  ConnectionId MakeId(Connection& connection, ByteSpan reset_token) override;
  void AddId(const ConnectionId& id, Connection& connection) override;
  void RemoveId(const ConnectionId& id) override;
  std::vector<uint8_t> MakeToken(TimePoint now, const SocketAddress& peer) override;

  [[nodiscard]] DropReason Drop(DropReason reason);
  [[nodiscard]] DropReason Receive(ByteSpan bytes, const SocketAddress& peer, Ecn ecn, bool may_hand_over);
  [[nodiscard]] bool BelongsElsewhere(const ConnectionId& id, ByteSpan bytes, bool is_long);
  [[nodiscard]] DropReason AnswerLate(SlotHandle tombstone, size_t trigger_size, const SocketAddress& peer);
  void AnswerUnknown(const ConnectionId& id, size_t trigger_size, const SocketAddress& peer);
  void CheckForReset(ByteSpan bytes, const SocketAddress& peer, Ecn ecn);
  void AnswerStateless(const SocketAddress& peer, ByteView inner);
  [[nodiscard]] bool FlushStateless(DatagramSink& sink);

  // acceptor.cc
  [[nodiscard]] DropReason NegotiateVersion(const ngtcp2_version_cid& head, size_t trigger_size, const SocketAddress& peer);
  [[nodiscard]] DropReason Accept(ByteSpan bytes, const SocketAddress& peer, Ecn ecn);
  [[nodiscard]] DropReason Refuse(const ngtcp2_pkt_hd& head, const SocketAddress& peer, uint64_t error);
  [[nodiscard]] DropReason AskToRetry(const ngtcp2_pkt_hd& head, const SocketAddress& peer);
  [[nodiscard]] Validation CheckToken(const ngtcp2_pkt_hd& head, const SocketAddress& peer);
  void UpdateTokenKeys();
  static bool AdmitsEarlyData(void* self, ByteView random);

  absl::StatusOr<SlotHandle> AddConnection(const Connection::Setup& setup);
  Connection* FindConnection(SessionHandle session);
  const Connection* FindConnection(SessionHandle session) const;
  void BuryIfDone(SlotHandle handle);
  void RemoveOldestTombstone();
  void TellReadDeadlines();

  EndpointOptions options_;
  RandomSource& random_;
  HeaderWriter header_writer_;
  const KeyedHash hash_;
  SecretBytes<EndpointKeys::kResetKeySize> reset_key_;
  uint8_t worker_key_byte_ = 0;
  SecretBytes<EndpointKeys::kTokenKeySize> token_key_;
  SecretBytes<EndpointKeys::kTokenKeySize> previous_token_key_;
  uint64_t token_key_generation_ = UINT64_MAX;

  BlockPool blocks_;
  SlotMap<Stream> streams_;
  SlotMap<ConnectionSlot> connections_;  // before it, streams: connections let go of theirs
  SlotMap<Tombstone> tombstones_;
  std::deque<std::pair<TimePoint, SlotHandle>> tombstone_order_;
  absl::flat_hash_map<ConnectionId, Owner, IdHash> ids_;
  DeadlineHeap deadlines_;       // by connection
  DeadlineHeap read_deadlines_;  // by stream

  std::vector<SlotHandle> ready_;
  size_t ready_head_ = 0;
  std::deque<Stateless> stateless_;
  std::deque<Event> events_;
  SlotHandle told_closed_;  // whose kSessionClosed was handed out last
  Handover handover_;

  TimePoint now_{};
  bool accepting_;
  uint32_t accepted_ = 0;
  RateLimit resets_;
  RateLimit retries_;
  PrefixLimit prefixes_{hash_, options_.max_unvalidated_per_prefix};
  PrefixLimit handshake_prefixes_{hash_, options_.max_handshakes_per_prefix};
  uint32_t handshakes_ = 0;
  EndpointCounters counters_;
};

}  // namespace culvert::quic
