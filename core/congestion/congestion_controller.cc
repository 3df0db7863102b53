#include "core/congestion/congestion_controller.h"

#include "core/congestion/bbr.h"
#include "core/congestion/cubic.h"
#include "core/congestion/fixed_rate.h"

namespace culvert::congestion {

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

}  // namespace culvert::congestion
