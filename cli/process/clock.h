// What time it is, for ages. Thread: any; no state.
#pragma once

#include <cstdint>

namespace culvert::cli {

// Unix time.
int64_t NowSeconds();

}  // namespace culvert::cli
