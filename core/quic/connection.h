// Connection: one ngtcp2_conn with its TLS, its streams and its congestion controller. It moves bytes between the streams' buffers and
// packets, keeps the connection alive while it is needed, and says in the API's words why it ended.
//
//   inputs    OnDatagram, OnTimeout, and what the application asks for; they change state and never send
//   outputs   Flush writes packets; events go to the host at once
//   the end   Fail or Close make it kClosing; once its last packet is written (Flush) it is kClosed and may be buried
//
// Thread: one endpoint's. Source: RFC 9000, 9001, 9002, 9221.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/congestion/pacer.h"
#include "core/quic/congestion.h"
#include "core/quic/connection_host.h"
#include "core/quic/control_frame_limit.h"
#include "core/quic/endpoint.h"
#include "core/quic/handshake.h"
#include "core/quic/ngtcp2_address.h"
#include "core/quic/stream.h"
#include "core/transport/limit_clock.h"
#include "core/transport/packet_queue.h"

namespace culvert::quic {

class Connection {
 public:
  // A drained connection closes this long after its last stream. Longer than an acknowledgement is held back (RFC 9000 section 13.2.1): a peer told of the end before it knows that its own was heard would take it for a failure.
  static constexpr Duration kLastAcknowledgement = std::chrono::milliseconds(30);

  enum class State : uint8_t { kHandshaking, kEstablished, kClosing, kClosed };

  struct Setup {
    bool is_server = false;
    SocketAddress local;
    SocketAddress peer;
    Handshake::Options handshake;
    Duration handshake_timeout{};
    std::shared_ptr<ResumptionStore> resumption;  // client
    // Server: of the client's first packet.
    uint32_t version = 0;
    ConnectionId peer_id;           // its source connection id
    ConnectionId original_id;       // the destination connection id of its very first packet
    ConnectionId retry_id;          // of the Retry it answers; empty: none
    std::vector<uint8_t> token;     // as it showed it
    bool token_is_retry = false;
  };

  // INTERNAL: ngtcp2 refused the settings.
  static absl::StatusOr<std::unique_ptr<Connection>> Create(ConnectionHost& host, SessionHandle handle, TimePoint now,
                                                            const Setup& setup);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `bytes`: without the wrapper.
  void OnDatagram(TimePoint now, ByteSpan bytes, const SocketAddress& peer, Ecn ecn);
  void OnTimeout(TimePoint now);
  // False: the sink is full, there is more.
  [[nodiscard]] bool Flush(TimePoint now, DatagramSink& sink);
  // When OnTimeout and Flush want to be called.
  [[nodiscard]] TimePoint NextTimeout() const;

  // The application's side; see quic/endpoint.h and transport/endpoint.h.
  [[nodiscard]] Stream* OpenStream(TimePoint now);
  [[nodiscard]] uint32_t AvailableStreams() const;
  [[nodiscard]] size_t WritableBytes(const Stream& stream) const;
  [[nodiscard]] size_t Write(Stream& stream, ByteView bytes);
  void Consume(Stream& stream, size_t size);
  // Its kClosed was handed out.
  void LetGo(Stream& stream);
  void FinishWriting(Stream& stream);
  // The application lets go of the stream; it may be gone when this returns.
  void CloseStream(TimePoint now, Stream& stream);
  void AbortStream(Stream& stream, CloseReason reason);
  [[nodiscard]] bool SendDatagram(Stream& stream, ByteView head, ByteView payload);
  [[nodiscard]] size_t MaxDatagramBytes(const Stream& stream) const;
  [[nodiscard]] bool TakeDatagram(StreamHandle& stream, ByteView& bytes);
  // What waits for the stream is not sent any more.
  void DropDatagrams(Stream& stream);
  void SetKeepAlive(bool keep);
  void MigrateTo(TimePoint now, const SocketAddress& local);
  void UpdateKeys(TimePoint now);
  // In order: once no stream is open.
  void CloseWhenIdle(TimePoint now);
  void Abort(TimePoint now, CloseReason reason);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool is_server() const { return is_server_; }
  [[nodiscard]] bool is_over() const { return state_ >= State::kClosing; }
  [[nodiscard]] SessionHandle handle() const { return handle_; }
  [[nodiscard]] const SocketAddress& peer() const { return peer_; }
  // It counts among those that have not proved their address.
  [[nodiscard]] bool is_unvalidated() const { return is_server_ && !is_validated_ && !is_uncounted_; }
  [[nodiscard]] uint32_t open_streams() const { return static_cast<uint32_t>(streams_.size()); }
  [[nodiscard]] Duration smoothed_rtt() const;
  [[nodiscard]] SessionInfo info() const;
  [[nodiscard]] SessionStats GetStats(TimePoint now) const;
  [[nodiscard]] SendLimit limited_by(const Stream& stream) const { return stream.limits.Current(limits_); }
  [[nodiscard]] TimeInLimit TimeInLimitOf(const Stream& stream, TimePoint now) const { return stream.limits.Totals(limits_, now); }

