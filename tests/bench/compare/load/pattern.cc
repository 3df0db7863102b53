#include "tests/bench/compare/load/pattern.h"

#include <cstring>
#include <vector>

#include "tests/testing/pattern.h"

namespace culvert::bench {
namespace {

constexpr size_t kPeriod = 65'521;

const std::vector<uint8_t>& Table() {
  static const std::vector<uint8_t>& table = *[] {
    auto* bytes = new std::vector<uint8_t>(kPeriod + kChunkBytes);
    testing::FillPattern(1, 0, ByteSpan(*bytes).first(kPeriod));
    for (size_t i = kPeriod; i < bytes->size(); ++i) (*bytes)[i] = (*bytes)[i - kPeriod];
    return bytes;
  }();
  return table;
}

}  // namespace

ByteView PatternAt(uint64_t offset, size_t size) { return ByteView(Table()).subspan(offset % kPeriod, size); }

bool IsPattern(uint64_t offset, ByteView bytes) {
  return std::memcmp(PatternAt(offset, bytes.size()).data(), bytes.data(), bytes.size()) == 0;
}

}  // namespace culvert::bench
