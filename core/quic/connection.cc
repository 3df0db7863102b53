// Setting up, input, and how a connection ends. Output is in connection_output.cc, the application's side in connection_streams.cc,
// figures in connection_stats.cc.
//
// Flow of a datagram: OnDatagram → ngtcp2 (which calls back for each thing it finds, callbacks.cc) → OnReadResult says whether the
// connection lives on.
#include "core/quic/connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/quic/callbacks.h"
#include "core/quic/ngtcp2_time.h"
#include "core/quic/resumption_store.h"
#include "core/tls/certificate_info.h"

#include <ngtcp2/ngtcp2_crypto.h>

namespace culvert::quic {
namespace {

constexpr uint32_t kLeastPayload = 1200;  // RFC 9000 section 14
// What a peer may send before we have consumed any of it, and how far that may grow while we keep up. ngtcp2 gives a stream up
// that has 8,000 lost packets or 4,000 gaps, so one stream's window stays below that many packets.
constexpr uint64_t kInitialStreamWindow = 512 << 10;
constexpr uint64_t kInitialWindow = 768 << 10;
constexpr uint64_t kMaxStreamWindow = 8 << 20;
constexpr uint64_t kMaxWindow = 24 << 20;
constexpr uint64_t kMaxDatagramFrame = 65535;
// More than any stack issues (ngtcp2 8, quic-go 6): those of a path under validation, its fall-back and retired ones that are still bound
// count together, and a peer that replaced what was retired must not be over the limit.
constexpr uint64_t kActiveIds = 16;
// A first flight that is lost is sent again after 0.3 s, then twice that, then every 1.2 s: of eight seconds, eight tries. (RFC 9002
// assumes 333 ms and doubles without end, which leaves four.) A round trip longer than assumed costs a few packets.
constexpr Duration kAssumedRtt = std::chrono::milliseconds(100);
constexpr uint32_t kHandshakeDoublings = 2;
// The peer adds it to its probe timeout (RFC 9002 section 6.2.1): less than the usual 25 ms lets it notice sooner that the last packet of an
// answer was lost. It costs an acknowledgement now and then where little is sent.
constexpr Duration kMaxAckDelay = std::chrono::milliseconds(10);
constexpr Duration kMtuSearchPause = std::chrono::seconds(60);
// The next search probes from the top: what most paths carry.
constexpr uint16_t kProbeSizes[] = {1472, 1452, 1406, 1352, 1280, 1232};

ngtcp2_cid ToNgtcp2(const ConnectionId& id) {
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, id.bytes.data(), id.size);
  return cid;
}

std::string ErrorText(const ngtcp2_ccerr& error) {
  std::string text = absl::StrCat("error ", error.error_code);
  if (error.reasonlen > 0) {
    absl::StrAppend(&text, ": ",
                    tls::Printable({reinterpret_cast<const char*>(error.reason), error.reasonlen}, 120));
  }
  return text;
}

}  // namespace

Connection::Connection(ConnectionHost& host, SessionHandle handle, TimePoint now, const Setup& setup)
    : host_(host),
      handle_(handle),
      is_server_(setup.is_server),
      local_(setup.local),
      peer_(setup.peer),
      opened_at_(now),
      now_(now),
      resumption_(setup.resumption),
      handshake_(setup.handshake),
      is_validated_(!setup.is_server || !setup.token.empty()),
      limits_(now) {}

