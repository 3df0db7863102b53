#include "core/quic/callbacks.h"

#include <algorithm>
#include <utility>

#include "core/quic/congestion_bridge.h"
#include "core/quic/connection.h"
#include "core/quic/resumption_store.h"

#include <ngtcp2/ngtcp2_crypto.h>

namespace culvert::quic {
namespace {

thread_local Connection* reading = nullptr;

Stream* StreamOf(void* stream_user_data) { return static_cast<Stream*>(stream_user_data); }

}  // namespace

ReadingScope::ReadingScope(Connection& connection) { reading = &connection; }
ReadingScope::~ReadingScope() { reading = nullptr; }

// A friend of Connection, so that its handlers need not be public.
struct Callbacks {
  static Connection& Of(void* user_data) { return *static_cast<Connection*>(user_data); }

  static int Decrypt(uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                     const uint8_t* sealed, size_t sealed_size, const uint8_t* nonce, size_t nonce_size,
                     const uint8_t* header, size_t header_size) {
    const int result = ngtcp2_crypto_decrypt_cb(dest, aead, context, sealed, sealed_size, nonce, nonce_size, header,
                                                header_size);
    if (result != 0 || reading == nullptr) return result;
    reading->is_authentic_ = true;
    // What somebody recorded and sends again is not the peer's doing.
    if (!IsOfApplication(ByteView(header, header_size)) || !culvert_quic_is_new_packet(reading->conn_, header, header_size)) return 0;
    const size_t size = sealed_size - std::min(sealed_size, aead->max_overhead);
    if (!reading->control_frames_.Admit(reading->now_, ByteView(dest, size), reading->counters_.tx_datagrams, reading->stopped_by_peer_)) reading->is_flooded_ = true;
    return 0;
  }
  // A 1-RTT packet, or one of 0-RTT. (RFC 9369 section 3.2: version 2 numbers the types one further.)
  static bool IsOfApplication(ByteView header) {
    if (header.empty() || (header[0] & 0x80) == 0) return !header.empty();
    if (header.size() < 5) return false;
    const unsigned zero_rtt = LoadBigEndian32(header.data() + 1) == NGTCP2_PROTO_VER_V2 ? 2 : 1;
    return ((header[0] >> 4) & 3u) == zero_rtt;
  }

