// Flow of a datagram: the wrapper comes off (OnDatagram), the destination connection id says whose it is (Receive): a connection's, one
// that was closed a moment ago, another worker's, a new client's (acceptor.cc), or nobody's.
//
// Flow of output: connections that have something to do stand in `ready_`; Flush takes them in turn. Answers that belong to no connection go
// first.
#include "core/quic/endpoint_impl.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/quic/ngtcp2_time.h"

#include <ngtcp2/ngtcp2_crypto.h>

namespace culvert::quic {
namespace {

constexpr size_t kMaxTombstones = 4096;
constexpr size_t kMaxStateless = 256;
constexpr size_t kMinResetTrigger = 22;  // RFC 9000 section 10.3: smaller than what it answers, and 21 bytes at least

}  // namespace

std::shared_ptr<ResumptionStore> CreateResumptionStore() { return std::make_shared<ResumptionStore>(); }

std::unique_ptr<Endpoint> CreateEndpoint(const EndpointOptions& options, RandomSource& random) {
  return std::make_unique<EndpointImpl>(options, random);
}

EndpointImpl::EndpointImpl(const EndpointOptions& options, RandomSource& random)
    : options_(options),
      random_(random),
      header_writer_(options.config->outer_header(), random),
      hash_(random),
      ids_(16, IdHash{&hash_}),
      accepting_(options.accepts),
      resets_(options.max_resets_per_second),
      retries_(options.max_retries_per_second) {
  CULVERT_CHECK(options_.keys != nullptr);
  options_.keys->CopyResetKey(reset_key_.span());
  worker_key_byte_ = WorkerKeyByte(reset_key_.view());
}

EndpointImpl::~EndpointImpl() = default;

// ---- Input -------------------------------------------------------------------------------------------------------------

DropReason EndpointImpl::OnDatagram(TimePoint now, Datagram& datagram) {
  now_ = now;
  ++counters_.rx_datagrams;
  counters_.rx_bytes += datagram.bytes.size();
  const size_t header_size = header_writer_.size();
  if (datagram.bytes.size() <= header_size) return Drop(DropReason::kTruncated);
  ByteSpan inner = datagram.bytes.subspan(header_size);
  if (const DatagramSealer* sealer = options_.config->sealer(); sealer != nullptr) {
    const DropReason reason = sealer->OpenInPlace(datagram.bytes.subspan(header_size), inner);
    if (reason != DropReason::kNone) return Drop(reason);
  }
  return Drop(Receive(inner, datagram.peer, datagram.ecn, /*may_hand_over=*/options_.accepts));
}

DropReason EndpointImpl::OnHandedOver(TimePoint now, Datagram& datagram) {
  now_ = now;
  ++counters_.rx_datagrams;
  counters_.rx_bytes += datagram.bytes.size();
  return Drop(Receive(datagram.bytes, datagram.peer, datagram.ecn, /*may_hand_over=*/false));
}

DropReason EndpointImpl::Drop(DropReason reason) {
  if (reason != DropReason::kNone) ++counters_.dropped[static_cast<size_t>(reason)];
  return reason;
}

DropReason EndpointImpl::Receive(ByteSpan bytes, const SocketAddress& peer, Ecn ecn, bool may_hand_over) {
  ngtcp2_version_cid head;
  const int result = ngtcp2_pkt_decode_version_cid(&head, bytes.data(), bytes.size(), kConnectionIdSize);
  if (result == NGTCP2_ERR_VERSION_NEGOTIATION) return NegotiateVersion(head, bytes.size(), peer);
  if (result != 0 || head.dcidlen > kMaxConnectionIdSize) return DropReason::kMalformed;
  const ConnectionId id(ByteView(head.dcid, head.dcidlen));
  if (const auto found = ids_.find(id); found != ids_.end()) {
    if (found->second.is_tombstone) return AnswerLate(found->second.handle, bytes.size(), peer);
    ConnectionSlot* slot = connections_.Find(found->second.handle);
    CULVERT_CHECK(slot != nullptr);
    slot->connection->OnDatagram(now_, bytes, peer, ecn);
    return DropReason::kNone;
  }
  const bool is_long = (bytes[0] & 0x80) != 0;
  if (may_hand_over && BelongsElsewhere(id, bytes, is_long)) return DropReason::kHandedOver;
  if (is_long) return options_.accepts ? Accept(bytes, peer, ecn) : DropReason::kUnknownConnection;
  if (options_.accepts) {
    AnswerUnknown(id, bytes.size(), peer);
  } else {
    CheckForReset(bytes, peer, ecn);
  }
  return DropReason::kUnknownConnection;
}

bool EndpointImpl::BelongsElsewhere(const ConnectionId& id, ByteSpan bytes, bool is_long) {
  if (id.size != kConnectionIdSize || options_.workers <= 1) return false;
  // A client makes up the first id it names: in packets before the handshake keys (Initial, 0-RTT) it may be anybody's.
  // (RFC 9369 section 3.2: version 2 numbers the types one further.)
  if (is_long) {
    const bool is_v2 = LoadBigEndian32(bytes.data() + 1) == NGTCP2_PROTO_VER_V2;
    const unsigned type = ((bytes[0] >> 4) + (is_v2 ? 3u : 0u)) & 3u;
    if (type != 2) return false;  // Handshake
  }
  const uint32_t owner = WorkerOf(id.view(), worker_key_byte_);
  if (owner == options_.worker || owner >= options_.workers) return false;
  handover_ = {owner, bytes};
  return true;
}

DropReason EndpointImpl::AnswerLate(SlotHandle handle, size_t trigger_size, const SocketAddress& peer) {
  Tombstone& tombstone = *tombstones_.Find(handle);
  // For the 1st, 2nd, 4th, 8th... late datagram (RFC 9000 section 10.2.1). Who sends it need not be who it says.
  const bool is_small = tombstone.last_words.size() <= 3 * trigger_size;
  if (++tombstone.late_datagrams >= tombstone.next_answer && !tombstone.last_words.empty() && is_small) {
    tombstone.next_answer *= 2;
    AnswerStateless(peer, tombstone.last_words);
  }
  return DropReason::kRecentlyEnded;
}

void EndpointImpl::AnswerUnknown(const ConnectionId& id, size_t trigger_size, const SocketAddress& peer) {
  if (trigger_size < kMinResetTrigger || !resets_.Take(now_)) return;
  std::array<uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token;
  const ngtcp2_cid cid = ToCid(id);
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data(), reset_key_.view().data(), reset_key_.view().size(), &cid) != 0) {
    return;
  }
  // Always smaller than what it answers, so that two endpoints without a connection do not answer one another for ever.
  const size_t size = std::min<size_t>(trigger_size - 1, 43);
  std::vector<uint8_t> answer(size);
  std::array<uint8_t, 32> filler;
  random_.Fill(filler);
  const ngtcp2_ssize written = ngtcp2_pkt_write_stateless_reset(answer.data(), answer.size(), token.data(), filler.data(),
                                                                size - NGTCP2_STATELESS_RESET_TOKENLEN);
  if (written > 0) AnswerStateless(peer, ByteView(answer).first(static_cast<size_t>(written)));
}

