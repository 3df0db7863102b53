// What became of a Door after some bytes, as a value; and the bytes in different pieces.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "core/frontdoor/door.h"

namespace culvert::frontdoor {

struct Outcome {
  size_t taken = 0;
  Door::State state = Door::State::kReading;
  Request request;
  Refusal refusal = Refusal::kNone;
  std::string message;
  std::string output;

  friend bool operator==(const Outcome&, const Outcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    return out << "taken " << outcome.taken << ", state " << static_cast<int>(outcome.state) << ", refusal "
               << RefusalName(outcome.refusal) << ", " << outcome.request.destination.ToString() << ", " << outcome.message
               << ", output " << outcome.output;
  }
};

inline std::string TakeOutput(Door& door) {
  const std::string output(AsText(door.output()));
  door.TakeOutput(output.size());
  return output;
}

// Feeds `bytes` in pieces of `piece` bytes. The output is taken after each.
inline Outcome Feed(Door& door, std::string_view bytes, size_t piece) {
  Outcome outcome;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    outcome.taken += door.OnBytes(AsBytes(bytes.substr(at, piece)));
    outcome.output += TakeOutput(door);
  }
  outcome.state = door.state();
  outcome.request = door.request();
  outcome.refusal = door.refusal();
  outcome.message = door.refusal_message();
  return outcome;
}

using MakeDoor = std::function<std::unique_ptr<Door>()>;

}  // namespace culvert::frontdoor
