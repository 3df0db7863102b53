// The applications of a QuicPair: sessions and streams, from opening to the last byte.
#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "tests/sim/quic_pair.h"
#include "tests/testing/pattern.h"

namespace culvert::sim {
namespace {

constexpr size_t kClientHead = 16;  // number, bytes wanted back
constexpr size_t kServerHead = 8;   // number
constexpr size_t kWriteSize = 64 * 1024;

void AppendNumber(std::vector<uint8_t>& out, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(number >> shift));
}

uint64_t NumberAt(const std::vector<uint8_t>& bytes, size_t at) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | bytes[at + i];
  return number;
}

// Of the pattern that one direction of a stream carries.
uint64_t PatternSeed(uint64_t pair_seed, uint64_t number, bool from_client) {
  return (pair_seed << 20) + 2 * number + (from_client ? 0 : 1);
}

}  // namespace

size_t QuicPair::Open(size_t session, uint64_t up, uint64_t down) {
  QuicSide side;
  side.to_send = up;
  return Open(session, side, down);
}

size_t QuicPair::Open(size_t session, QuicSide side, uint64_t down) {
  const size_t number = streams_.size();
  side.number = number;
  side.expects = options_.server_first_bytes != 0 ? options_.server_first_bytes : down;
  side.session = sessions_[session].handle;
  side.send_seed = PatternSeed(options_.seed, number, true);
  AppendNumber(side.head_out, number);
  AppendNumber(side.head_out, down);
  streams_.push_back(std::make_unique<QuicStream>(QuicStream{std::move(side), nullptr}));
  waiting_.emplace_back(session, number);
  may_open_ = true;
  Settle(clients_[sessions_[session].client]);
  return number;
}

void QuicPair::OpenWaiting() {
  may_open_ = false;
  std::vector<std::pair<size_t, size_t>> still;
  std::vector<size_t> has_none;
  for (const auto& [session_number, number] : std::exchange(waiting_, {})) {
    Session& session = sessions_[session_number];
    QuicSide& side = streams_[number]->client;
    if (session.closed) {
      side.closed = true;
      side.reason = session.reason;
      continue;
    }
    End& end = clients_[session.client];
    std::optional<StreamHandle> handle;
    if (std::find(has_none.begin(), has_none.end(), session_number) == has_none.end()) {
      handle = end.endpoint->OpenStream(now_, session.handle);
    }
    if (!handle) {
      has_none.push_back(session_number);
      still.emplace_back(session_number, number);
      continue;
    }
    side.stream = *handle;
    side.opened_at = side.progress_at = now_;
    end.sides[handle->packed()] = &side;
    Pump(end, side);
  }
  still.insert(still.end(), waiting_.begin(), waiting_.end());
  waiting_ = std::move(still);
}

void QuicPair::OnSessionEvent(End& end, const Event& event) {
  if (!end.is_client) {
    if (event.kind != Event::Kind::kSessionOpened) return;
    const auto stats = end.endpoint->GetSessionStats(now_, event.session);
    if (!stats) return Fail("a session opened of which nothing is known");
    if (stats->validated) traffic_[KeyOf(stats->peer)].validated = true;
    return;
  }
  may_open_ = true;
  for (Session& session : sessions_) {
    if (session.client != end.index || session.handle != event.session || session.closed) continue;
    if (const auto info = end.endpoint->GetSessionInfo(event.session)) session.info = *info;
    if (event.kind == Event::Kind::kSessionOpened) {
      if (session.open) return Fail("a session opened twice");
      session.open = true;
      session.opened_at = now_;
    } else if (event.kind == Event::Kind::kSessionClosed) {
      session.closed = true;
      session.closed_at = now_;
      session.reason = event.reason;
      for (const auto& [handle, side] : end.sides) {
        std::array<ByteView, 1> unread;
        const bool goes_on = side->closed || side->close_called || end.endpoint->Peek(side->stream, unread) > 0;
        if (side->session == event.session && !goes_on) Fail("a session closed before its streams");
      }
    }
    return;
  }
  Fail("an event of a session that nobody began");
}