void EndpointImpl::CheckForReset(ByteSpan bytes, const SocketAddress& peer, Ecn ecn) {
  // A stateless reset names an id that nobody has; what makes it one is a token at its end. ngtcp2 compares it for each
  // connection to that peer.
  if (!resets_.Take(now_)) return;
  connections_.ForEach([&](SlotHandle, ConnectionSlot& slot) {
    Connection& connection = *slot.connection;
    if (!connection.is_server() && !connection.is_over() && connection.peer() == peer) {
      connection.OnDatagram(now_, bytes, peer, ecn);
    }
  });
}

void EndpointImpl::AnswerStateless(const SocketAddress& peer, ByteView inner) {
  if (stateless_.size() >= kMaxStateless) return;
  stateless_.push_back({peer, {inner.begin(), inner.end()}});
}

// ---- Sessions ----------------------------------------------------------------------------------------------------------

absl::StatusOr<SlotHandle> EndpointImpl::AddConnection(const Connection::Setup& setup) {
  const SlotHandle handle = connections_.Emplace();
  auto connection = Connection::Create(*this, handle, now_, setup);
  if (!connection.ok()) {
    // Ids it took before it failed lead nowhere.
    for (const ConnectionId& id : connections_.Find(handle)->ids) ids_.erase(id);
    connections_.Erase(handle);
    return std::move(connection).status();
  }
  ConnectionSlot& slot = *connections_.Find(handle);
  slot.connection = *std::move(connection);
  ++counters_.opened;
  MarkReady(*slot.connection);
  return handle;
}

