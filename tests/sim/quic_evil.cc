#include "tests/sim/quic_evil.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_boringssl.h>
#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <utility>

#include "core/base/check.h"
#include "tests/sim/quic_evil_seal.h"

namespace culvert::sim {

struct EvilPeer::Tls {
  bssl::UniquePtr<SSL_CTX> context;
  bssl::UniquePtr<SSL> ssl;
  ngtcp2_crypto_conn_ref reference{};
  ngtcp2_conn* conn = nullptr;
  SeededRandom random{99};
  ngtcp2_sockaddr_in local{};
  ngtcp2_sockaddr_in remote{};
  ngtcp2_path path{};

  ~Tls() {
    ngtcp2_conn_del(conn);
  }
};

namespace {

ngtcp2_conn* ConnOf(ngtcp2_crypto_conn_ref* reference) { return static_cast<ngtcp2_conn*>(reference->user_data); }

void Fill(uint8_t* out, size_t size, const ngtcp2_rand_ctx* context) {
  static_cast<SeededRandom*>(context->native_handle)->Fill(ByteSpan(out, size));
}

int NewId(ngtcp2_conn*, ngtcp2_cid* id, uint8_t* token, size_t size, void* user_data) {
  auto& random = *static_cast<SeededRandom*>(user_data);
  id->datalen = size;
  random.Fill(ByteSpan(id->data, size));
  random.Fill(ByteSpan(token, NGTCP2_STATELESS_RESET_TOKENLEN));
  return 0;
}

ngtcp2_callbacks MakeCallbacks() {
  ngtcp2_callbacks table{};
  table.client_initial = ngtcp2_crypto_client_initial_cb;
  table.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  table.encrypt = ngtcp2_crypto_encrypt_cb;
  table.decrypt = ngtcp2_crypto_decrypt_cb;
  table.hp_mask = ngtcp2_crypto_hp_mask_cb;
  table.recv_retry = ngtcp2_crypto_recv_retry_cb;
  table.update_key = ngtcp2_crypto_update_key_cb;
  table.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  table.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  table.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  table.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  table.rand = Fill;
  table.get_new_connection_id = NewId;
  return table;
}

void SetAddress(const SocketAddress& from, ngtcp2_sockaddr_in& to, ngtcp2_addr& address) {
  CULVERT_CHECK(from.ip.is_v4());
  to.sin_family = NGTCP2_AF_INET;
  to.sin_port = __builtin_bswap16(from.port);
  std::copy_n(from.ip.bytes().data(), 4, reinterpret_cast<uint8_t*>(&to.sin_addr));
  address = {reinterpret_cast<ngtcp2_sockaddr*>(&to), sizeof to};
}

ngtcp2_tstamp Timestamp(TimePoint now) { return static_cast<ngtcp2_tstamp>(now.time_since_epoch().count()); }

}  // namespace

EvilPeer::EvilPeer(QuicPair& pair, const SocketAddress& address, uint32_t version)
    : pair_(pair), address_(address), tls_(std::make_unique<Tls>()) {
  Tls& tls = *tls_;
  tls.context.reset(SSL_CTX_new(TLS_method()));
  CULVERT_CHECK(ngtcp2_crypto_boringssl_configure_client_context(tls.context.get()) == 0);
  tls.ssl.reset(SSL_new(tls.context.get()));
  SSL_set_connect_state(tls.ssl.get());
  static constexpr uint8_t kAlpn[] = {2, 'h', '2'};
  CULVERT_CHECK(SSL_set_alpn_protos(tls.ssl.get(), kAlpn, sizeof kAlpn) == 0);
  tls.reference.get_conn = ConnOf;
  SSL_set_app_data(tls.ssl.get(), &tls.reference);
  SSL_set_quic_use_legacy_codepoint(tls.ssl.get(), 0);

  tls.random = SeededRandom(uint64_t{address.port} << 32 | address.ip.bytes()[3]);
  SetAddress(address, tls.local, tls.path.local);
  SetAddress(pair.server_address(), tls.remote, tls.path.remote);
  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.initial_ts = Timestamp(pair.now());
  settings.rand_ctx.native_handle = &tls.random;
  ngtcp2_transport_params parameters;
  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_streams_bidi = 100;
  parameters.initial_max_stream_data_bidi_local = parameters.initial_max_stream_data_bidi_remote = 64 << 20;
  parameters.initial_max_data = 256 << 20;
  ngtcp2_cid source;
  ngtcp2_cid destination;
  std::array<uint8_t, 16> name;
  tls.random.Fill(name);
  ngtcp2_cid_init(&source, name.data(), 8);
  ngtcp2_cid_init(&destination, name.data() + 4, 12);
  const ngtcp2_callbacks callbacks = MakeCallbacks();
  CULVERT_CHECK(ngtcp2_conn_client_new(&tls.conn, &destination, &source, &tls.path, version, &callbacks, &settings,
                                       &parameters, nullptr, &tls.random) == 0);
  tls.reference.user_data = tls.conn;
  ngtcp2_conn_set_tls_native_handle(tls.conn, tls.ssl.get());
}

EvilPeer::~EvilPeer() = default;

void EvilPeer::OnDatagram(ByteView bytes) { inbox_.emplace_back(bytes.begin(), bytes.end()); }

int64_t EvilPeer::highest_received() const { return CulvertHighestReceived(tls_->conn); }

void EvilPeer::Work(bool answers) {
  for (const std::vector<uint8_t>& datagram : std::exchange(inbox_, {})) {
    if (close_error_) return;
    const ngtcp2_pkt_info info{};
    const int result = ngtcp2_conn_read_pkt(tls_->conn, &tls_->path, &info, datagram.data(), datagram.size(), Timestamp(pair_.now()));
    if (result == NGTCP2_ERR_DRAINING) close_error_ = ngtcp2_conn_get_ccerr(tls_->conn)->error_code;
  }
  if (!answers || close_error_) return;
  for (int i = 0; i < 100; ++i) {
    std::array<uint8_t, 1452> out;
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize size =
        ngtcp2_conn_write_pkt(tls_->conn, nullptr, &info, out.data(), out.size(), Timestamp(pair_.now()));
    if (size <= 0) return;
    (void)pair_.Inject(address_, {out.begin(), out.begin() + size});
  }
}

bool EvilPeer::Connect() {
  for (int i = 0; i < 200 && !close_error_; ++i) {
    Work(true);
    if (ngtcp2_conn_get_handshake_completed(tls_->conn) != 0 && inbox_.empty() && i > 10) return true;
    pair_.RunFor(std::chrono::milliseconds(5));
  }
  return false;
}

void EvilPeer::Send(const Frames& frames) {
  std::vector<uint8_t> plain = frames.bytes();
  if (plain.size() < 4) plain.resize(4);  // PADDING
  std::array<uint8_t, 2048> out;
  const size_t size = CulvertSealFrames(tls_->conn, plain.data(), plain.size(), out.data(), out.size());
  CULVERT_CHECK(size > 0);
  (void)pair_.Inject(address_, {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)});
}

}  // namespace culvert::sim
