// The listener and dialler side of mKCP, in the order a datagram takes: strip and open, find its conversation or open one,
// hand it the segments; then readiness, output and the end of connections.
#include "core/kcp/endpoint.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/deadline_heap.h"
#include "core/kcp/connection.h"
#include "core/kcp/conversation_table.h"
#include "core/kcp/replay_filter.h"

namespace culvert::kcp {
namespace {

// An accepted connection that has not proved its address lives this long after the last datagram from it: two keep-alives of a
// real peer. What it is sent ends long before (AddressValidation::kPatience).
constexpr Duration kUnvalidatedLifetime = std::chrono::seconds(12);
// Above so many of them the application sees a connection only once its peer has proved its address.
constexpr size_t kEagerHandOver = 128;
constexpr size_t kMaxStatelessTerminates = 256;  // per flush
constexpr uint32_t kBeyondAnyWindow = 32768;

// Services that answer anything: a datagram from there is a reflection, not a client (reliability T15).
constexpr std::array<uint16_t, 12> kReflectorPorts = {0, 17, 19, 53, 111, 123, 137, 138, 161, 389, 500, 1900};

bool IsRefusedSource(const SocketAddress& peer) {
  return peer.ip.is_unspecified() || peer.ip.is_multicast() ||
         std::find(kReflectorPorts.begin(), kReflectorPorts.end(), peer.port) != kReflectorPorts.end();
}

class KcpEndpoint final : public culvert::Endpoint {
 public:
  KcpEndpoint(const EndpointOptions& options, RandomSource& random)
      : options_(options),
        random_(random),
        hash_(random),
        writer_(options.config->header(), options.config->sealer(), random),
        send_pool_(options.config->max_segment_payload_bytes()),
        paths_(hash_),
        context_{*options_.config, random, writer_, send_pool_, receive_pools_, counters_, events_, paths_},
        table_(hash_),
        replay_filter_(hash_),
        prefixes_(0, PrefixHash{&hash_}),
        accepting_(options.accepts) {}

  DropReason OnDatagram(TimePoint now, Datagram& datagram) override;
  void OnTimeout(TimePoint now) override;
  absl::StatusOr<StreamHandle> Connect(TimePoint now, const SocketAddress& peer) override;

  size_t WritableBytes(StreamHandle stream) const override {
    const Connection* connection = connections_.Find(stream);
    return connection ? connection->WritableBytes() : 0;
  }
  size_t Write(StreamHandle stream, ByteView bytes) override {
    Connection* connection = connections_.Find(stream);
    if (!connection) return 0;
    MarkReady(stream.index, *connection);
    return connection->Write(bytes);
  }
  size_t Peek(StreamHandle stream, std::span<ByteView> views) override {
    Connection* connection = connections_.Find(stream);
    return connection ? connection->Peek(views) : 0;
  }
  void Consume(StreamHandle stream, size_t size) override {
    Connection* connection = connections_.Find(stream);
    if (!connection) return;
    MarkReady(stream.index, *connection);
    connection->Consume(size);
  }
  bool SetReadDeadline(StreamHandle stream, TimePoint when) override {
    Connection* connection = connections_.Find(stream);
    if (!connection) return false;
    MarkReady(stream.index, *connection);
    return connection->SetReadDeadline(when);
  }
  bool AtEnd(StreamHandle stream) const override {
    const Connection* connection = connections_.Find(stream);
    return connection && connection->AtEnd();
  }
  void Close(TimePoint now, StreamHandle stream) override {
    Connection* connection = connections_.Find(stream);
    if (!connection) return;
    MarkReady(stream.index, *connection);
    connection->Close(now);
  }
  void Abort(TimePoint now, StreamHandle stream, CloseReason reason) override {
    Connection* connection = connections_.Find(stream);
    if (!connection) return;
    MarkReady(stream.index, *connection);
    connection->Abort(now, reason);
  }
  void StopAccepting() override { accepting_ = false; }
  bool HasUndelivered(StreamHandle stream) const override {
    const Connection* connection = connections_.Find(stream);
    return connection != nullptr && connection->HasUndelivered();
  }