void QuicPair::Accept(End& end, const Event& event) {
  auto side = std::make_unique<QuicSide>();
  side->stream = event.stream;
  side->session = event.session;
  side->opened_at = side->progress_at = now_;
  side->finishes = false;  // until the head has said how much to send
  ++accepted_streams_;
  if (options_.server_first_bytes != 0) {
    side->number = next_server_number_++;
    side->to_send = options_.server_first_bytes;
    side->finishes = true;
    AppendNumber(side->head_out, side->number);
    side->send_seed = PatternSeed(options_.seed, side->number, false);
  }
  if (on_accept) on_accept(*side);
  QuicSide& accepted = *side;
  end.sides[event.stream.packed()] = &accepted;
  end.unknown.push_back(std::move(side));
  Pump(end, accepted);
}

QuicSide* QuicPair::FindSide(End& end, StreamHandle stream) {
  const auto found = end.sides.find(stream.packed());
  return found == end.sides.end() ? nullptr : found->second;
}

void QuicPair::OnEvent(End& end, const Event& event) {
  switch (event.kind) {
    case Event::Kind::kSessionOpened:
    case Event::Kind::kSessionClosed:
    case Event::Kind::kStreamsAvailable:
      return OnSessionEvent(end, event);
    case Event::Kind::kDatagram:
    case Event::Kind::kReadTimeout:
      return;
    case Event::Kind::kOpened:
      if (end.is_client) return Fail("a server opened a stream");
      return Accept(end, event);
    default:
      break;
  }
  QuicSide* side = FindSide(end, event.stream);
  if (side == nullptr) return;
  if (event.kind == Event::Kind::kClosed) {
    if (side->closed) return Fail("closed twice");
    side->closed = true;
    side->reason = event.reason;
    end.sides.erase(event.stream.packed());
    return;
  }
  Pump(end, *side);
}

void QuicPair::PumpClient(size_t i) {
  QuicSide& side = client(i);
  for (End& end : clients_) {
    if (FindSide(end, side.stream) != &side) continue;
    Pump(end, side);
    Settle(end);
  }
}

ByteView QuicPair::TakeHead(End& end, QuicSide& side, ByteView bytes) {
  if (side.is_foreign) return {};
  if (side.head_known) return bytes;
  const size_t wanted = end.is_client ? kServerHead : kClientHead;
  const size_t taken = std::min(wanted - side.head_in.size(), bytes.size());
  side.head_in.insert(side.head_in.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  if (side.head_in.size() == wanted) OnHead(end, side);
  return bytes.subspan(taken);
}

void QuicPair::OnHead(End& end, QuicSide& side) {
  side.head_known = true;
  const uint64_t number = NumberAt(side.head_in, 0);
  if (end.is_client) {
    if (options_.server_first_bytes == 0 && number != side.number) return Fail("an answer came in another stream");
    side.expect_seed = PatternSeed(options_.seed, number, false);
    return;
  }
  if (number >= streams_.size()) return Fail("a wrong byte was delivered in a head");
  QuicStream& stream = *streams_[number];
  if (stream.server != nullptr) return Fail(absl::StrFormat("stream %d was executed twice", number));
  const auto found = std::find_if(end.unknown.begin(), end.unknown.end(), [&](const auto& each) { return each.get() == &side; });
  stream.server = std::move(*found);
  end.unknown.erase(found);
  side.expect_seed = PatternSeed(options_.seed, number, true);
  side.expects = stream.client.to_send;
  if (options_.server_first_bytes != 0 || !side.answers) return;
  side.number = number;
  side.send_seed = PatternSeed(options_.seed, number, false);
  side.to_send = NumberAt(side.head_in, 8);
  side.finishes = true;
  AppendNumber(side.head_out, number);
}

bool QuicPair::Read(End& end, QuicSide& side) {
  quic::Endpoint& endpoint = *end.endpoint;
  while (side.received < side.read_limit) {
    std::array<ByteView, 16> views;
    const size_t count = endpoint.Peek(side.stream, views);
    size_t consumed = 0;
    for (size_t i = 0; i < count && side.received < side.read_limit; ++i) {
      const ByteView rest = TakeHead(end, side, views[i]);
      if (!failure_.empty()) return false;
      const ByteView view = rest.first(std::min<uint64_t>(rest.size(), side.read_limit - side.received));
      if (!view.empty() && testing::FindMismatch(side.expect_seed, side.received, view)) {
        Fail("a wrong byte was delivered");
        return false;
      }
      consumed += views[i].size() - rest.size() + view.size();
      side.received += view.size();
    }
    if (consumed == 0) break;
    side.longest_stall = std::max(side.longest_stall, Duration(now_ - side.progress_at));
    side.progress_at = now_;
    endpoint.Consume(side.stream, consumed);
  }
  if (!side.at_end && endpoint.AtEnd(side.stream)) {
    side.at_end = true;
    side.ended_at = now_;
  }
  return true;
}

void QuicPair::Write(End& end, QuicSide& side) {
  if (side.finish_called || side.close_called) return;
  const uint64_t all = side.head_out.size() + side.to_send;
  while (side.written < all) {
    size_t size;
    if (side.written < side.head_out.size()) {
      size = side.head_out.size() - static_cast<size_t>(side.written);
      std::copy(side.head_out.begin() + static_cast<std::ptrdiff_t>(side.written), side.head_out.end(), scratch_.begin());
    } else {
      size = static_cast<size_t>(std::min<uint64_t>(kWriteSize, all - side.written));
      testing::FillPattern(side.send_seed, side.written - side.head_out.size(), ByteSpan(scratch_).first(size));
    }
    const size_t taken = end.endpoint->Write(side.stream, ByteView(scratch_).first(size));
    side.written += taken;
    if (taken < size) return;
  }
  if (!side.finishes) return;
  side.finish_called = true;
  end.endpoint->FinishWriting(now_, side.stream);
}

void QuicPair::Pump(End& end, QuicSide& side) {
  if (side.closed || side.close_called) return;
  if (!Read(end, side)) return;
  Write(end, side);
  if (side.at_end && side.finish_called && side.closes_at_end) {
    side.close_called = true;
    end.endpoint->Close(now_, side.stream);
  }
}

bool QuicPair::AllDone() const {
  return waiting_.empty() && std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) {
           const QuicSide& near = stream->client;
           const QuicSide* far = stream->server.get();
           return near.at_end && near.received == near.expects && far != nullptr && far->at_end && far->received == far->expects;
         });
}

