#include "core/kcp/congestion_controller.h"

#include "core/kcp/bbr.h"
#include "core/kcp/cubic.h"
#include "core/kcp/fixed_rate.h"

namespace culvert::kcp {

std::unique_ptr<CongestionController> CreateController(CongestionControl kind, const ControllerOptions& options,
                                                       RandomSource& random) {
  switch (kind) {
    case CongestionControl::kBbr:
      return std::make_unique<Bbr>(options, random.NextInRange(0, 7));
    case CongestionControl::kCubic:
      return std::make_unique<Cubic>(options);
    case CongestionControl::kFixedRate:
      return std::make_unique<FixedRate>(options);
  }
  return nullptr;
}

}  // namespace culvert::kcp