absl::StatusOr<SessionHandle> EndpointImpl::ConnectSession(TimePoint now, const ConnectOptions& options) {
  if (options.tls == nullptr || options.tls->role() != tls::Role::kClient) {
    return absl::InvalidArgumentError("QUIC needs the TLS settings of a client");
  }
  now_ = now;
  Connection::Setup setup;
  setup.local = options_.local;
  setup.peer = options.peer;
  setup.handshake_timeout = options.handshake_timeout;
  setup.resumption = options.resumption;
  setup.handshake.context = options.tls;
  setup.handshake.server_name = options.server_name;
  setup.handshake.wall_clock = options_.wall_clock;
  setup.handshake.early_data = options_.config->early_data();
  if (options.resumption) {
    setup.handshake.tickets = &options.resumption->tickets();
    setup.token = options.resumption->TakeToken(options.peer);
  }
  return AddConnection(setup);
}

std::optional<StreamHandle> EndpointImpl::OpenStream(TimePoint now, SessionHandle session) {
  now_ = now;
  Connection* connection = FindConnection(session);
  Stream* stream = connection != nullptr ? connection->OpenStream(now) : nullptr;
  return stream != nullptr ? std::optional(stream->handle) : std::nullopt;
}

absl::StatusOr<StreamHandle> EndpointImpl::Connect(TimePoint, const SocketAddress&) {
  return absl::UnimplementedError("QUIC: a stream needs a session; see ConnectSession");
}

Connection* EndpointImpl::FindConnection(SessionHandle session) {
  ConnectionSlot* slot = connections_.Find(session);
  return slot != nullptr ? slot->connection.get() : nullptr;
}
const Connection* EndpointImpl::FindConnection(SessionHandle session) const {
  return const_cast<EndpointImpl*>(this)->FindConnection(session);
}

uint32_t EndpointImpl::AvailableStreams(SessionHandle session) const {
  const Connection* connection = FindConnection(session);
  return connection != nullptr && !connection->is_over() ? connection->AvailableStreams() : 0;
}

uint32_t EndpointImpl::OpenStreams(SessionHandle session) const {
  const Connection* connection = FindConnection(session);
  return connection != nullptr ? connection->open_streams() : 0;
}

Duration EndpointImpl::SmoothedRtt(SessionHandle session) const {
  const Connection* connection = FindConnection(session);
  return connection != nullptr ? connection->smoothed_rtt() : Duration::zero();
}

SessionHandle EndpointImpl::SessionOf(StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  return stream != nullptr && stream->connection != nullptr ? stream->connection->handle() : SessionHandle{};
}

std::optional<SessionInfo> EndpointImpl::GetSessionInfo(SessionHandle session) const {
  const Connection* connection = FindConnection(session);
  return connection != nullptr ? std::optional(connection->info()) : std::nullopt;
}

void EndpointImpl::CloseSession(TimePoint now, SessionHandle session) {
  now_ = now;
  if (Connection* connection = FindConnection(session)) connection->CloseWhenIdle(now);
}

void EndpointImpl::AbortSession(TimePoint now, SessionHandle session, CloseReason reason) {
  now_ = now;
  if (Connection* connection = FindConnection(session)) connection->Abort(now, reason);
}

void EndpointImpl::KeepAlive(SessionHandle session, bool keep) {
  if (Connection* connection = FindConnection(session); connection != nullptr && !connection->is_over()) connection->SetKeepAlive(keep);
}

