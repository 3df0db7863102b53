#include "tests/unit/quic/conn_pair.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/base/check.h"
#include "core/quic/ngtcp2_time.h"
#include "tests/testing/certificate_maker.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_boringssl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace culvert::quic {
namespace {

constexpr size_t kWireOverhead = 28;  // IPv4 and UDP
constexpr uint8_t kAlpn[] = {4, 't', 'e', 's', 't'};
constexpr size_t kIdSize = 8;
constexpr size_t kMaxDatagram = 1500;
// A datagram's tag on the link: the client's port, and its ECN bits above that.
constexpr int kEcnShift = 16;

sockaddr_in Address(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

constexpr uint16_t kServerPort = 1000;

// A path as one end sees it; the addresses must stay.
struct Path {
  Path(uint16_t local_port, uint16_t remote_port) : local(Address(local_port)), remote(Address(remote_port)) {
    path.local = {reinterpret_cast<ngtcp2_sockaddr*>(&local), sizeof local};
    path.remote = {reinterpret_cast<ngtcp2_sockaddr*>(&remote), sizeof remote};
  }
  sockaddr_in local;
  sockaddr_in remote;
  ngtcp2_path path{};
};

}  // namespace

struct ConnPair::Tls {
  explicit Tls(bool is_server) : context(SSL_CTX_new(TLS_method())) {
    SSL_CTX* raw = context.get();
    if (!is_server) {
      CULVERT_CHECK(ngtcp2_crypto_boringssl_configure_client_context(raw) == 0);
      return;
    }
    CULVERT_CHECK(ngtcp2_crypto_boringssl_configure_server_context(raw) == 0);
    const testing::Certificate made = testing::MakeSelfSigned({"far.example"});
    bssl::UniquePtr<BIO> certificate_pem(BIO_new_mem_buf(made.certificate_pem.data(), static_cast<int>(made.certificate_pem.size())));
    bssl::UniquePtr<BIO> key_pem(BIO_new_mem_buf(made.private_key_pem.data(), static_cast<int>(made.private_key_pem.size())));
    bssl::UniquePtr<X509> certificate(PEM_read_bio_X509(certificate_pem.get(), nullptr, nullptr, nullptr));
    bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr));
    CULVERT_CHECK(SSL_CTX_use_certificate(raw, certificate.get()) == 1 && SSL_CTX_use_PrivateKey(raw, key.get()) == 1);
    SSL_CTX_set_alpn_select_cb(
        raw,
        [](SSL*, const uint8_t** out, uint8_t* size, const uint8_t*, unsigned, void*) {
          *out = kAlpn + 1;
          *size = kAlpn[0];
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
  }
  bssl::UniquePtr<SSL_CTX> context;
  std::unique_ptr<Tls> server;
};

struct ConnPair::End {
  ConnPair* pair = nullptr;
  bool is_server = false;
  ngtcp2_conn* conn = nullptr;
  std::unique_ptr<Congestion> congestion;
  congestion::Pacer pacer;
  bssl::UniquePtr<SSL> ssl;
  ngtcp2_crypto_conn_ref reference{};
  bool is_held_back = false;  // by the pacer

  ~End() { ngtcp2_conn_del(conn); }
};

struct ConnPairCallbacks {
  static ConnPair::End& EndOf(void* user) { return *static_cast<ConnPair::End*>(user); }

  static int NewId(ngtcp2_conn*, ngtcp2_cid* id, uint8_t* token, size_t size, void* user) {
    std::array<uint8_t, kIdSize> bytes;
    CULVERT_CHECK(size == bytes.size());
    EndOf(user).pair->random_.Fill(bytes);
    ngtcp2_cid_init(id, bytes.data(), bytes.size());
    EndOf(user).pair->random_.Fill(ByteSpan(token, NGTCP2_STATELESS_RESET_TOKENLEN));
    return 0;
  }

  static int OnData(ngtcp2_conn* conn, uint32_t, int64_t stream, uint64_t, const uint8_t*, size_t size, void* user, void*) {
    EndOf(user).pair->received_ += size;
    ngtcp2_conn_extend_max_offset(conn, size);
    return ngtcp2_conn_extend_max_stream_offset(conn, stream, size);
  }

  // For non-secret bytes such as greases of version negotiation.
  static void Random(uint8_t* out, size_t size, const ngtcp2_rand_ctx*) {
    SeededRandom random(7);
    random.Fill(ByteSpan(out, size));
  }

