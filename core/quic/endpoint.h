// quic::Endpoint: QUIC (RFC 9000, 9001, 9002, 9221, 9369) behind culvert::Endpoint, on ngtcp2 and BoringSSL. One UDP socket's
// worth of connections, looked up by destination connection id; it accepts them, opens them, or both.
//
// A session is a QUIC connection. Its streams are tunnelled connections: bidirectional, without framing, with half-close
// and resets in both directions. Datagrams are RFC 9221's, each of a stream as in RFC 9297 section 2.1. Peers' bytes go through v2ray's wrapper where the config has one.
//
// A peer that has not proved its address gets at most 3 times the bytes it sent (RFC 9000 section 8.1).
// Thread: confined to one worker. Source: RFC 9000; spec/quic.md; reliability.md T20 to T30.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/base/random.h"
#include "core/quic/config.h"
#include "core/quic/endpoint_keys.h"
#include "core/tls/session_cache.h"
#include "core/tls/tls_connection.h"
#include "core/tls/tls_context.h"
#include "core/transport/endpoint.h"

namespace culvert::quic {

// What earlier sessions to one place left for later ones: tickets, the transport parameters that 0-RTT needs, and tokens that
// spare the peer a Retry. Each is used once. Thread: owned by one worker.
class ResumptionStore;
std::shared_ptr<ResumptionStore> CreateResumptionStore();

struct EndpointOptions {
  std::shared_ptr<const QuicConfig> config;
  uint32_t worker = 0;                    // 0..255, goes into connection ids
  uint32_t workers = 1;                   // of this listener: to whom datagrams may be handed over. 1: to nobody
  bool accepts = false;                   // a listener's socket
  std::shared_ptr<const tls::TlsContext> server_tls;  // accepts only; see SetServerTls
  std::shared_ptr<EndpointKeys> keys;     // shared by all workers of a daemon
  SocketAddress local;                    // of the socket
  // Unix time at TimePoint zero, for the age of tokens, which outlive the process. The validity of certificates is judged by
  // `wall_clock` (Unix seconds; nullptr: the system's).
  int64_t unix_ns_at_epoch = 0;
  int64_t (*wall_clock)() = nullptr;
  uint32_t max_sessions = 65536;                 // accepted
  uint32_t retry_above_handshakes = 128;         // unvalidated handshakes from which on new peers must Retry (T20)
  uint32_t max_unvalidated_per_prefix = 32;      // handshakes of one /24 or /56 that has not proved its addresses
  // Handshakes under way of peers that proved their addresses as well: they cost memory and processor time all the same.
  uint32_t max_handshakes = 4096;
  uint32_t max_handshakes_per_prefix = 1024;
  uint32_t max_resets_per_second = 1000;         // stateless resets (T26)
  uint32_t max_retries_per_second = 20000;
};

struct ConnectOptions {
  SocketAddress peer;
  std::shared_ptr<const tls::TlsContext> tls;    // of a client
  std::string server_name;                       // SNI and the name to verify; may be an IP address
  std::shared_ptr<ResumptionStore> resumption;   // nullptr: neither resumes nor remembers
  Duration handshake_timeout = std::chrono::seconds(8);
};

// What is known of a session besides its figures.
struct SessionInfo {
  bool outgoing = false;
  bool established = false;                      // its handshake is done
  tls::TlsInfo tls;                              // once established
  Duration handshake_time{};                     // once established
  uint32_t version = 0;                          // QUIC version in use
  bool early_data_accepted = false;
  // Why it ended or could not begin; the names are the API's reasons: HANDSHAKE_TIMEOUT, NO_ANSWER (nothing came at all),
  // TLS_ALERT, PEER_IDENTITY_REJECTED, TLS_PROTOCOL, CONNECTION_REFUSED, STATELESS_RESET, IDLE_TIMEOUT, PATH_DOWN, PROTOCOL_ERROR,
  // PEER_CLOSED; empty: it has not, or was ended here.
  std::string error_reason;
  std::string error_message;                     // for people: one line, no control characters, no secrets
};

// A datagram that another worker's connection is to have, already without its wrapper.
struct Handover {
  uint32_t worker = 0;
  ByteView bytes;  // good until the next call
};

// The most that may stand before a datagram's payload (an address with a name is at most so long).
inline constexpr size_t kMostDatagramHead = 272;

class Endpoint : public culvert::Endpoint {
 public:
  // Begins a session. kSessionOpened or kSessionClosed follows. RESOURCE_EXHAUSTED, INVALID_ARGUMENT (no TLS context).
  [[nodiscard]] virtual absl::StatusOr<SessionHandle> ConnectSession(TimePoint now, const ConnectOptions& options) = 0;
  // Opens a stream on a session, usable at once, and tells the peer with an empty STREAM frame, so that a server may speak
  // first. Before the handshake is done only where 0-RTT is in use. nullopt: no stream is left for now, the session is not
  // established, or it is gone.
  [[nodiscard]] virtual std::optional<StreamHandle> OpenStream(TimePoint now, SessionHandle session) = 0;
  // Streams of a session now, and its round trip (zero: not known). Cheaper than all its figures.
  [[nodiscard]] virtual uint32_t OpenStreams(SessionHandle session) const = 0;
  [[nodiscard]] virtual Duration SmoothedRtt(SessionHandle session) const = 0;
  // How many OpenStream would grant now. Once that is none, kStreamsAvailable follows when it is some again.
  [[nodiscard]] virtual uint32_t AvailableStreams(SessionHandle session) const = 0;
  // A null handle for a stale one.
  [[nodiscard]] virtual SessionHandle SessionOf(StreamHandle stream) const = 0;
  [[nodiscard]] virtual std::optional<SessionInfo> GetSessionInfo(SessionHandle session) const = 0;
  // Ends a session in order: streams that are open go on until they end, none is opened any more, then it closes, when the peer
  // can know that its last end was heard (30 ms). With no stream open, nor a moment ago, it closes at once.
  virtual void CloseSession(TimePoint now, SessionHandle session) = 0;

