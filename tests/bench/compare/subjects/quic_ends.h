// culvertd and v2ray as ends of a QUIC tunnel.
#pragma once

#include <memory>
#include <string>

#include "tests/bench/compare/subjects/end.h"

namespace culvert::bench {

struct CulvertQuicSettings {
  bool has_outer_layer = false;  // v2ray's wrapper, AES-128-GCM
};
std::shared_ptr<const EndKind> CulvertQuicEnds(const CulvertQuicSettings& settings);
// Why this culvertd does not speak QUIC; empty: it does.
std::string WhyNoQuic();

// v2ray with its defaults: no wrapper, certificates of its own making that nobody verifies.
std::shared_ptr<const EndKind> V2rayQuicEnds();

}  // namespace culvert::bench
