// What the seeds decide for QUIC: one random but reproducible scenario of link, settings, traffic and changes of address.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/quic_pair.h"

namespace culvert::sim {

struct QuicScenario {
  QuicPairOptions pair;
  bool clean = false;                    // no faults, deep queue: nothing may be sent twice
  uint32_t sessions = 1;
  uint32_t streams = 1;                  // of each session
  uint64_t up_bytes = 0;                 // of each stream, at most
  uint64_t down_bytes = 0;
  // After this the link does nothing wrong any more, and everything has to converge soon.
  Duration heals_after{};
  Duration outage_from{};
  Duration outage{};                     // zero: none
  uint32_t rebinds = 0;                  // of port, address or the client's own, before it heals
  uint32_t aborts = 0;                   // streams that one end cuts
  uint32_t key_updates = 0;
  size_t mtu = 65535;                    // of the path, from half of heals_after on
  std::string description;
};

QuicScenario MakeQuicScenario(uint64_t seed);

// Runs it to the end of every stream. Empty: everything held; else what did not.
std::string RunQuicScenario(const QuicScenario& scenario, uint64_t* trace_hash = nullptr);

}  // namespace culvert::sim