  // Keeps a session alive although no stream is open, or no longer.
  virtual void KeepAlive(SessionHandle session, bool keep) = 0;

  // Queues a datagram that belongs to a stream: `head`, at most kMostDatagramHead bytes, and `payload` behind it. False: the session
  // takes none, it does not fit into one packet (MaxDatagramBytes), or the stream is gone. When the stream's queue is full, the oldest
  // in it is dropped. Datagrams are neither acknowledged to us nor sent again, and may overtake the stream.
  [[nodiscard]] virtual bool SendDatagram(StreamHandle stream, ByteView head, ByteView payload) = 0;
  [[nodiscard]] virtual size_t MaxDatagramBytes(StreamHandle stream) const = 0;  // 0: the peer takes none
  // How many may wait for a stream, kept until it ends. Default: 256.
  virtual void SetDatagramQueue(StreamHandle stream, size_t packets) = 0;
  // Those that had to make room, so far.
  [[nodiscard]] virtual uint64_t DroppedDatagrams(StreamHandle stream) const = 0;
  // The oldest received datagram and its stream; false: none. The view is good until the next call for this session.
  [[nodiscard]] virtual bool TakeDatagram(SessionHandle session, StreamHandle& stream, ByteView& bytes) = 0;

  // The certificate that new connections are shown from now on.
  virtual void SetServerTls(std::shared_ptr<const tls::TlsContext> tls) = 0;
  // After OnDatagram answered kHandedOver: where the datagram must go. To be asked at once.
  [[nodiscard]] virtual Handover TakeHandover() = 0;
  // A datagram that another worker's endpoint handed over to this one.
  [[nodiscard]] virtual DropReason OnHandedOver(TimePoint now, Datagram& datagram) = 0;
  // The system would use another local address towards the session's peer from now on: moves the session there, with a new
  // connection id (RFC 9000 section 9). Without effect when migration is off or the peer forbids it.
  virtual void MigrateTo(TimePoint now, SessionHandle session, const SocketAddress& local) = 0;
  // Begins a key update (RFC 9001 section 6). Happens by itself long before a key is used up.
  virtual void UpdateKeys(TimePoint now, SessionHandle session) = 0;
};

// `random` must outlive the endpoint. ngtcp2 and BoringSSL draw their own from the system as well.
std::unique_ptr<Endpoint> CreateEndpoint(const EndpointOptions& options, RandomSource& random);

}  // namespace culvert::quic
