#include "tests/unit/kcp/lone_connection.h"

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace culvert::kcp {
namespace {

constexpr uint16_t kConversation = 0x1234;

std::shared_ptr<const KcpConfig> PlainConfig() { return *KcpConfig::Create({.profile = Profile::kXray}); }

}  // namespace

class LoneConnection::Sink final : public DatagramSink {
 public:
  explicit Sink(LoneConnection& bench) : bench_(bench) {}
  ByteSpan Reserve(const SocketAddress&, size_t max_size) override { return ByteSpan(buffer_).first(max_size); }
  void Commit(size_t size) override {
    // Only the validation probe has two segments in a datagram.
    const std::vector<uint8_t> plain(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(size));
    SegmentParser whole(plain);
    size_t at = 0;
    while (whole.Next()) {
      const size_t end = plain.size() - whole.rest().size();
      SentSegment sent{{plain.begin() + static_cast<ptrdiff_t>(at), plain.end()}, CommandSegment(), bench_.now_};
      bench_.sent.push_back(std::move(sent));
      bench_.sent.back().segment = *SegmentParser(bench_.sent.back().plain).Next();
      at = end;
    }
    CULVERT_CHECK(at == size);
  }

 private:
  LoneConnection& bench_;
  std::array<uint8_t, 4096> buffer_;
};

LoneConnection::LoneConnection(bool outgoing, SerialNumber first_number, uint64_t seed)
    : config_(PlainConfig()),
      random_(seed),
      writer_(HeaderType::kNone, config_->sealer(), random_),
      send_pool_(config_->max_segment_payload_bytes()),
      context_{*config_, random_, writer_, send_pool_, receive_pools_, counters_, events, paths_},
      connection_(context_,
                  {.peer = *SocketAddress::Parse("10.0.0.2:4000"),
                   .conversation_id = kConversation,
                   .outgoing = outgoing,
                   .first_number = first_number},
                  now_),
      next_number_(first_number),
      seen_end_(first_number) {
  connection_.set_handle({1, 1});
}

void LoneConnection::Settle() {
  const size_t before = sent.size();
  Sink sink(*this);
  CULVERT_CHECK(connection_.Flush(now_, sink));
  for (size_t i = before; i < sent.size(); ++i) {
    if (const auto* data = std::get_if<DataSegment>(&sent[i].segment)) {
      last_timestamp_ = data->timestamp;
      seen_end_ = SerialNumber::Later(seen_end_, data->number.Plus(1));
    }
  }
}

void LoneConnection::Receive(const Segment& segment) {
  connection_.OnDatagramReceived(now_, 100);
  connection_.OnSegment(now_, segment);
  if (connection_.wants_hand_over() && !connection_.handed_over()) connection_.HandOver();
  Settle();
}

void LoneConnection::ReceiveData(SerialNumber number, ByteView payload, uint8_t option) {
  DataSegment data{.conversation_id = kConversation, .option = option, .timestamp = AddressValidation::kMinEpoch, .number = number};
  data.sending_next = number;
  data.payload = payload;
  next_number_ = SerialNumber::Later(next_number_, number.Plus(1));
  Receive(data);
}

void LoneConnection::ReceiveFullAck(uint8_t option) {
  Receive(AckSegment{.conversation_id = kConversation,
                     .option = option,
                     .receiving_window = seen_end_.Plus(peer_window_segments),
                     .receiving_next = seen_end_,
                     .timestamp = last_timestamp_});
}

void LoneConnection::ReceivePing(uint8_t option) {
  Receive(CommandSegment{.conversation_id = kConversation,
                         .option = option,
                         .sending_next = next_number_,
                         .receiving_next = SerialNumber::Earlier(connection_.terminate_sending_next(), seen_end_),
                         .peer_rto = 100});
}

void LoneConnection::ReceiveTerminate(uint8_t option, uint32_t missing) {
  Receive(CommandSegment{.conversation_id = kConversation,
                         .command = static_cast<uint8_t>(Command::kTerminate),
                         .option = option,
                         .sending_next = next_number_.Plus(missing),
                         .receiving_next = SerialNumber::Earlier(connection_.terminate_sending_next(), seen_end_),
                         .peer_rto = 100});
}

void LoneConnection::Establish() {
  ReceiveData(next_number_, AsBytes("a"));
  CULVERT_CHECK(connection_.handed_over());
  CULVERT_CHECK(ReadAll().size() == 1);
  CULVERT_CHECK(connection_.Write(AsBytes("b")) == 1);
  Settle();
  ReceiveFullAck();
  CULVERT_CHECK(connection_.validated());
  // Acks, progress pings and their like have time to go.
  Advance(std::chrono::milliseconds(50));
  ReceivePing();
  sent.clear();
  events.clear();
}

void LoneConnection::Advance(Duration time) {
  const TimePoint end = now_ + time;
  while (!connection_.is_finished()) {
    const TimePoint next = connection_.NextDeadline();
    if (next > end) break;
    now_ = std::max(now_, next);
    Settle();
  }
  now_ = end;
}

std::vector<uint8_t> LoneConnection::ReadAll() {
  std::vector<uint8_t> bytes;
  std::array<ByteView, 8> views;
  for (size_t count = connection_.Peek(views); count > 0; count = connection_.Peek(views)) {
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      bytes.insert(bytes.end(), views[i].begin(), views[i].end());
      size += views[i].size();
    }
    connection_.Consume(size);
  }
  return bytes;
}

size_t LoneConnection::SentCommands(Command command) const {
  return static_cast<size_t>(std::count_if(sent.begin(), sent.end(), [&](const SentSegment& each) {
    const auto* segment = std::get_if<CommandSegment>(&each.segment);
    return segment != nullptr && segment->command == static_cast<uint8_t>(command);
  }));
}

}  // namespace culvert::kcp
