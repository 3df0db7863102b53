// What the seeds decide: one random but reproducible scenario of link, settings and traffic.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/kcp_pair.h"

namespace culvert::sim {

struct Scenario {
  PairOptions pair;
  uint64_t client_bytes = 0;
  uint64_t server_bytes = 0;
  uint32_t streams = 1;
  bool clean = false;          // no loss, no reordering, deep queue: nothing may be retransmitted
  // After this the link does nothing wrong any more, and everything has to converge soon. Infinite: it stays as it is.
  Duration heals_after = kInfiniteDuration;
  // Within that time nothing crosses the link at all. Zero: no such time.
  Duration outage_from{};
  Duration outage{};
  std::string description;
};

Scenario MakeScenario(uint64_t seed);

// Runs it to the end of every stream. Empty: everything held; else what did not.
std::string RunScenario(const Scenario& scenario, uint64_t* trace_hash = nullptr);

}  // namespace culvert::sim
