// The libFuzzer entry of one target: CULVERT_FUZZ_TARGET names the function.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::fuzz::CULVERT_FUZZ_TARGET({data, size});
  return 0;
}