Connection::~Connection() {
  for (const auto& [id, stream] : streams_) stream->connection = nullptr;
  for (const auto& [id, stream] : finished_) stream->connection = nullptr;
  if (conn_ != nullptr) ngtcp2_conn_del(conn_);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Create(ConnectionHost& host, SessionHandle handle, TimePoint now,
                                                               const Setup& setup) {
  std::unique_ptr<Connection> connection(new Connection(host, handle, now, setup));
  const ngtcp2_callbacks callbacks = MakeCallbacks();
  CULVERT_RETURN_IF_ERROR(setup.is_server ? connection->CreateServer(now, setup, callbacks)
                                          : connection->CreateClient(now, setup, callbacks));
  connection->handshake_.AttachTo(connection->conn_);
  connection->congestion_ = Congestion::Install(connection->conn_, host.config().congestion_control(), kLeastPayload,
                                                host.random());
  connection->MarkReady();
  return connection;
}

ngtcp2_settings Connection::MakeSettings(TimePoint now, const Setup& setup) {
  const QuicConfig& config = host_.config();
  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.initial_ts = ToTimestamp(now);
  settings.initial_rtt = static_cast<uint64_t>(kAssumedRtt.count());
  settings.cc_algo = Congestion::AlgorithmFor(config.congestion_control());
  settings.max_tx_udp_payload_size = config.max_udp_payload_bytes();
  settings.no_pmtud = config.max_udp_payload_bytes() <= kLeastPayload;
  settings.pmtud_probes = kProbeSizes;
  settings.pmtud_probeslen = std::size(kProbeSizes);
  settings.max_window = kMaxWindow;
  settings.max_stream_window = kMaxStreamWindow;
  settings.handshake_timeout = static_cast<uint64_t>(setup.handshake_timeout.count());
  settings.rand_ctx.native_handle = &host_.random();
  // Both versions, v1 first: v2ray knows no other, and a client of ours offers v2 only by way of compatible negotiation.
  static constexpr uint32_t kVersions[] = {NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2};
  settings.available_versions = kVersions;
  settings.available_versionslen = std::size(kVersions);
  settings.preferred_versions = kVersions;
  settings.preferred_versionslen = std::size(kVersions);
  if (!setup.token.empty()) {
    settings.token = setup.token.data();
    settings.tokenlen = setup.token.size();
    settings.token_type = setup.token_is_retry ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  return settings;
}

ngtcp2_transport_params Connection::MakeParameters() const {
  const QuicConfig& config = host_.config();
  ngtcp2_transport_params parameters;
  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_data = kInitialWindow;
  parameters.initial_max_stream_data_bidi_local = kInitialStreamWindow;
  parameters.initial_max_stream_data_bidi_remote = kInitialStreamWindow;
  parameters.initial_max_stream_data_uni = 0;
  parameters.initial_max_streams_bidi = is_server_ ? config.max_streams_per_session() : 0;
  parameters.initial_max_streams_uni = 0;
  parameters.max_idle_timeout = static_cast<uint64_t>(config.idle_timeout().count());
  parameters.max_udp_payload_size = std::max<uint64_t>(config.max_udp_payload_bytes(), 1452);
  parameters.active_connection_id_limit = kActiveIds;
  parameters.max_ack_delay = static_cast<uint64_t>(kMaxAckDelay.count());
  parameters.disable_active_migration = 0;
  parameters.max_datagram_frame_size = config.datagrams() ? kMaxDatagramFrame : 0;
  parameters.grease_quic_bit = 0;  // a wrapper's peers may look at it
  return parameters;
}

absl::Status Connection::CreateServer(TimePoint now, const Setup& setup, const ngtcp2_callbacks& callbacks) {
  const ngtcp2_settings settings = MakeSettings(now, setup);
  ngtcp2_transport_params parameters = MakeParameters();
  parameters.original_dcid = ToNgtcp2(setup.original_id);
  parameters.original_dcid_present = 1;
  if (setup.retry_id.size > 0) {
    parameters.retry_scid = ToNgtcp2(setup.retry_id);
    parameters.retry_scid_present = 1;
  }
  const ConnectionId own = host_.MakeId(*this, ByteSpan(parameters.stateless_reset_token));
  parameters.stateless_reset_token_present = 1;
  const ngtcp2_cid dcid = ToNgtcp2(setup.peer_id);
  const ngtcp2_cid scid = ToNgtcp2(own);
  const PathStorage path(setup.local, setup.peer);
  const int result = ngtcp2_conn_server_new(&conn_, &dcid, &scid, path.get(), setup.version, &callbacks, &settings,
                                            &parameters, nullptr, this);
  if (result != 0) return absl::InternalError(absl::StrCat("QUIC connection: ", ngtcp2_strerror(result)));
  host_.AddId(setup.retry_id.size > 0 ? setup.retry_id : setup.original_id, *this);
  return absl::OkStatus();
}

absl::Status Connection::CreateClient(TimePoint now, const Setup& setup, const ngtcp2_callbacks& callbacks) {
  const ngtcp2_settings settings = MakeSettings(now, setup);
  const ngtcp2_transport_params parameters = MakeParameters();
  uint8_t unused_token[NGTCP2_STATELESS_RESET_TOKENLEN];
  const ngtcp2_cid scid = ToNgtcp2(host_.MakeId(*this, unused_token));
  ConnectionId first;
  first.size = kConnectionIdSize;
  host_.random().Fill(ByteSpan(first.bytes).first(first.size));
  const ngtcp2_cid dcid = ToNgtcp2(first);
  const PathStorage path(setup.local, setup.peer);
  const int result = ngtcp2_conn_client_new(&conn_, &dcid, &scid, path.get(), NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                            &parameters, nullptr, this);
  if (result != 0) return absl::InternalError(absl::StrCat("QUIC connection: ", ngtcp2_strerror(result)));
  if (handshake_.offers_early_data() && resumption_) {
    if (const auto* remembered = resumption_->FindParameters(handshake_.ticket_key())) {
      static_cast<void>(ngtcp2_conn_decode_and_set_0rtt_transport_params(conn_, remembered->data(), remembered->size()));
    }
  }
  return absl::OkStatus();
}

void Connection::OnDatagram(TimePoint now, ByteSpan bytes, const SocketAddress& peer, Ecn ecn) {
  if (is_over()) return;
  now_ = now;
  ++counters_.rx_datagrams;
  counters_.rx_datagram_bytes += bytes.size();
  // Mostly it comes from where the last one came from.
  const PathStorage path(local_, peer);
  ngtcp2_pkt_info info{.ecn = static_cast<uint8_t>(ecn)};
  int result;
  is_authentic_ = false;
  stopped_by_peer_.clear();
  {
    const ReadingScope scope(*this);
    result = ngtcp2_conn_read_pkt(conn_, path.get(), &info, bytes.data(), bytes.size(), ToTimestamp(now));
  }
  OnReadResult(now, result);
  if (is_over()) return;
  congestion_->WatchAfterPathChange(now);
  HandleStops();
  HandleResets();
  EndStoppedStreams();
  if (early_data_rejected_) ReopenStreams();
  if (is_authentic_) {
    heard_at_ = now;
    OnHeard();
  }
  UpdatePeer();
  MarkReady();
}

void Connection::OnReadResult(TimePoint now, int result) {
  if (result == 0 && is_flooded_) {
    ngtcp2_ccerr_set_transport_error(&close_error_, NGTCP2_PROTOCOL_VIOLATION, nullptr, 0);
    return Fail(now, CloseReason::kProtocolError, "PROTOCOL_ERROR", "the peer sent too many frames that carry no data", false);
  }
  if (refusal_alert_ != 0) {
    ngtcp2_ccerr_set_tls_alert(&close_error_, refusal_alert_, nullptr, 0);
    Handshake::Failure failure = handshake_.TakeLocalFailure();
    return Fail(now, CloseReason::kHandshakeFailed, std::move(failure.reason), std::move(failure.message), false);
  }
  if (result == 0) return;
  switch (result) {
    case NGTCP2_ERR_DRAINING:
      return OnPeerClosed(now);
    case NGTCP2_ERR_DROP_CONN:
      return Fail(now, CloseReason::kNeverValidated, "", "", true);
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      return Fail(now, CloseReason::kHandshakeFailed, "PROTOCOL_ERROR", "the peer speaks no QUIC version of ours", true);
    case NGTCP2_ERR_CRYPTO: {
      ngtcp2_ccerr_set_tls_alert(&close_error_, ngtcp2_conn_get_tls_alert(conn_), nullptr, 0);
      Handshake::Failure failure = handshake_.TakeLocalFailure();
      return Fail(now, CloseReason::kHandshakeFailed, std::move(failure.reason), std::move(failure.message), false);
    }
    default:
      ngtcp2_ccerr_set_liberr(&close_error_, result, nullptr, 0);
      return Fail(now, state_ == State::kHandshaking ? CloseReason::kHandshakeFailed : CloseReason::kProtocolError,
                  "PROTOCOL_ERROR", absl::StrCat("the peer broke the protocol: ", ngtcp2_strerror(result)), false);
  }
}

void Connection::OnPeerClosed(TimePoint now) {
  if (is_reset_by_peer_) {
    return Fail(now, CloseReason::kPeer, "STATELESS_RESET",
                "the peer no longer knows this connection (stateless reset); it was probably restarted", true);
  }
  const ngtcp2_ccerr& error = *ngtcp2_conn_get_ccerr(conn_);
  constexpr uint64_t kCryptoError = 0x100;  // RFC 9000 section 20.1: 0x100 to 0x1ff carry a TLS alert
  const bool is_transport = error.type == NGTCP2_CCERR_TYPE_TRANSPORT;
  if (is_transport && error.error_code >= kCryptoError && error.error_code <= kCryptoError + 0xff) {
    Handshake::Failure failure = Handshake::FailureFromAlert(static_cast<uint8_t>(error.error_code - kCryptoError));
    return Fail(now, state_ == State::kHandshaking ? CloseReason::kHandshakeFailed : CloseReason::kPeer,
                std::move(failure.reason), std::move(failure.message), true);
  }
  if (is_transport && error.error_code == NGTCP2_CONNECTION_REFUSED) {
    return Fail(now, CloseReason::kRefused, "CONNECTION_REFUSED", "the peer takes no connections now", true);
  }
  // Application errors are the peer's to define: it closed the connection, whatever for. 0 is an end in order.
  const bool is_in_order = error.error_code == 0;
  Fail(now, is_in_order || state_ == State::kEstablished ? CloseReason::kPeer : CloseReason::kHandshakeFailed,
       is_in_order || !is_transport ? "PEER_CLOSED" : "PROTOCOL_ERROR",
       is_in_order ? "the peer closed the connection" : absl::StrCat("the peer closed the connection with ", ErrorText(error)),
       true);
}

void Connection::OnHandshakeOver() {
  if (is_server_ && !std::exchange(is_handshake_over_, true)) host_.OnHandshakeOver(*this);
}

bool Connection::OnHandshakeDone() {
  state_ = State::kEstablished;
  OnHandshakeOver();
  handshake_time_ = now_ - opened_at_;
  refusal_alert_ = handshake_.JudgeResumedClient();
  if (refusal_alert_ != 0) return false;
  // For a server the handshake is confirmed when it is done (RFC 9001 section 4.1.2); ngtcp2 tells only clients.
  if (is_server_) is_confirmed_ = true;
  tls_info_ = handshake_.Describe();
  if (is_server_) {
    if (!std::exchange(is_validated_, true)) host_.OnValidated(*this);
    const std::vector<uint8_t> token = host_.MakeToken(now_, peer_);
    if (!token.empty()) static_cast<void>(ngtcp2_conn_submit_new_token(conn_, token.data(), token.size()));
  } else if (resumption_) {
    std::vector<uint8_t> parameters(256);
    const ngtcp2_ssize size = ngtcp2_conn_encode_0rtt_transport_params(conn_, parameters.data(), parameters.size());
    if (size > 0) {
      parameters.resize(static_cast<size_t>(size));
      resumption_->PutParameters(handshake_.ticket_key(), std::move(parameters));
    }
  }
  if (!std::exchange(is_announced_, true)) host_.Emit({Event::Kind::kSessionOpened, {}, {}, handle_});
  NoteWhetherStreamsAreLeft();
  UpdateKeepAlive();
  return true;
}

void Connection::OnTimeout(TimePoint now) {
  if (is_over()) return;
  now_ = now;
  if (now >= close_at_) {
    close_at_ = kInfiniteFuture;  // should the peer have opened another stream
    if (streams_.empty()) return Abort(now, CloseReason::kLocal);
  }
  while (!graces_.empty() && graces_.front().first <= now) {
    const int64_t id = graces_.front().second;
    graces_.pop_front();
    // The peer was given time to finish; v2ray answers this with RESET_STREAM (quirks Q8).
    if (!streams_.contains(id)) continue;
    static_cast<void>(ngtcp2_conn_shutdown_stream_read(conn_, 0, id, 0));
    stopped_.push_back(id);
  }
  if (const uint64_t ts = ToTimestamp(now); ngtcp2_conn_get_expiry(conn_) <= ts) {
    const int result = ngtcp2_conn_handle_expiry(conn_, ts);
    congestion_->OnTimerHandled(now);
    if (result != 0) return OnExpired(now, result);
    congestion_->WatchAfterPathChange(now);
    UpdatePeer();  // a new path may have been given up
    if (!is_confirmed_) congestion_->CapTimeouts(kHandshakeDoublings, now);
    if (congestion_->pto_count() == 0) stall_probes_ = 0;
    UpdateMtu(now);
  }
  OnQuiet(now);
  if (now >= mtu_search_at_) {
    mtu_search_at_ = kInfiniteFuture;
    if (!congestion_->RestartMtuSearch(host_.config().max_udp_payload_bytes())) mtu_search_at_ = now + kMtuSearchPause;
  }
  MarkReady();
}

void Connection::OnExpired(TimePoint now, int result) {
  const bool has_answered = counters_.rx_datagrams > 0;
  switch (result) {
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      return Fail(now, is_unvalidated() ? CloseReason::kNeverValidated : CloseReason::kHandshakeTimeout,
                  has_answered ? "HANDSHAKE_TIMEOUT" : "NO_ANSWER",
                  has_answered ? "the handshake was not done in time"
                               : "nothing came back: are address, outer security, key and header the same there?",
                  !has_answered || is_unvalidated());
    case NGTCP2_ERR_IDLE_CLOSE: {
      const bool had_something_to_say = congestion_->pto_count() > 0;
      if (state_ == State::kHandshaking) return OnExpired(now, NGTCP2_ERR_HANDSHAKE_TIMEOUT);
      return Fail(now, had_something_to_say ? CloseReason::kPathDown : CloseReason::kIdleTimeout,
                  had_something_to_say ? "PATH_DOWN" : "IDLE_TIMEOUT",
                  had_something_to_say ? "nothing was acknowledged until the idle timeout: the path or the peer is down"
                                       : "nothing was sent or received until the idle timeout",
                  true);
    }
    default:
      ngtcp2_ccerr_set_liberr(&close_error_, result, nullptr, 0);
      return Fail(now, CloseReason::kProtocolError, "PROTOCOL_ERROR", ngtcp2_strerror(result), false);
  }
}

void Connection::Fail(TimePoint now, CloseReason reason, std::string error_reason, std::string message, bool is_silent) {
  if (is_over()) return;
  now_ = now;
  const bool was_unvalidated = is_unvalidated();
  if (was_unvalidated) {
    is_uncounted_ = true;
    host_.OnValidated(*this);
  }
  close_reason_ = reason;
  error_reason_ = std::move(error_reason);
  error_message_ = std::move(message);
  is_silent_ = is_silent;
  counters_.flow_blocked_time += blocked_since_ == kInfiniteFuture ? Duration::zero() : now - blocked_since_;
  blocked_since_ = kInfiniteFuture;
  state_ = State::kClosing;
  close_at_ = kInfiniteFuture;
  EndStreams(reason);
  limits_.Enter(FindLimit(now), now);
  // Of a client that was never announced only a failure is worth telling, and a forged one is none.
  const bool has_failed =
      reason == CloseReason::kHandshakeFailed || (reason == CloseReason::kHandshakeTimeout && !was_unvalidated);
  if (is_announced_ || !is_server_ || has_failed) {
    host_.Emit({Event::Kind::kSessionClosed, {}, reason, handle_});
  } else {
    is_closed_told = true;
  }
  OnHandshakeOver();
  MarkReady();
}

void Connection::Abort(TimePoint now, CloseReason reason) {
  if (is_over()) return;
  if (reason == CloseReason::kRefused) {
    ngtcp2_ccerr_set_transport_error(&close_error_, NGTCP2_CONNECTION_REFUSED, nullptr, 0);
  } else {
    ngtcp2_ccerr_set_application_error(&close_error_, reason == CloseReason::kLocal ? 0 : 1, nullptr, 0);
  }
  // Who never answered is told nothing: there is nobody, or somebody whose address was forged.
  Fail(now, reason, "", "", state_ == State::kHandshaking && (is_server_ ? is_unvalidated() : counters_.rx_datagrams == 0));
}

void Connection::CloseWhenIdle(TimePoint now) {
  closes_when_idle_ = true;
  UpdateKeepAlive();
  if (!streams_.empty()) return;
  if (state_ != State::kEstablished || now - last_stream_over_at_ >= kLastAcknowledgement) return Abort(now, CloseReason::kLocal);
  MarkReady();
}

void Connection::UpdatePeer() {
  const ngtcp2_path* path = ngtcp2_conn_get_path(conn_);
  const SocketAddress peer = ToSocketAddress(path->remote);
  if (peer == peer_) return;
  peer_ = peer;
  ++counters_.path_migrations;
}

void Connection::UpdateMtu(TimePoint now) {
  if (stall_probes_ == 0 && !congestion_->LargeDatagramsVanish(now)) return;
  if (ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_) <= kLeastPayload) return;
  if (!congestion_->ReduceToMinimumMtu()) return;
  ++counters_.path_mtu_reductions;
  mtu_search_at_ = now + kMtuSearchPause;
}

void Connection::MigrateTo(TimePoint now, const SocketAddress& local) {
  if (is_over() || is_server_ || !host_.config().migration() || local == local_) return;
  now_ = now;
  const PathStorage path(local, peer_);
  // An immediate one: the old address is gone, so there is nothing to fall back to (RFC 9000 section 9.2).
  if (ngtcp2_conn_initiate_immediate_migration(conn_, path.get(), ToTimestamp(now)) != 0) return;
  congestion_->WatchAfterPathChange(now);
  local_ = local;
  ++counters_.path_migrations;
  MarkReady();
}

void Connection::UpdateKeys(TimePoint now) {
  if (is_over() || ngtcp2_conn_initiate_key_update(conn_, ToTimestamp(now)) != 0) return;
  MarkReady();
}

Duration Connection::closing_time() const { return 3 * Duration(static_cast<int64_t>(ngtcp2_conn_get_pto(conn_))); }

}  // namespace culvert::quic