std::string QuicPair::Missing() const {
  std::string text = failure_;
  const auto add_sender = [&text](const char* who, const SessionStats& stats) {
    text += absl::StrFormat(" %s to %s: %s, %s limits it, %d queued, %d in flight, window %d, RTO %d ms, MTU %d, %d lost, %d+%d datagrams;",
                            who, stats.peer.ToString(), stats.state, SendLimitName(stats.limited_by), stats.send_queue_bytes,
                            stats.bytes_in_flight, stats.congestion_window_bytes, ToMilliseconds(stats.rto), stats.path_mtu_bytes,
                            stats.lost_segments, stats.tx_datagrams, stats.rx_datagrams);
  };
  for (const End& end : clients_) end.endpoint->ForEachSession(now_, [&](const SessionStats& stats) { add_sender("client", stats); });
  for (const End& end : servers_) end.endpoint->ForEachSession(now_, [&](const SessionStats& stats) { add_sender("server", stats); });
  for (size_t i = 0; i < sessions_.size(); ++i) {
    const Session& session = sessions_[i];
    if (session.closed || !session.open) {
      text += absl::StrFormat(" session %d: %s, %s %s %s;", i, session.closed ? "closed" : "not open",
                              CloseReasonName(session.reason), session.info.error_reason, session.info.error_message);
    }
  }
  int listed = 0;
  for (const auto& stream : streams_) {
    const QuicSide& near = stream->client;
    const QuicSide* far = stream->server.get();
    const bool is_done = near.at_end && near.received == near.expects && far != nullptr && far->at_end && far->received == far->expects;
    if (is_done || ++listed > 4) continue;
    text += absl::StrFormat(" stream %d: %d of %d down%s, %d of %d up%s, near %s, far %s;", near.number, near.received, near.expects,
                            near.at_end ? " ended" : "", far == nullptr ? 0 : far->received, near.to_send,
                            far != nullptr && far->at_end ? " ended" : "", near.closed ? CloseReasonName(near.reason) : "open",
                            far == nullptr ? "unknown" : far->closed ? CloseReasonName(far->reason) : "open");
  }
  return absl::StrFormat("at %.3f s:%s", ToSeconds(now_.time_since_epoch()) - 1000, text);
}

}  // namespace culvert::sim
