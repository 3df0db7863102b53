// What limited a sender: the accounting of the API (TimeInLimit) as shares, and what they mean.
// Thread: any; no state.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "culvert/v1/session.pb.h"

namespace culvert::cli {

using Limit = v1::PathStats::LimitedBy;
// All of them, in the order of their numbers, which begin at 1.
inline constexpr std::array kLimits = {v1::PathStats::LIMITED_BY_APPLICATION, v1::PathStats::LIMITED_BY_CONGESTION,
                                       v1::PathStats::LIMITED_BY_PACING,      v1::PathStats::LIMITED_BY_PEER_WINDOW,
                                       v1::PathStats::LIMITED_BY_BUFFER,      v1::PathStats::LIMITED_BY_PATH_DOWN};

// "peer window"
std::string LimitName(Limit limit);
// One sentence: what it says of a sender.
std::string LimitMeaning(Limit limit);

// Seconds in each limit.
struct LimitTimes {
  std::array<double, kLimits.size()> seconds{};

  static LimitTimes Of(const v1::TimeInLimit& time);
  [[nodiscard]] double total() const;
  [[nodiscard]] double in(Limit limit) const { return seconds[static_cast<size_t>(limit) - 1]; }
  // Of a limit in the total; 0 when there is no time.
  [[nodiscard]] double share(Limit limit) const;
  // The one with the largest share; nullopt: there is no time.
  [[nodiscard]] std::optional<Limit> Largest() const;
  LimitTimes& operator+=(const LimitTimes& other);
  // Since `before`. A session that began anew counts from its beginning.
  [[nodiscard]] LimitTimes Since(const LimitTimes& before) const;
};

// Advice to who wants more of a session.
struct Advice {
  std::vector<std::string> facts;  // what its figures say, a sentence each
  std::string next;                // what to change or look at; empty: nothing here
};
// `object`: the listener or dialer that owns the session, for its settings; nullptr: not known.
Advice AdviceFor(Limit limit, const v1::Session& session, const v1::Object* object);

}  // namespace culvert::cli
