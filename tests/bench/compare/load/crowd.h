// Crowd: many streams at once, each of which carries kCrowdBytes of pattern there and as many back, checked at both ends.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "tests/bench/compare/load/client.h"

namespace culvert::bench {

struct CrowdResult {
  int finished = 0;    // streams that got everything back, all of it right
  double seconds = 0;  // from the first connect call until the last of them finished
};
// All connect at the same moment. Streams that are not done after `limit` count as not finished. `may_finish`, where given, is asked
// now and then; until it says yes every stream keeps its last byte back, so that none can end before.
// Errors: wrong bytes arrived; the system gives no sockets.
absl::StatusOr<CrowdResult> RunCrowd(const Door& door, int count, Duration limit,
                                     const std::function<bool()>& may_finish = nullptr);

}  // namespace culvert::bench
