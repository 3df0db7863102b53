// Pump: moves bytes between two streams, both ways, and decides when and how the pair ends.
//
// Back-pressure: a direction reads only what the other side takes, so that a slow reader slows its writer and nothing piles up
// here. Fairness: a turn moves at most kTurnBytes each way.
//
// How it ends:
//   one side finishes, both can half-close   the other is told; the pair ends when both directions have (TCP, TLS over mKCP)
//   one side finishes, the other cannot be   once what was sent is acknowledged and the way back has been silent for
//   half-closed (mKCP has no such thing)     half_close_linger, the other is closed (quirks K22)
//   a side without half-close finishes,      the whole session is over: the other side gets the end, what it still says is
//   or one that finished loses it            discarded for at most half_close_linger, then it is closed
//   a side breaks                            the other is reset, so that no cut stream looks complete; if the broken side had
//                                            finished sending before, the other gets the end in order instead
//   both directions silent for idle_timeout  both are closed; if one of them waits for its reader, both are reset instead
// Thread: confined to one worker. Reads no clock.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/time.h"
#include "server/byte_stream.h"

namespace culvert::server {

// Why a pump ended.
enum class PumpEnd : uint8_t {
  kNone,         // it has not
  kFinished,     // both sides had
  kIdleTimeout,
  kRequested,    // End
  kNearBroke,
  kFarBroke,
};

struct PumpOptions {
  Duration idle_timeout{};
  Duration half_close_linger{};
};

class Pump {
 public:
  static constexpr size_t kTurnBytes = 256 << 10;

  // Both streams must outlive the pump, which ends them.
  Pump(ByteStream& near, ByteStream& far, const PumpOptions& options, TimePoint now);

  // Moves what can be moved. True: there is more to move right away.
  [[nodiscard]] bool Run(TimePoint now);
  // To be called at NextDeadline.
  void OnTimer(TimePoint now);
  [[nodiscard]] TimePoint NextDeadline() const;
  // Ends the pair now. In order: what is there is offered once more, at most a turn of it; a side that does not take all of it
  // is reset, one that does is closed. Else both are reset.
  void End(TimePoint now, bool in_order);
  // True when both streams have been closed or reset.
  [[nodiscard]] bool is_done() const { return is_done_; }

  [[nodiscard]] PumpEnd end() const { return end_; }
  // It ended before everything was passed on, or that can be told.
  [[nodiscard]] bool was_cut() const { return was_cut_; }

  // When either direction last moved a byte.
  [[nodiscard]] TimePoint last_moved() const { return std::max(directions_[0].last_moved, directions_[1].last_moved); }

  // A direction waits for its reader: ending the pair now would cut it.
  [[nodiscard]] bool is_stalled() const;

  [[nodiscard]] uint64_t bytes_from_near() const { return directions_[0].bytes; }
  [[nodiscard]] uint64_t bytes_from_far() const { return directions_[1].bytes; }

 private:
  struct Direction {
    ByteStream* from;
    ByteStream* to;
    uint64_t bytes = 0;
    TimePoint last_moved{};
    bool has_ended = false;     // everything was moved
    bool is_blocked = false;    // the sink takes nothing
    bool discards = false;      // the sink is gone; read to the end all the same
  };

  Direction& Reverse(const Direction& direction) { return directions_[&direction == &directions_[0] ? 1 : 0]; }
  [[nodiscard]] bool Move(Direction& direction, TimePoint now);
  // Whether something is left to read.
  [[nodiscard]] static bool HasMore(Direction& direction);
  [[nodiscard]] bool Discard(Direction& direction);
  void OnEnd(Direction& direction, TimePoint now);
  void OnSessionOver(Direction& direction, TimePoint now);
  void OnBroken(Direction& from_broken);
  void CheckLinger(TimePoint now);
  void CloseBoth(PumpEnd end);
  void ResetBoth(PumpEnd end, CloseReason reason);

  const PumpOptions options_;
  std::array<Direction, 2> directions_;  // from near, from far
  bool is_done_ = false;
  bool was_cut_ = false;
  PumpEnd end_ = PumpEnd::kNone;
  // Set while a side that cannot be half-closed waits for silence: the direction that ended.
  Direction* lingering_ = nullptr;
  TimePoint linger_until_ = kInfiniteFuture;
  TimePoint linger_check_at_ = kInfiniteFuture;
  TimePoint discard_until_ = kInfiniteFuture;
};

}  // namespace culvert::server
