// Where a sender's time went, as shares of its life. Thread: any; no state.
#pragma once

#include <vector>

#include "culvert/v1/types.pb.h"

namespace culvert::cli {

struct LimitShare {
  v1::PathStats::LimitedBy limit = v1::PathStats::LIMITED_BY_UNSPECIFIED;
  double seconds = 0;
  double share = 0;  // of all six, 0 to 1; 0 when nothing was measured
};

// All six, in the order of their numbers.
std::vector<LimitShare> SharesOf(const v1::TimeInLimit& time);

}  // namespace culvert::cli