  // The datagram to repeat for who goes on sending to a closed connection, without its wrapper; empty: stay silent (RFC 9000 section 10.2).
  [[nodiscard]] const std::vector<uint8_t>& last_words() const { return last_words_; }
  // How long that, and silence towards late packets, is due.
  [[nodiscard]] Duration closing_time() const;
  // Endpoint's mark: in its list of connections that have something to do.
  bool is_ready = false;
  bool is_closed_told = false;  // kSessionClosed was handed out

 private:
  friend struct Callbacks;  // callbacks.cc: what ngtcp2 tells us

  Connection(ConnectionHost& host, SessionHandle handle, TimePoint now, const Setup& setup);
  absl::Status CreateServer(TimePoint now, const Setup& setup, const ngtcp2_callbacks& callbacks);
  absl::Status CreateClient(TimePoint now, const Setup& setup, const ngtcp2_callbacks& callbacks);
  ngtcp2_settings MakeSettings(TimePoint now, const Setup& setup);
  ngtcp2_transport_params MakeParameters() const;

  // What ngtcp2 tells through the callbacks.
  [[nodiscard]] bool OnHandshakeDone();  // false: refused
  void OnHandshakeOver();
  void OnStreamOpened(int64_t id);
  void OnStreamData(Stream& stream, bool fin, ByteView bytes);
  void OnStreamAcked(Stream& stream, uint64_t until);
  void OnStreamReset(Stream& stream);
  void OnStopSending(Stream& stream);
  void OnStreamOver(Stream& stream);
  void OnStreamRoom(Stream& stream);
  void HandleResets();  // after ngtcp2 has returned, as is the next
  void HandleStops();
  void EndStoppedStreams();
  void OnEarlyDataRejected();
  void OnDatagramFrame(ByteView bytes);
  void ReopenStreams();

  // Output.
  struct PacketOutcome {
    ngtcp2_ssize size = 0;  // below 0: an error of ngtcp2
    Ecn ecn = Ecn::kNotEct;
  };
  PacketOutcome WritePacket(TimePoint now, ByteSpan out);
  PacketOutcome WriteAcknowledgement(TimePoint now, ByteSpan out);
  ngtcp2_ssize OfferStream(TimePoint now, Stream& stream, ByteSpan out, ngtcp2_pkt_info& packet);
  ngtcp2_ssize OfferDatagrams(TimePoint now, ByteSpan out, ngtcp2_pkt_info& packet);
  [[nodiscard]] size_t MaxDatagramFrame() const;  // with the stream's id
  void OnStreamOffered(Stream& stream, int64_t taken, size_t offered, bool with_fin);
  bool Send(TimePoint now, DatagramSink& sink, ByteSpan slot, const PacketOutcome& packet);
  bool WriteClose(TimePoint now, DatagramSink& sink);
  void Queue(Stream& stream);

  void OnReadResult(TimePoint now, int result);
  void OnPeerClosed(TimePoint now);
  void OnExpired(TimePoint now, int result);
  void Fail(TimePoint now, CloseReason reason, std::string error_reason, std::string message, bool is_silent);
  void EndStreams(CloseReason reason);
  void TellRoom(Stream& stream);
  void TellIfRefused(Stream& stream);
  void Release(Stream& stream);
  void Forget(Stream& stream);
  void TellClosed(Stream& stream, CloseReason reason);
  void UpdateKeepAlive();
  [[nodiscard]] Duration QuietTime() const;
  void OnHeard();
  void OnQuiet(TimePoint now);
  void UpdatePeer();
  void UpdateMtu(TimePoint now);
  void UpdateFlowBlocked(TimePoint now);

  // What limits the connection and its streams.
  [[nodiscard]] SendLimit FindLimit(TimePoint now) const;
  [[nodiscard]] StreamLimitClock::Hold HoldOf(const Stream& stream) const;
  void Touch(Stream& stream);  // its limit may be another
  void AccountLimits(TimePoint now);
  [[nodiscard]] bool HasTouchedAll() const;
  void Enter(Stream& stream, const StreamLimitClock::Hold& hold, TimePoint now);
  void EndAccounting(Stream& stream);
  [[nodiscard]] bool IsConnectionBlocked() const;  // by the peer's window for all streams together
  void TellAllRoom();
  void NoteWhetherStreamsAreLeft();
  void MarkReady() { host_.MarkReady(*this); }
  [[nodiscard]] size_t UnsentLimit() const;
  [[nodiscard]] bool is_draining_in_order() const {
    return closes_when_idle_ && streams_.empty() && state_ == State::kEstablished;
  }

