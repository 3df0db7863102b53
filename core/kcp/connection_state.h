// The six states of an mKCP connection and their transition table.
//
//                 local close, idle                 queue empty, 15 s, peer closed too
//      kActive ----------------------> kReadyToClose --------------------------------> kTerminating
//        |  \ option close                                                           ^     |
//        |   +---------> kPeerClosed ----------- local close, 30 s ------------------+     | terminate received, 8 s
//        | terminate        | terminate received                                     |     v
//        +------------------+-----> kPeerTerminating ---- 4 s after the last read ---+  kTerminated
//                                         +----------------- local close ------------------^
//
// Source: spec/mkcp.md section 12; deviations are K5 (a time limit in kPeerClosed) and K15 (close acts at once).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/time.h"

namespace culvert::kcp {

enum class State : uint8_t { kActive, kReadyToClose, kPeerClosed, kTerminating, kPeerTerminating, kTerminated };
inline constexpr size_t kStateCount = 6;

enum class Trigger : uint8_t {
  kLocalClose,
  kIdle,                // nothing received for kIdleTimeout
  kPeerClose,           // a segment with option bit 0
  kPeerTerminate,       // a terminate command
  kQueueDrained,        // everything sent is acknowledged
  kLimitReached,        // the state's time limit (TimeLimit) has passed
};
inline constexpr size_t kTriggerCount = 6;

inline constexpr Duration kIdleTimeout = std::chrono::seconds(30);

// How long a state may last before kLimitReached; kInfiniteDuration: for ever.
constexpr Duration TimeLimit(State state) {
  switch (state) {
    case State::kReadyToClose:
      return std::chrono::seconds(15);
    case State::kPeerClosed:
      return std::chrono::seconds(30);  // K5: v2ray has none
    case State::kTerminating:
      return std::chrono::seconds(8);
    case State::kPeerTerminating:
      return std::chrono::seconds(4);   // counted from when the application has read everything
    default:
      return kInfiniteDuration;
  }
}

// Where `trigger` leads from `state`; the same state when it has no effect.
State NextState(State state, Trigger trigger);
std::string_view StateName(State state);
std::string_view TriggerName(Trigger trigger);

// True while data may still be sent (new or again).
constexpr bool MaySendData(State state) { return state == State::kActive || state == State::kReadyToClose; }
// True while received data reaches the application.
constexpr bool MayDeliver(State state) {
  return state == State::kActive || state == State::kPeerClosed || state == State::kPeerTerminating;
}

}  // namespace culvert::kcp
