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
  std::string description;
};

Scenario MakeScenario(uint64_t seed);

// Runs it to the end of every stream. Empty: everything held; else what did not.
std::string RunScenario(const Scenario& scenario, uint64_t* trace_hash = nullptr);

}  // namespace culvert::sim
