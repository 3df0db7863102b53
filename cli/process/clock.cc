#include "cli/process/clock.h"

#include <chrono>

namespace culvert::cli {

int64_t NowSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace culvert::cli