  ConnectionHost& host_;
  const SessionHandle handle_;
  const bool is_server_;
  State state_ = State::kHandshaking;
  SocketAddress local_;
  SocketAddress peer_;
  TimePoint opened_at_;
  TimePoint now_;  // of the call under way, for callbacks
  Duration handshake_time_{};
  std::shared_ptr<ResumptionStore> resumption_;
  Handshake handshake_;
  ngtcp2_conn* conn_ = nullptr;
  std::unique_ptr<Congestion> congestion_;
  congestion::Pacer pacer_;
  ControlFrameLimit control_frames_;
  tls::TlsInfo tls_info_;
  bool is_confirmed_ = false;     // RFC 9001 section 4.1.2: the peer has our end of the handshake as well
  bool is_announced_ = false;     // kSessionOpened was emitted
  bool is_validated_ = false;     // the peer proved its address; of a server's peer
  bool is_uncounted_ = false;     // it ended before that
  bool is_handshake_over_ = false;  // done or failed, and the host was told; of a server's
  bool early_data_rejected_ = false;
  bool is_flooded_ = false;        // the peer sent more control frames than it may
  bool is_authentic_ = false;      // something in the datagram under way was the peer's
  bool is_reset_by_peer_ = false;  // a stateless reset came
  uint8_t refusal_alert_ = 0;      // a resumed client that is not welcome any more

  std::map<int64_t, Stream*> streams_;  // by id; those that ngtcp2 still has
  std::map<int64_t, Stream*> finished_;  // those that only the application still has
  std::deque<Stream*> send_queue_;
  std::vector<int64_t> resets_;         // streams the peer reset in the call under way
  std::vector<int64_t> stopped_;        // streams of which we want no more, told so
  std::vector<int64_t> stopped_by_peer_;  // STOP_SENDING in the call under way, perhaps
  PathStorage path_;                    // where ngtcp2 says where a packet goes
  std::deque<std::pair<TimePoint, int64_t>> graces_;  // closed here, the peer has not finished: STOP_SENDING then
  uint64_t unsent_bytes_ = 0;           // of all streams
  uint64_t held_bytes_ = 0;             // of all streams: unsent, or sent and not acknowledged
  bool holds_all_it_may_ = false;       // writes were refused for that
  TimePoint last_stream_over_at_{};
  TimePoint close_at_ = kInfiniteFuture;  // drained: closes once the peer can have our last acknowledgement
  uint32_t blocked_streams_ = 0;
  TimePoint blocked_since_ = kInfiniteFuture;
  bool wants_streams_ = false;          // OpenStream was refused
  bool has_no_streams_left_ = false;    // it would be
  bool keeps_alive_ = false;
  bool closes_when_idle_ = false;
  Duration keep_alive_{};               // as set in ngtcp2; zero: off
  TimePoint heard_at_{};
  uint32_t datagrams_on_end_ = 0;       // since the peer was last silent for long
  Duration quiet_time_{};               // of silence after which it is asked next; zero: the usual keep-alive does
  TimePoint stall_probe_at_ = kInfiniteFuture;
  uint32_t stall_probes_ = 0;           // that were not answered
  TimePoint mtu_search_at_ = kInfiniteFuture;
  bool is_paced_ = false;               // the pacer ended the last Flush, and is to begin the next
  LimitClock limits_;
  std::vector<Stream*> touched_streams_;
  uint32_t full_streams_ = 0;           // whose writes are refused although nothing of them waits to be sent

  std::vector<Stream*> datagram_streams_;  // with datagrams to send
  size_t next_datagram_stream_ = 0;        // whose turn it is
  bool datagrams_had_turn_ = false;        // the packet before began with them
  PacketQueue datagrams_in_;               // each behind the handle of its stream
  bool shows_datagram_ = false;            // the first of them was handed out

  uint32_t prepared_keys_ = 0;
  CloseReason close_reason_ = CloseReason::kNone;
  std::string error_reason_;
  std::string error_message_;
  bool is_silent_ = false;
  ngtcp2_ccerr close_error_{};
  std::vector<uint8_t> last_words_;

  SessionStats counters_;  // the cumulative part
};

}  // namespace culvert::quic
