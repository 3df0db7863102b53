// kcptun, stunnel and haproxy as ends of a tunnel.
#pragma once

#include <memory>

#include "tests/bench/compare/subjects/end.h"
#include "tests/testing/kcptun.h"

namespace culvert::bench {

std::shared_ptr<const EndKind> KcptunEnds(const testing::KcptunSettings& settings);
std::shared_ptr<const EndKind> StunnelEnds();
std::shared_ptr<const EndKind> HaproxyEnds();

}  // namespace culvert::bench
