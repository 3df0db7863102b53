#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::fuzz::MkcpSession({data, size});
  return 0;
}
