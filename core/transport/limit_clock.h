// What limits a sender, and for how long each limit was the one: LimitClock for a session, StreamLimitClock for one of many streams
// on it. They keep no time of their own: who owns one says when the answer changes, at the end of an iteration (Flush), as nothing
// that an engine decides can change between two of them. So times are exact sums, not samples.
//
// Units: durations, cumulative since the session or stream began; the six add up to its age, exactly.
// Cost: a comparison where nothing changes, else an addition; no allocation. Thread: its owner's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/time.h"

namespace culvert {

// What keeps the sender from sending more right now. Exactly one is in force; where several hold data back, it is the one that the
// data which could go first waits for. A limit begins when it shows: an outage after the timeouts that reveal it.
enum class SendLimit : uint8_t {
  // Nothing to send: what was taken from the application has been sent, and it offers no more (RFC 9002 section 7.8). Also before
  // the handshake and after the end, when there is no application.
  kApplication,
  // Data waits, what was lost included, and bytes in flight fill the congestion window (RFC 9002 section 7). Also the little that
  // may be sent to an address that is not proved yet (RFC 9000 section 8.1).
  kCongestion,
  // Data waits and the window has room, but the pacer's next send time lies ahead (RFC 9002 section 7.7).
  kPacing,
  // Data waits, but the peer's flow control does not allow it: MAX_STREAM_DATA, MAX_DATA (RFC 9000 section 4), mKCP's window.
  kPeerWindow,
  // Nothing waits to be sent, but only because the application was refused: we keep as much unacknowledged data as we may.
  kBuffer,
  // Data is in flight and several probe timeouts in a row went by without an acknowledgement.
  kPathDown,
};
inline constexpr size_t kSendLimitCount = 6;
std::string_view SendLimitName(SendLimit limit);

struct TimeInLimit {
  std::array<Duration, kSendLimitCount> spent{};

  Duration& operator[](SendLimit limit) { return spent[static_cast<size_t>(limit)]; }
  const Duration& operator[](SendLimit limit) const { return spent[static_cast<size_t>(limit)]; }
  [[nodiscard]] Duration Sum() const {
    Duration sum{};
    for (const Duration each : spent) sum += each;
    return sum;
  }
  friend bool operator==(const TimeInLimit&, const TimeInLimit&) = default;
};

class LimitClock {
 public:
  // Begins with kApplication.
  explicit LimitClock(TimePoint now) : since_(now) {}

  // `limit` is in force from `now` on; until then the one before it was.
  void Enter(SendLimit limit, TimePoint now) {
    if (limit == current_) return;
    ended_[current_] += now - since_;
    since_ = now;
    current_ = limit;
  }
  [[nodiscard]] SendLimit current() const { return current_; }
  // The one in force included.
  [[nodiscard]] TimeInLimit Totals(TimePoint now) const {
    TimeInLimit totals = ended_;
    totals[current_] += now - since_;
    return totals;
  }

 private:
  TimeInLimit ended_;
  TimePoint since_;
  SendLimit current_ = SendLimit::kApplication;
};

// A stream that waits its turn is limited by whatever limits its session, which may change a thousand times a second, for a thousand
// waiting streams at once. So the session's changes are not told to its streams: a stream notes the session's totals when it
// begins to follow them, and takes the difference when it stops.
class StreamLimitClock {
 public:
  struct Hold {
    // Of this stream alone; nullopt: data of it waits for what its session waits for.
    std::optional<SendLimit> own = SendLimit::kApplication;
    // Something of it is in flight, so that an outage of the path is its own as well, whatever else it waits for.
    bool is_in_flight = false;
    friend bool operator==(const Hold&, const Hold&) = default;
  };

  // Begins with nothing to send.
  StreamLimitClock(const LimitClock& session, TimePoint now) : session_then_(session.Totals(now)) {}

  void Enter(const Hold& hold, const LimitClock& session, TimePoint now) {
    if (hold == hold_) return;
    const TimeInLimit session_now = session.Totals(now);
    AddTo(ended_, session_now);
    session_then_ = session_now;
    hold_ = hold;
  }
  [[nodiscard]] const Hold& hold() const { return hold_; }
  [[nodiscard]] SendLimit Current(const LimitClock& session) const {
    const bool is_down = session.current() == SendLimit::kPathDown && hold_.is_in_flight;
    return is_down ? SendLimit::kPathDown : hold_.own.value_or(session.current());
  }
  [[nodiscard]] TimeInLimit Totals(const LimitClock& session, TimePoint now) const {
    TimeInLimit totals = ended_;
    AddTo(totals, session.Totals(now));
    return totals;
  }

 private:
  // Adds what passed since the hold in force began.
  void AddTo(TimeInLimit& sums, const TimeInLimit& session_now) const {
    for (size_t i = 0; i < kSendLimitCount; ++i) {
      const auto limit = static_cast<SendLimit>(i);
      const bool is_outage = limit == SendLimit::kPathDown && hold_.is_in_flight;
      sums[is_outage ? limit : hold_.own.value_or(limit)] += session_now[limit] - session_then_[limit];
    }
  }

  TimeInLimit ended_;
  TimeInLimit session_then_;
  Hold hold_;
};

}  // namespace culvert