  static ngtcp2_callbacks Make(bool is_server) {
    ngtcp2_callbacks callbacks{};
    if (is_server) {
      callbacks.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
      callbacks.client_initial = ngtcp2_crypto_client_initial_cb;
      callbacks.recv_retry = ngtcp2_crypto_recv_retry_cb;
    }
    callbacks.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    callbacks.encrypt = ngtcp2_crypto_encrypt_cb;
    callbacks.decrypt = ngtcp2_crypto_decrypt_cb;
    callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb;
    callbacks.update_key = ngtcp2_crypto_update_key_cb;
    callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    callbacks.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    callbacks.get_new_connection_id = NewId;
    callbacks.recv_stream_data = OnData;
    callbacks.rand = Random;
    return callbacks;
  }
};

ConnPair::ConnPair(const ConnPairOptions& options)
    : options_(options),
      random_(options.seed),
      up_(options.up),
      down_(options.down),
      tls_(std::make_unique<Tls>(false)),
      client_(std::make_unique<End>()),
      server_(std::make_unique<End>()) {
  tls_->server = std::make_unique<Tls>(true);
  client_->pair = server_->pair = this;
  server_->is_server = true;
  StartClient();
}

ConnPair::~ConnPair() = default;

ngtcp2_settings ConnPair::Settings(const End& end) const {
  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.initial_ts = ToTimestamp(now_);
  settings.max_tx_udp_payload_size = options_.max_udp_payload_bytes;
  settings.max_window = settings.max_stream_window = options_.window_bytes;
  settings.cc_algo = NGTCP2_CC_ALGO_CUBIC;
  if (options_.control && !end.is_server) settings.cc_algo = Congestion::AlgorithmFor(*options_.control);
  return settings;
}

ngtcp2_transport_params ConnPair::Parameters() const {
  ngtcp2_transport_params parameters;
  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_data = options_.window_bytes;
  parameters.initial_max_stream_data_bidi_local = options_.window_bytes;
  parameters.initial_max_stream_data_bidi_remote = options_.window_bytes;
  parameters.initial_max_streams_bidi = 10;
  parameters.max_idle_timeout = 600 * NGTCP2_SECONDS;
  return parameters;
}

void ConnPair::StartClient() {
  End& end = *client_;
  ngtcp2_cid ours;
  ngtcp2_cid theirs;
  std::array<uint8_t, kIdSize> bytes;
  random_.Fill(bytes);
  ngtcp2_cid_init(&ours, bytes.data(), bytes.size());
  random_.Fill(bytes);
  ngtcp2_cid_init(&theirs, bytes.data(), bytes.size());
  Path path(client_port_, kServerPort);
  const ngtcp2_callbacks callbacks = ConnPairCallbacks::Make(false);
  const ngtcp2_settings settings = Settings(end);
  const ngtcp2_transport_params parameters = Parameters();
  CULVERT_CHECK(ngtcp2_conn_client_new(&end.conn, &theirs, &ours, &path.path, NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                       &parameters, nullptr, &end) == 0);
  end.ssl.reset(SSL_new(tls_->context.get()));
  SSL_set_connect_state(end.ssl.get());
  CULVERT_CHECK(SSL_set_alpn_protos(end.ssl.get(), kAlpn, sizeof kAlpn) == 0);
  Attach(end);
  if (options_.control) end.congestion = Congestion::Install(end.conn, *options_.control, 1200, random_);
}

void ConnPair::StartServer(ByteView datagram) {
  End& end = *server_;
  ngtcp2_pkt_hd header;
  if (ngtcp2_accept(&header, datagram.data(), datagram.size()) != 0) return;
  ngtcp2_transport_params parameters = Parameters();
  parameters.original_dcid = header.dcid;
  parameters.original_dcid_present = 1;
  ngtcp2_cid ours;
  std::array<uint8_t, kIdSize> bytes;
  random_.Fill(bytes);
  ngtcp2_cid_init(&ours, bytes.data(), bytes.size());
  Path path(kServerPort, client_port_);
  const ngtcp2_callbacks callbacks = ConnPairCallbacks::Make(true);
  const ngtcp2_settings settings = Settings(end);
  CULVERT_CHECK(ngtcp2_conn_server_new(&end.conn, &header.scid, &ours, &path.path, header.version, &callbacks, &settings,
                                       &parameters, nullptr, &end) == 0);
  end.ssl.reset(SSL_new(tls_->server->context.get()));
  SSL_set_accept_state(end.ssl.get());
  Attach(end);
}

void ConnPair::Attach(End& end) {
  end.reference.get_conn = [](ngtcp2_crypto_conn_ref* reference) { return static_cast<End*>(reference->user_data)->conn; };
  end.reference.user_data = &end;
  SSL_set_app_data(end.ssl.get(), &end.reference);
  ngtcp2_conn_set_tls_native_handle(end.conn, end.ssl.get());
}

ngtcp2_conn* ConnPair::client() { return client_->conn; }
Congestion& ConnPair::congestion() { return *client_->congestion; }
bool ConnPair::is_ready() const { return ngtcp2_conn_get_handshake_completed(client_->conn) != 0; }

ngtcp2_conn_info ConnPair::ClientInfo() {
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(client_->conn, &info);
  return info;
}

bool ConnPair::Migrate() {
  ++client_port_;
  const Path path(client_port_, kServerPort);
  return ngtcp2_conn_initiate_immediate_migration(client_->conn, &path.path, ToTimestamp(now_)) == 0;
}

void ConnPair::Receive(End& end, ByteView datagram, Ecn ecn, uint16_t port) {
  if (end.conn == nullptr) StartServer(datagram);
  if (end.conn == nullptr) return;
  const Path path(end.is_server ? kServerPort : port, end.is_server ? port : kServerPort);
  ngtcp2_pkt_info packet{};
  packet.ecn = static_cast<uint8_t>(ecn);
  const int result = ngtcp2_conn_read_pkt(end.conn, &path.path, &packet, datagram.data(), datagram.size(), ToTimestamp(now_));
  if (result != 0) failed_ = true;
}

// True when a datagram was written.
bool ConnPair::WriteOne(End& end, bool with_data) {
  static const std::vector<uint8_t> payload(64 * 1024);
  std::array<uint8_t, kMaxDatagram> buffer;
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info packet{};
  ngtcp2_ssize taken = -1;
  ngtcp2_vec data{const_cast<uint8_t*>(payload.data()), static_cast<size_t>(std::min<uint64_t>(payload.size(), to_send - sent_))};
  const bool has_data = with_data && stream_ >= 0 && data.len > 0;
  const ngtcp2_ssize size = ngtcp2_conn_writev_stream(end.conn, &path.path, &packet, buffer.data(), options_.max_udp_payload_bytes,
                                                      has_data ? &taken : nullptr, NGTCP2_WRITE_STREAM_FLAG_NONE,
                                                      has_data ? stream_ : -1, has_data ? &data : nullptr, has_data ? 1 : 0,
                                                      ToTimestamp(now_));
  if (size == NGTCP2_ERR_STREAM_DATA_BLOCKED) return with_data && WriteOne(end, false);
  if (size < 0) failed_ = true;
  if (taken > 0) sent_ += static_cast<uint64_t>(taken);
  if (size <= 0) return false;
  const size_t length = static_cast<size_t>(size);
  if (!end.is_server) largest_datagram_ = std::max(largest_datagram_, length);
  end.pacer.OnSent(now_, length);
  uint8_t ecn = packet.ecn;
  if (!end.is_server && mark_every != 0 && ++datagrams_ % mark_every == 0) ecn = static_cast<uint8_t>(Ecn::kCe);
  if (black_hole || (!end.is_server && length > path_mtu_bytes)) return true;
  (end.is_server ? down_ : up_).Push(now_, ByteView(buffer.data(), length), kWireOverhead,
                                     client_port_ | uint64_t{ecn} << kEcnShift);
  return true;
}

void ConnPair::Write(End& end) {
  if (end.conn == nullptr) return;
  if (!end.is_server && stream_ < 0 && to_send > 0) {
    static_cast<void>(ngtcp2_conn_open_bidi_stream(end.conn, &stream_, nullptr));
  }
  end.is_held_back = false;
  if (end.congestion) end.pacer.SetRate(end.congestion->pacing_bytes_per_second(), 1200);
  while (!failed_) {
    if (!end.pacer.MaySend(now_)) {
      end.is_held_back = true;
      end.congestion->HoldUntil(end.pacer.NextStepAt());
      static_cast<void>(WriteOne(end, false));
      end.congestion->HoldUntil(kInfiniteFuture);
      break;
    }
    if (!WriteOne(end, !end.is_server)) break;
  }
}

void ConnPair::Deliver() {
  while (auto arrived = up_.Pop(now_)) {
    std::vector<uint8_t> copy(arrived->packet.begin(), arrived->packet.end());
    Receive(*server_, copy, static_cast<Ecn>(arrived->tag >> kEcnShift & 3), static_cast<uint16_t>(arrived->tag));
    Write(*server_);
  }
  while (auto arrived = down_.Pop(now_)) {
    std::vector<uint8_t> copy(arrived->packet.begin(), arrived->packet.end());
    Receive(*client_, copy, static_cast<Ecn>(arrived->tag >> kEcnShift & 3), client_port_);
    Write(*client_);
  }
}

TimePoint ConnPair::NextEvent() const {
  TimePoint next = std::min(up_.NextDelivery().value_or(kInfiniteFuture), down_.NextDelivery().value_or(kInfiniteFuture));
  for (const End* end : {client_.get(), server_.get()}) {
    if (end->conn == nullptr) continue;
    const ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry(end->conn);
    next = std::min(next, FromTimestamp(expiry));
    if (end->is_held_back) next = std::min(next, end->pacer.NextStepAt());
  }
  return next;
}

bool ConnPair::RunUntil(const std::function<bool()>& done, Duration limit) {
  const TimePoint end_at = now_ + limit;
  while (!failed_) {
    Write(*client_);
    Write(*server_);
    if (done()) return true;
    const TimePoint next = std::max(NextEvent(), now_ + std::chrono::microseconds(1));
    if (next > end_at) {
      now_ = end_at;
      return false;
    }
    now_ = next;
    Deliver();
    for (End* end : {client_.get(), server_.get()}) {
      if (end->conn == nullptr || ngtcp2_conn_get_expiry(end->conn) > ToTimestamp(now_)) continue;
      if (ngtcp2_conn_handle_expiry(end->conn, ToTimestamp(now_)) != 0) failed_ = true;
      if (end->congestion) end->congestion->OnTimerHandled(now_);
    }
  }
  return false;
}

}  // namespace culvert::quic