void EndpointImpl::MigrateTo(TimePoint now, SessionHandle session, const SocketAddress& local) {
  if (Connection* connection = FindConnection(session)) connection->MigrateTo(now, local);
}
void EndpointImpl::UpdateKeys(TimePoint now, SessionHandle session) {
  if (Connection* connection = FindConnection(session)) connection->UpdateKeys(now);
}

// ---- Output ------------------------------------------------------------------------------------------------------------

void EndpointImpl::Flush(TimePoint now, DatagramSink& sink) {
  now_ = now;
  TellReadDeadlines();
  if (!FlushStateless(sink)) return;
  while (ready_head_ < ready_.size()) {
    const SlotHandle handle = ready_[ready_head_];
    ConnectionSlot* slot = connections_.Find(handle);
    if (slot != nullptr) {
      Connection& connection = *slot->connection;
      if (!connection.Flush(now, sink)) return;  // it stays first in line
      connection.is_ready = false;
      deadlines_.Set(handle.index, connection.NextTimeout());
      BuryIfDone(handle);
    }
    ++ready_head_;
  }
  ready_.clear();
  ready_head_ = 0;
}

bool EndpointImpl::FlushStateless(DatagramSink& sink) {
  while (!stateless_.empty()) {
    const Stateless& answer = stateless_.front();
    const size_t size = answer.inner.size() + options_.config->outer_overhead_bytes();
    const ByteSpan slot = sink.Reserve(answer.peer, size);
    if (slot.empty()) return false;
    std::copy(answer.inner.begin(), answer.inner.end(), slot.begin() + options_.config->inner_offset_bytes());
    const ByteSpan whole = slot.first(size);
    header_writer_.WriteNext(whole.first(header_writer_.size()));
    if (options_.config->sealer() != nullptr) {
      options_.config->sealer()->SealInPlace(whole.subspan(header_writer_.size()), random_);
    }
    sink.Commit(size);
    OnSent(size);
    stateless_.pop_front();
  }
  return true;
}

void EndpointImpl::OnTimeout(TimePoint now) {
  now_ = now;
  while (const std::optional<uint32_t> index = deadlines_.PopDue(now)) {
    if (ConnectionSlot* slot = connections_.At(*index); slot != nullptr) slot->connection->OnTimeout(now);
  }
  TellReadDeadlines();
  while (!tombstone_order_.empty() && tombstone_order_.front().first <= now) RemoveOldestTombstone();
}

void EndpointImpl::TellReadDeadlines() {
  while (const std::optional<uint32_t> index = read_deadlines_.PopDue(now_)) {
    Stream* stream = streams_.At(*index);
    if (stream != nullptr && !stream->is_released && stream->receiving.empty() && !stream->fin_received) {
      Emit({Event::Kind::kReadTimeout, stream->handle, {}, SessionOf(stream->handle)});
    }
  }
}

std::optional<TimePoint> EndpointImpl::NextTimeout() const {
  TimePoint next = deadlines_.Next().value_or(kInfiniteFuture);
  next = std::min(next, read_deadlines_.Next().value_or(kInfiniteFuture));
  if (!tombstone_order_.empty()) next = std::min(next, tombstone_order_.front().first);
  return next == kInfiniteFuture ? std::nullopt : std::optional(next);
}

std::optional<Event> EndpointImpl::PollEvent() {
  if (const SlotHandle told = std::exchange(told_closed_, {}); !told.is_null()) {
    if (ConnectionSlot* slot = connections_.Find(told)) slot->connection->is_closed_told = true;
    BuryIfDone(told);
  }
  if (events_.empty()) return std::nullopt;
  const Event event = events_.front();
  events_.pop_front();
  if (event.kind == Event::Kind::kClosed) {
    // Of a stream that was kept for as long as its end was to be seen.
    if (Stream* stream = streams_.Find(event.stream)) {
      if (stream->connection != nullptr) {
        stream->connection->LetGo(*stream);
      } else {
        EraseStream(*stream);
      }
    }
  } else if (event.kind == Event::Kind::kReadable) {
    if (Stream* stream = streams_.Find(event.stream)) stream->is_readable_told = false;
  } else if (event.kind == Event::Kind::kSessionClosed) {
    told_closed_ = event.session;
  }
  return event;
}

