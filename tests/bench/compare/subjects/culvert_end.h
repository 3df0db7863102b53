// culvertd and v2ray as ends of a tunnel.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/bench/compare/subjects/end.h"
#include "tests/testing/v2ray.h"

namespace culvert::bench {

// The secret of every tunnel that has one.
inline constexpr const char* kSeed = "a seed for benchmarks";

struct CulvertSettings {
  bool has_seed = true;
  bool has_tls = false;
};
std::shared_ptr<const EndKind> CulvertEnds(const CulvertSettings& settings);
// Why this culvertd does not take TLS inside KCP; empty: it does.
std::string WhyNoTls();

std::shared_ptr<const EndKind> V2rayEnds(const testing::V2rayKcp& kcp);
// v2ray with the settings that did best on each path of those that were tried: on links it depends on the write buffer, as
// v2ray has up to 20 windows under way and repeats all of them.
std::shared_ptr<const EndKind> FittedV2rayEnds();

}  // namespace culvert::bench
