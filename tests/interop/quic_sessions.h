// QUIC sessions as `culvertctl get sessions -o json` lists them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::testing {

struct QuicSessionSeen {
  std::string name;
  uint64_t open_streams = 0;
  uint64_t key_updates = 0;
  uint64_t migrations = 0;  // of its path
  std::string remote_address;
};

// Those of the listener or dialer `object`.
std::vector<QuicSessionSeen> QuicSessionsOf(const std::string& json, std::string_view object);

}  // namespace culvert::testing