// ---- The end -----------------------------------------------------------------------------------------------------------

void EndpointImpl::BuryIfDone(SlotHandle handle) {
  ConnectionSlot* slot = connections_.Find(handle);
  if (slot == nullptr || slot->connection->state() != Connection::State::kClosed || !slot->connection->is_closed_told) return;
  if (tombstones_.size() >= kMaxTombstones) RemoveOldestTombstone();
  const Connection& connection = *slot->connection;
  const SlotHandle tombstone = tombstones_.Emplace();
  *tombstones_.Find(tombstone) = {slot->ids, connection.last_words()};
  // In order of time as far as it matters: connections that last longer only keep later ones a little longer.
  tombstone_order_.emplace_back(now_ + connection.closing_time(), tombstone);
  for (const ConnectionId& id : slot->ids) ids_[id] = {tombstone, true};
  deadlines_.Cancel(handle.index);
  ++counters_.closed;
  connections_.Erase(handle);
}

void EndpointImpl::RemoveOldestTombstone() {
  const SlotHandle handle = tombstone_order_.front().second;
  tombstone_order_.pop_front();
  for (const ConnectionId& id : tombstones_.Find(handle)->ids) ids_.erase(id);
  tombstones_.Erase(handle);
}

// ---- ConnectionHost ----------------------------------------------------------------------------------------------------

void EndpointImpl::MarkReady(Connection& connection) {
  if (std::exchange(connection.is_ready, true)) return;
  ready_.push_back(connection.handle());
}

void EndpointImpl::OnValidated(Connection& connection) {
  --counters_.unvalidated;
  ConnectionSlot* slot = connections_.Find(connection.handle());
  if (slot != nullptr) prefixes_.Give(slot->counted_prefix);
}

void EndpointImpl::OnHandshakeOver(Connection& connection) {
  ConnectionSlot* slot = connections_.Find(connection.handle());
  if (slot == nullptr || slot->handshake_prefix.family() == IpAddress::Family::kNone) return;
  handshake_prefixes_.Give(std::exchange(slot->handshake_prefix, {}));
  --handshakes_;
}

Stream& EndpointImpl::AddStream(Connection& connection, const StreamLimitClock& clock) {
  const StreamHandle handle = streams_.Emplace(connection, blocks_, clock);
  Stream& stream = *streams_.Find(handle);
  stream.handle = handle;
  return stream;
}

void EndpointImpl::EraseStream(Stream& stream) {
  read_deadlines_.Cancel(stream.handle.index);
  if (stream.connection != nullptr) stream.connection->DropDatagrams(stream);
  streams_.Erase(stream.handle);
}

ConnectionId EndpointImpl::MakeId(Connection& connection, ByteSpan reset_token) {
  ConnectionId id;
  id.size = kConnectionIdSize;
  do {
    MakeConnectionId(ByteSpan(id.bytes).first(kConnectionIdSize), static_cast<uint8_t>(options_.worker), worker_key_byte_, random_);
  } while (ids_.contains(id));
  const ngtcp2_cid cid = ToCid(id);
  CULVERT_CHECK(ngtcp2_crypto_generate_stateless_reset_token(reset_token.data(), reset_key_.view().data(),
                                                             reset_key_.view().size(), &cid) == 0);
  AddId(id, connection);
  return id;
}

void EndpointImpl::AddId(const ConnectionId& id, Connection& connection) {
  ids_[id] = {connection.handle(), false};
  connections_.Find(connection.handle())->ids.push_back(id);
}

void EndpointImpl::RemoveId(const ConnectionId& id) {
  const auto found = ids_.find(id);
  if (found == ids_.end() || found->second.is_tombstone) return;
  if (ConnectionSlot* slot = connections_.Find(found->second.handle)) std::erase(slot->ids, id);
  ids_.erase(found);
}

}  // namespace culvert::quic