  // Called for the keys after the present ones, so once more than there were updates.
  static int UpdateKey(ngtcp2_conn* conn, uint8_t* rx_secret, uint8_t* tx_secret, ngtcp2_crypto_aead_ctx* rx_context,
                       uint8_t* rx_iv, ngtcp2_crypto_aead_ctx* tx_context, uint8_t* tx_iv, const uint8_t* current_rx_secret,
                       const uint8_t* current_tx_secret, size_t size, void* user_data) {
    ++Of(user_data).prepared_keys_;
    return ngtcp2_crypto_update_key_cb(conn, rx_secret, tx_secret, rx_context, rx_iv, tx_context, tx_iv, current_rx_secret,
                                       current_tx_secret, size, user_data);
  }
  static int StreamOpen(ngtcp2_conn*, int64_t id, void* user_data) {
    Of(user_data).OnStreamOpened(id);
    return 0;
  }
  static int StreamData(ngtcp2_conn*, uint32_t flags, int64_t, uint64_t, const uint8_t* data, size_t size, void* user_data,
                        void* stream) {
    if (stream == nullptr) return NGTCP2_ERR_CALLBACK_FAILURE;
    Of(user_data).OnStreamData(*StreamOf(stream), (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0, ByteView(data, size));
    return 0;
  }
  static int Acked(ngtcp2_conn*, int64_t, uint64_t offset, uint64_t size, void* user_data, void* stream) {
    if (stream != nullptr) Of(user_data).OnStreamAcked(*StreamOf(stream), offset + size);
    return 0;
  }
  static int StreamClose(ngtcp2_conn*, uint32_t, int64_t, uint64_t, void* user_data, void* stream) {
    if (stream != nullptr) Of(user_data).OnStreamOver(*StreamOf(stream));
    return 0;
  }
  static int StreamReset(ngtcp2_conn*, int64_t, uint64_t, uint64_t, void* user_data, void* stream) {
    if (stream != nullptr) Of(user_data).OnStreamReset(*StreamOf(stream));
    return 0;
  }
  static int StreamRoom(ngtcp2_conn*, int64_t, uint64_t, void* user_data, void* stream) {
    if (stream != nullptr) Of(user_data).OnStreamRoom(*StreamOf(stream));
    return 0;
  }
  static int StreamCredit(ngtcp2_conn*, uint64_t, void* user_data) {
    Connection& connection = Of(user_data);
    connection.wants_streams_ = false;
    if (!std::exchange(connection.has_no_streams_left_, false)) return 0;
    connection.host_.Emit({Event::Kind::kStreamsAvailable, {}, {}, connection.handle_});
    connection.UpdateKeepAlive();
    return 0;
  }
  static int HandshakeDone(ngtcp2_conn*, void* user_data) {
    // A resumed client that is not welcome any more must not be heard, not even what came with its last handshake packet.
    return Of(user_data).OnHandshakeDone() ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
  }
  static int HandshakeConfirmed(ngtcp2_conn*, void* user_data) {
    Of(user_data).is_confirmed_ = true;
    return 0;
  }
  static int EarlyDataRejected(ngtcp2_conn*, void* user_data) {
    Of(user_data).OnEarlyDataRejected();
    return 0;
  }
  static int NewId(ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token, size_t size, void* user_data) {
    Connection& connection = Of(user_data);
    if (size != kConnectionIdSize) return NGTCP2_ERR_CALLBACK_FAILURE;
    const ConnectionId id = connection.host_.MakeId(connection, ByteSpan(token, NGTCP2_STATELESS_RESET_TOKENLEN));
    ngtcp2_cid_init(cid, id.bytes.data(), id.size);
    return 0;
  }
  static int RemoveId(ngtcp2_conn*, const ngtcp2_cid* cid, void* user_data) {
    Of(user_data).host_.RemoveId(ConnectionId(ByteView(cid->data, cid->datalen)));
    return 0;
  }
  static int NewToken(ngtcp2_conn*, const uint8_t* token, size_t size, void* user_data) {
    Connection& connection = Of(user_data);
    if (connection.resumption_) connection.resumption_->PutToken(connection.peer_, {token, token + size});
    return 0;
  }
  static int Datagram(ngtcp2_conn*, uint32_t, const uint8_t* data, size_t size, void* user_data) {
    Of(user_data).OnDatagramFrame(ByteView(data, size));
    return 0;
  }
  static int StatelessReset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user_data) {
    Of(user_data).is_reset_by_peer_ = true;
    return 0;
  }
  static int PathValidated(ngtcp2_conn*, uint32_t, const ngtcp2_path*, const ngtcp2_path*, ngtcp2_path_validation_result,
                           void*) {
    return 0;  // where it leads is seen after each datagram
  }
  static void Random(uint8_t* out, size_t size, const ngtcp2_rand_ctx* context) {
    static_cast<RandomSource*>(context->native_handle)->Fill(ByteSpan(out, size));
  }
};

ngtcp2_callbacks MakeCallbacks() {
  ngtcp2_callbacks table{};
  table.client_initial = ngtcp2_crypto_client_initial_cb;
  table.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  table.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  table.encrypt = ngtcp2_crypto_encrypt_cb;
  table.decrypt = Callbacks::Decrypt;
  table.hp_mask = ngtcp2_crypto_hp_mask_cb;
  table.recv_retry = ngtcp2_crypto_recv_retry_cb;
  table.update_key = Callbacks::UpdateKey;
  table.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  table.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  table.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  table.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  table.handshake_completed = Callbacks::HandshakeDone;
  table.handshake_confirmed = Callbacks::HandshakeConfirmed;
  table.tls_early_data_rejected = Callbacks::EarlyDataRejected;
  table.rand = Callbacks::Random;
  table.get_new_connection_id = Callbacks::NewId;
  table.remove_connection_id = Callbacks::RemoveId;
  table.stream_open = Callbacks::StreamOpen;
  table.recv_stream_data = Callbacks::StreamData;
  table.acked_stream_data_offset = Callbacks::Acked;
  table.stream_close = Callbacks::StreamClose;
  table.stream_reset = Callbacks::StreamReset;
  table.extend_max_stream_data = Callbacks::StreamRoom;
  table.extend_max_local_streams_bidi = Callbacks::StreamCredit;
  table.recv_new_token = Callbacks::NewToken;
  table.recv_datagram = Callbacks::Datagram;
  table.recv_stateless_reset = Callbacks::StatelessReset;
  table.path_validation = Callbacks::PathValidated;
  return table;
}

}  // namespace culvert::quic
