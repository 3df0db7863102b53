#include <cstdio>
#include <string>

#include "core/base/check.h"
#include "tests/fuzz/targets.h"
#include "tests/sim/dispatch_script.h"

namespace culvert::fuzz {

void Dispatcher(ByteView input) {
  const std::string wrong = sim::RunDispatchScript(input);
  if (!wrong.empty()) std::fprintf(stderr, "%s\n", wrong.c_str());
  CULVERT_CHECK(wrong.empty());
}

}  // namespace culvert::fuzz
