// New clients: version negotiation, tokens and Retry, limits, and at last a connection.
//
// Nothing is kept of who is told to Retry. Above a number of handshakes under way that have not proved their address, or of one network,
// everybody without a token is (reliability.md T20).
#include <algorithm>
#include <array>
#include <utility>

#include "core/quic/endpoint_impl.h"

#include <ngtcp2/ngtcp2_crypto.h>

namespace culvert::quic {
namespace {

constexpr size_t kLeastInitial = 1200;  // RFC 9000 section 14.1
constexpr Duration kHandshakeTimeout = std::chrono::seconds(8);
constexpr auto kRetryLifetime = static_cast<uint64_t>(Duration(std::chrono::seconds(10)).count());
constexpr auto kTokenLifetime = static_cast<uint64_t>(Duration(std::chrono::hours(24)).count());

// A client sends early data under the limits it was given last time, which must not have become narrower since (RFC 9000 section 7.4.1).
// The number in front stands for those that are built in.
std::array<uint8_t, 6> EarlyDataTerms(const QuicConfig& config) {
  constexpr uint8_t kBuiltIn = 2;
  std::array<uint8_t, 6> terms = {kBuiltIn, static_cast<uint8_t>(config.datagrams())};
  StoreBigEndian32(terms.data() + 2, config.max_streams_per_session());
  return terms;
}

}  // namespace

DropReason EndpointImpl::NegotiateVersion(const ngtcp2_version_cid& head, size_t trigger_size, const SocketAddress& peer) {
  // Only to what could be a first packet, so that the answer is always smaller.
  if (!accepting_ || trigger_size < kLeastInitial) return DropReason::kMalformed;
  // One number that no version has keeps peers used to unknown ones (RFC 9000 section 15).
  const uint32_t versions[] = {NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2, 0x1a2a3a4a};
  std::array<uint8_t, 256> answer;
  uint8_t unused_bits = 0;
  random_.Fill(ByteSpan(&unused_bits, 1));
  const ngtcp2_ssize size =
      ngtcp2_pkt_write_version_negotiation(answer.data(), answer.size(), unused_bits, head.scid, head.scidlen, head.dcid,
                                           head.dcidlen, versions, std::size(versions));
  if (size > 0) AnswerStateless(peer, ByteView(answer).first(static_cast<size_t>(size)));
  return DropReason::kUnsupportedVersion;
}

DropReason EndpointImpl::Accept(ByteSpan bytes, const SocketAddress& peer, Ecn ecn) {
  ngtcp2_pkt_hd head;
  // It must be an Initial in a datagram of full size.
  if (ngtcp2_accept(&head, bytes.data(), bytes.size()) != 0) return DropReason::kMalformed;
  if (!accepting_) return Refuse(head, peer, NGTCP2_CONNECTION_REFUSED);
  const Validation validation = CheckToken(head, peer);
  if (validation.is_bad_retry) return Refuse(head, peer, NGTCP2_INVALID_TOKEN);
  if (!validation.is_valid &&
      (counters_.unvalidated >= options_.retry_above_handshakes || prefixes_.IsFull(peer.ip))) {
    return AskToRetry(head, peer);
  }
  if (connections_.size() >= options_.max_sessions || handshakes_ >= options_.max_handshakes ||
      handshake_prefixes_.IsFull(peer.ip)) {
    static_cast<void>(Refuse(head, peer, NGTCP2_CONNECTION_REFUSED));
    return DropReason::kTooManySessions;
  }

  Connection::Setup setup;
  setup.is_server = true;
  setup.local = options_.local;
  setup.peer = peer;
  setup.version = head.version;
  setup.peer_id = ConnectionId(ByteView(head.scid.data, head.scid.datalen));
  const ConnectionId named(ByteView(head.dcid.data, head.dcid.datalen));
  setup.original_id = validation.is_retry ? validation.original_id : named;
  if (validation.is_retry) setup.retry_id = named;
  if (validation.is_valid) setup.token.assign(head.token, head.token + head.tokenlen);
  setup.token_is_retry = validation.is_retry;
  setup.handshake_timeout = kHandshakeTimeout;
  setup.handshake.context = options_.server_tls;
  setup.handshake.wall_clock = options_.wall_clock;
  setup.handshake.early_data = options_.config->early_data();
  const auto terms = EarlyDataTerms(*options_.config);
  setup.handshake.early_data_terms = terms;
  setup.handshake.admits_early_data = AdmitsEarlyData;
  setup.handshake.early_data_owner = this;
  const auto handle = AddConnection(setup);
  if (!handle.ok()) return DropReason::kMalformed;
  ConnectionSlot& slot = *connections_.Find(*handle);
  if (!validation.is_valid) {
    ++counters_.unvalidated;
    slot.counted_prefix = peer.ip;
    prefixes_.Take(peer.ip);
  }
  ++handshakes_;
  slot.handshake_prefix = peer.ip;
  handshake_prefixes_.Take(peer.ip);
  slot.connection->OnDatagram(now_, bytes, peer, ecn);
  return DropReason::kNone;
}

DropReason EndpointImpl::Refuse(const ngtcp2_pkt_hd& head, const SocketAddress& peer, uint64_t error) {
  std::array<uint8_t, kLeastInitial> answer;
  const ngtcp2_ssize size = ngtcp2_crypto_write_connection_close(answer.data(), answer.size(), head.version, &head.scid,
                                                                 &head.dcid, error, nullptr, 0);
  if (size > 0) AnswerStateless(peer, ByteView(answer).first(static_cast<size_t>(size)));
  return DropReason::kNotAccepting;
}

DropReason EndpointImpl::AskToRetry(const ngtcp2_pkt_hd& head, const SocketAddress& peer) {
  if (!retries_.Take(now_)) return DropReason::kTooManyUnvalidated;
  UpdateTokenKeys();
  std::array<uint8_t, kConnectionIdSize> id;
  MakeConnectionId(id, static_cast<uint8_t>(options_.worker), worker_key_byte_, random_);
  ngtcp2_cid retry_id;
  ngtcp2_cid_init(&retry_id, id.data(), id.size());
  const PathStorage path(options_.local, peer);
  std::array<uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2> token;
  const ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token2(
      token.data(), token_key_.view().data(), token_key_.view().size(), head.version, path.remote().addr,
      path.remote().addrlen, &retry_id, &head.dcid, static_cast<ngtcp2_tstamp>(wall_clock_ns(now_)));
  if (token_size < 0) return DropReason::kTooManyUnvalidated;
  std::array<uint8_t, kLeastInitial> answer;
  const ngtcp2_ssize size =
      ngtcp2_crypto_write_retry(answer.data(), answer.size(), head.version, &head.scid, &retry_id, &head.dcid, token.data(),
                                static_cast<size_t>(token_size));
  if (size > 0) AnswerStateless(peer, ByteView(answer).first(static_cast<size_t>(size)));
  return DropReason::kAskedToRetry;
}

EndpointImpl::Validation EndpointImpl::CheckToken(const ngtcp2_pkt_hd& head, const SocketAddress& peer) {
  Validation validation;
  if (head.tokenlen == 0) return validation;
  UpdateTokenKeys();
  const PathStorage path(options_.local, peer);
  const auto now = static_cast<ngtcp2_tstamp>(wall_clock_ns(now_));
  const bool is_retry = head.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2;
  for (const ByteView key : {token_key_.view(), previous_token_key_.view()}) {
    if (is_retry) {
      ngtcp2_cid original;
      if (ngtcp2_crypto_verify_retry_token2(&original, head.token, head.tokenlen, key.data(), key.size(), head.version,
                                            path.remote().addr, path.remote().addrlen, &head.dcid, kRetryLifetime,
                                            now) == 0) {
        validation = {true, true, false, ConnectionId(ByteView(original.data, original.datalen))};
        return validation;
      }
    } else if (head.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR &&
               ngtcp2_crypto_verify_regular_token(head.token, head.tokenlen, key.data(), key.size(), path.remote().addr,
                                                  path.remote().addrlen, kTokenLifetime, now) == 0) {
      // Once; a second use is treated as no token at all (RFC 9000 section 8.1.4).
      validation.is_valid = options_.keys->UseOnce(wall_clock_ns(now_) / 1'000'000'000, ByteView(head.token, head.tokenlen));
      return validation;
    }
  }
  validation.is_bad_retry = is_retry;
  return validation;
}

std::vector<uint8_t> EndpointImpl::MakeToken(TimePoint now, const SocketAddress& peer) {
  UpdateTokenKeys();
  const PathStorage path(options_.local, peer);
  std::vector<uint8_t> token(NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN);
  const ngtcp2_ssize size = ngtcp2_crypto_generate_regular_token(token.data(), token_key_.view().data(),
                                                                 token_key_.view().size(), path.remote().addr,
                                                                 path.remote().addrlen,
                                                                 static_cast<ngtcp2_tstamp>(wall_clock_ns(now)));
  token.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return token;
}

void EndpointImpl::UpdateTokenKeys() {
  const uint64_t generation = options_.keys->token_key_generation();
  if (generation == token_key_generation_) return;
  options_.keys->CopyTokenKeys(token_key_.span(), previous_token_key_.span());
  token_key_generation_ = generation;
}

bool EndpointImpl::AdmitsEarlyData(void* self, ByteView random) {
  EndpointImpl& endpoint = *static_cast<EndpointImpl*>(self);
  return endpoint.options_.keys->UseOnce(endpoint.wall_clock_ns(endpoint.now_) / 1'000'000'000, random);
}

}  // namespace culvert::quic