  void Flush(TimePoint now, DatagramSink& sink) override;
  bool HasPendingOutput() const override { return ready_head_ < ready_.size() || !stateless_.empty(); }
  std::optional<Event> PollEvent() override;
  std::optional<TimePoint> NextTimeout() const override { return deadlines_.Next(); }

  size_t session_count() const override { return connections_.size() - finished_.size(); }
  const EndpointCounters& counters() const override { return counters_; }
  std::optional<SessionStats> GetStats(TimePoint now, StreamHandle stream) const override {
    const Connection* connection = connections_.Find(stream);
    return connection ? std::optional<SessionStats>(connection->GetStats(now)) : std::nullopt;
  }
  std::optional<TimeInLimit> GetTimeInLimit(TimePoint now, StreamHandle stream) const override {
    const Connection* connection = connections_.Find(stream);
    return connection ? std::optional<TimeInLimit>(connection->time_in_limit(now)) : std::nullopt;
  }
  void ForEachSession(TimePoint now, const std::function<void(const SessionStats&)>& visit) const override {
    connections_.ForEach([&](SlotHandle, const Connection& connection) {
      if (!connection.is_buried) visit(connection.GetStats(now));
    });
  }

 private:
  struct StatelessTerminate {
    ConversationKey key;
    SerialNumber sending_next;
    SerialNumber receiving_next;
  };

  DropReason Process(TimePoint now, Datagram& datagram);
  DropReason Accept(TimePoint now, const ConversationKey& key, const Segment& first, ByteView nonce,
                    Connection*& accepted, uint32_t& index);
  bool Opens(const Segment& first) const;
  void AnswerStranger(const ConversationKey& key, const Segment& segment);
  void QueueTerminate(const StatelessTerminate& terminate);
  void UpdateHandOver(Connection& connection);
  void Adopt(SlotHandle handle, Connection& connection);
  void ForgetUnvalidated(Connection& connection);
  void EvictUnvalidated(TimePoint now);
  bool FlushStateless(DatagramSink& sink);
  void Settle(TimePoint now, uint32_t index);
  void MarkReady(uint32_t index, Connection& connection) {
    if (connection.is_ready) return;
    connection.is_ready = true;
    ready_.push_back(index);
  }

  struct PrefixHash {
    const KeyedHash* keyed;
    size_t operator()(const IpAddress& ip) const { return static_cast<size_t>((*keyed)(ip.bytes())); }
  };

  const EndpointOptions options_;
  RandomSource& random_;
  const KeyedHash hash_;
  DatagramWriter writer_;
  BlockPool send_pool_;
  PathMemory paths_;
  ReceivePools receive_pools_;
  EndpointCounters counters_;
  std::vector<Event> events_;
  size_t events_head_ = 0;
  ConnectionContext context_;

