#include "cli/limit_shares.h"

#include "cli/units.h"

namespace culvert::cli {

std::vector<LimitShare> SharesOf(const v1::TimeInLimit& time) {
  std::vector<LimitShare> shares = {
      {v1::PathStats::LIMITED_BY_APPLICATION, Seconds(time.application())},
      {v1::PathStats::LIMITED_BY_CONGESTION, Seconds(time.congestion())},
      {v1::PathStats::LIMITED_BY_PACING, Seconds(time.pacing())},
      {v1::PathStats::LIMITED_BY_PEER_WINDOW, Seconds(time.peer_window())},
      {v1::PathStats::LIMITED_BY_BUFFER, Seconds(time.buffer())},
      {v1::PathStats::LIMITED_BY_PATH_DOWN, Seconds(time.path_down())},
  };
  double age = 0;
  for (const LimitShare& one : shares) age += one.seconds;
  for (LimitShare& one : shares) one.share = age > 0 ? one.seconds / age : 0;
  return shares;
}

}  // namespace culvert::cli