  SlotMap<Connection> connections_;
  std::vector<SlotHandle> handles_;       // by slot index: the handle that is alive there
  ConversationTable table_;
  ReplayFilter replay_filter_;
  DeadlineHeap deadlines_;                // by slot index
  std::vector<uint32_t> ready_;           // slot indexes to flush, a queue
  size_t ready_head_ = 0;
  std::vector<SlotHandle> unvalidated_;   // accepted, address not proved
  absl::flat_hash_map<IpAddress, uint32_t, PrefixHash> prefixes_;  // how many of them by network
  std::vector<StatelessTerminate> stateless_;
  std::vector<SlotHandle> finished_;
  size_t accepted_ = 0;                   // alive
  bool accepting_;
};

DropReason KcpEndpoint::OnDatagram(TimePoint now, Datagram& datagram) {
  ++counters_.rx_datagrams;
  counters_.rx_bytes += datagram.bytes.size();
  const DropReason reason = Process(now, datagram);
  if (reason != DropReason::kNone) ++counters_.dropped[static_cast<size_t>(reason)];
  return reason;
}

DropReason KcpEndpoint::Process(TimePoint now, Datagram& datagram) {
  const size_t header = HeaderSize(options_.config->header());
  if (datagram.bytes.size() <= header) return DropReason::kTruncated;
  const ByteSpan sealed = datagram.bytes.subspan(header);
  const DatagramSealer& sealer = options_.config->sealer();
  ByteSpan plain;
  if (const DropReason reason = sealer.OpenInPlace(sealed, plain); reason != DropReason::kNone) return reason;
  SegmentParser parser(plain);
  std::optional<Segment> segment = parser.Next();
  if (!segment) return DropReason::kNoSegment;

  const ConversationKey key{datagram.peer, ConversationId(*segment)};
  Connection* connection = nullptr;
  uint32_t index = 0;
  if (const std::optional<SlotHandle> handle = table_.Find(key)) {
    connection = connections_.Find(*handle);
    index = handle->index;
  }
  const ByteView nonce = ByteView(sealed).first(sealer.nonce_size());
  if (connection != nullptr && !connection->validated() && !nonce.empty() && Opens(*segment)) {
    // What could have opened this conversation must not open another one later. Here a repetition is only a duplicate.
    (void)replay_filter_.Admit(now, nonce);
  }
  if (connection == nullptr) {
    if (const DropReason reason = Accept(now, key, *segment, nonce, connection, index); reason != DropReason::kNone) {
      return reason;
    }
  }
  MarkReady(index, *connection);
  connection->OnDatagramReceived(now, datagram.bytes.size());
  const bool was_validated = connection->validated();
  for (; segment && ConversationId(*segment) == key.conversation_id; segment = parser.Next()) {
    connection->OnSegment(now, *segment);
  }
  if (!was_validated && connection->validated()) ForgetUnvalidated(*connection);
  if (!connection->handed_over()) UpdateHandOver(*connection);
  return DropReason::kNone;
}

bool KcpEndpoint::Opens(const Segment& first) const {
  // K4: a conversation begins with data inside the window or with a ping, of a peer that has not heard of us yet.
  if (const auto* data = std::get_if<DataSegment>(&first)) {
    return data->sending_next == options_.first_number &&
           data->number.DistanceFrom(options_.first_number) < options_.config->initial_receive_window_segments();
  }
  const auto* command = std::get_if<CommandSegment>(&first);
  return command != nullptr && !command->is_terminate() && command->sending_next == options_.first_number &&
         command->receiving_next == options_.first_number && (command->option & kOptionClose) == 0;
}

DropReason KcpEndpoint::Accept(TimePoint now, const ConversationKey& key, const Segment& first, ByteView nonce,
                               Connection*& accepted, uint32_t& index) {
  if (ConversationTable::Tombstone* tombstone = table_.FindTombstone(now, key)) {
    // K6: no ghost. The peer missed our terminate: it is said again, a few times.
    if (tombstone->answers_left > 0) {
      --tombstone->answers_left;
      QueueTerminate({key, tombstone->sending_next, tombstone->receiving_next});
    }
    return DropReason::kRecentlyEnded;
  }
  if (!options_.accepts) return DropReason::kUnknownConversation;
  if (IsRefusedSource(key.peer)) return DropReason::kRefusedSource;
  if (!Opens(first)) {
    // Somebody goes on where we know nothing, after a restart of ours: tell, or it would wait for its idle time (F10). Early
    // data that merely overtook the first segments does not claim to have heard of us, and gets no answer.
    const auto* data = std::get_if<DataSegment>(&first);
    const auto* command = std::get_if<CommandSegment>(&first);
    const bool heard_of_us = (data != nullptr && data->sending_next != options_.first_number) ||
                             (command != nullptr && !command->is_terminate() &&
                              (command->sending_next != options_.first_number ||
                               command->receiving_next != options_.first_number)) ||
                             std::holds_alternative<AckSegment>(first);
    if (heard_of_us) AnswerStranger(key, first);
    return DropReason::kUnknownConversation;
  }
  if (!accepting_) {
    AnswerStranger(key, first);
    return DropReason::kNotAccepting;
  }
  if (accepted_ >= options_.max_sessions) return DropReason::kTooManySessions;
  const IpAddress prefix = key.peer.ip.AccountingPrefix();
  if (const auto it = prefixes_.find(prefix);
      it != prefixes_.end() && it->second >= options_.max_unvalidated_per_prefix && !key.peer.ip.is_loopback()) {
    return DropReason::kTooManyUnvalidated;
  }
  if (!nonce.empty() && !replay_filter_.Admit(now, nonce)) return DropReason::kReplayed;
  if (unvalidated_.size() >= options_.max_unvalidated) EvictUnvalidated(now);
  CULVERT_CHECK(unvalidated_.size() < options_.max_unvalidated);

  const SlotHandle handle = connections_.Emplace(
      context_, Connection::Identity{key.peer, key.conversation_id, false, options_.first_number}, now);
  accepted = connections_.Find(handle);
  index = handle.index;
  Adopt(handle, *accepted);
  table_.Insert(key, handle);
  accepted->unvalidated_index = static_cast<uint32_t>(unvalidated_.size());
  unvalidated_.push_back(handle);
  counters_.unvalidated = unvalidated_.size();
  ++prefixes_[prefix];
  ++accepted_;
  return DropReason::kNone;
}

void KcpEndpoint::Adopt(SlotHandle handle, Connection& connection) {
  connection.set_handle(handle);
  if (handles_.size() <= handle.index) handles_.resize(handle.index + 1);
  handles_[handle.index] = handle;
  ++counters_.opened;
}

void KcpEndpoint::AnswerStranger(const ConversationKey& key, const Segment& segment) {
  // Numbers that fit what the peer said, or it would not believe us; and a stream longer than it can have received, so that it
  // reports an error and no clean end.
  SerialNumber received;
  SerialNumber sent;
  if (const auto* data = std::get_if<DataSegment>(&segment)) {
    sent = data->sending_next;
  } else if (const auto* ack = std::get_if<AckSegment>(&segment)) {
    received = ack->receiving_next;
  } else {
    const auto& command = std::get<CommandSegment>(segment);
    received = command.receiving_next;
    sent = command.sending_next;
  }
  QueueTerminate({key, received.Plus(kBeyondAnyWindow), sent});
}

void KcpEndpoint::QueueTerminate(const StatelessTerminate& terminate) {
  if (stateless_.size() < kMaxStatelessTerminates && !IsRefusedSource(terminate.key.peer)) stateless_.push_back(terminate);
}

void KcpEndpoint::UpdateHandOver(Connection& connection) {
  if (connection.validated() ? !connection.wants_hand_over()
                             : !connection.wants_hand_over() || unvalidated_.size() > kEagerHandOver) {
    return;
  }
  connection.HandOver();
}

void KcpEndpoint::ForgetUnvalidated(Connection& connection) {
  const uint32_t at = connection.unvalidated_index;
  CULVERT_CHECK(at < unvalidated_.size());
  unvalidated_[at] = unvalidated_.back();
  if (Connection* moved = connections_.Find(unvalidated_[at])) moved->unvalidated_index = at;
  unvalidated_.pop_back();
  counters_.unvalidated = unvalidated_.size();
  const auto it = prefixes_.find(connection.identity().peer.ip.AccountingPrefix());
  if (it != prefixes_.end() && --it->second == 0) prefixes_.erase(it);
}

void KcpEndpoint::EvictUnvalidated(TimePoint now) {
  // At random, so that a flood cannot choose who stays (T01).
  const SlotHandle victim = unvalidated_[random_.NextInRange(0, static_cast<uint32_t>(unvalidated_.size() - 1))];
  Connection& connection = *connections_.Find(victim);
  connection.Abort(now, CloseReason::kNeverValidated);
  Settle(now, victim.index);
}

absl::StatusOr<StreamHandle> KcpEndpoint::Connect(TimePoint now, const SocketAddress& peer) {
  // K2: drawn at random; a few draws find a free one unless nearly all 65536 towards this peer are taken.
  for (int attempt = 0; attempt < 256; ++attempt) {
    const ConversationKey key{peer, static_cast<uint16_t>(random_.NextU32())};
    if (!table_.IsFree(now, key)) continue;
    const SlotHandle handle = connections_.Emplace(
        context_, Connection::Identity{peer, key.conversation_id, true, options_.first_number}, now);
    Connection& connection = *connections_.Find(handle);
    Adopt(handle, connection);
    table_.Insert(key, handle);
    MarkReady(handle.index, connection);
    return handle;
  }
  return absl::ResourceExhaustedError(
      absl::StrFormat("no free conversation id towards %s: too many sessions to one peer", peer.ToString()));
}

void KcpEndpoint::OnTimeout(TimePoint now) {
  while (const std::optional<uint32_t> index = deadlines_.PopDue(now)) {
    Connection* connection = connections_.Find(handles_[*index]);
    if (connection == nullptr) continue;
    MarkReady(*index, *connection);
    connection->ReleaseSpareMemory(now);
    if (!connection->validated() && now - connection->last_received_at() >= kUnvalidatedLifetime) {
      connection->Abort(now, CloseReason::kNeverValidated);
    }
  }
}

bool KcpEndpoint::FlushStateless(DatagramSink& sink) {
  while (!stateless_.empty()) {
    const StatelessTerminate& answer = stateless_.back();
    CommandSegment terminate;
    terminate.conversation_id = answer.key.conversation_id;
    terminate.command = static_cast<uint8_t>(Command::kTerminate);
    terminate.sending_next = answer.sending_next;
    terminate.receiving_next = answer.receiving_next;
    terminate.peer_rto = static_cast<uint32_t>(ToMilliseconds(RttEstimator::kInitialRto));
    if (!writer_.Write(answer.key.peer, kCommandSize, sink, [&](ByteSpan out) { (void)EncodeCommand(terminate, out); })) {
      return false;
    }
    ++counters_.tx_datagrams;
    counters_.tx_bytes += writer_.overhead() + kCommandSize;
    stateless_.pop_back();
  }
  return true;
}

void KcpEndpoint::Flush(TimePoint now, DatagramSink& sink) {
  if (!FlushStateless(sink)) return;
  // A sink that is full time and again must not leave an ever longer spent prefix behind.
  if (ready_head_ > 1024 && ready_head_ > ready_.size() / 2) {
    ready_.erase(ready_.begin(), ready_.begin() + static_cast<ptrdiff_t>(ready_head_));
    ready_head_ = 0;
  }
  while (ready_head_ < ready_.size()) {
    const uint32_t index = ready_[ready_head_];
    Connection* connection = connections_.Find(handles_[index]);
    if (connection != nullptr && !connection->is_buried) {
      if (!connection->Flush(now, sink)) return;
      connection->is_ready = false;
      Settle(now, index);
    }
    ++ready_head_;
  }
  ready_.clear();
  ready_head_ = 0;
}

void KcpEndpoint::Settle(TimePoint now, uint32_t index) {
  const SlotHandle handle = handles_[index];
  Connection& connection = *connections_.Find(handle);
  if (!connection.is_finished()) {
    TimePoint next = connection.NextDeadline();
    if (!connection.validated()) next = std::min(next, connection.last_received_at() + kUnvalidatedLifetime);
    deadlines_.Set(index, next);
    return;
  }
  // It leaves the tables now and dies once its last events are read, so that its final statistics can be asked for.
  deadlines_.Cancel(index);
  const ConversationKey key{connection.identity().peer, connection.identity().conversation_id};
  if (!connection.identity().outgoing) {
    --accepted_;
    if (!connection.validated()) ForgetUnvalidated(connection);
  }
  // A peer that never answered may have been made up: it gets no tombstone that would lock out the real one.
  if (connection.close_reason() == CloseReason::kNeverValidated) {
    table_.Erase(key);
  } else {
    table_.Bury(now, key, connection.terminate_sending_next(), connection.receiving_next());
  }
  ++counters_.closed;
  if (!connection.handed_over()) {
    connections_.Erase(handle);
    return;
  }
  connection.is_buried = true;
  finished_.push_back(handle);
}

std::optional<Event> KcpEndpoint::PollEvent() {
  if (events_head_ == events_.size()) {
    events_.clear();
    events_head_ = 0;
    for (const SlotHandle handle : finished_) connections_.Erase(handle);
    finished_.clear();
    return std::nullopt;
  }
  return events_[events_head_++];
}

}  // namespace

std::unique_ptr<culvert::Endpoint> CreateEndpoint(const EndpointOptions& options, RandomSource& random) {
  return std::make_unique<KcpEndpoint>(options, random);
}

}  // namespace culvert::kcp
