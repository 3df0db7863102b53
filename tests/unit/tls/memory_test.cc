// What an idle connection holds.
#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <memory>
#include <vector>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

TEST(TlsMemory, AnIdleConnectionIsSmall) {
  const size_t before_probe = mallinfo2().uordblks;
  const auto probe = std::make_unique<std::array<uint8_t, 5000>>();
  probe->fill(1);
  if (mallinfo2().uordblks < before_probe + 5000) GTEST_SKIP() << "this allocator does not count";

  const Identity identity;
  const ContextPtr client = MakeContext(identity.ClientOptions()), server = MakeContext(identity.ServerOptions());
  constexpr size_t kPairs = 100;
  std::vector<std::unique_ptr<TlsPair>> pairs;
  pairs.reserve(kPairs);
  size_t wires = 0;
  const size_t before = mallinfo2().uordblks;
  for (size_t i = 0; i < kPairs; ++i) {
    pairs.push_back(std::make_unique<TlsPair>(client, server));
    TlsPair& pair = *pairs.back();
    pair.MustConnect();
    // Busy, full, and idle again.
    pair.to_server.capacity = 1000;
    ASSERT_TRUE(pair.Carries(*pair.client, *pair.server, std::string(50000, 'x')));
    ASSERT_TRUE(pair.Carries(*pair.server, *pair.client, std::string(50000, 'x')));
    for (Wire* wire : {&pair.to_client, &pair.to_server}) std::vector<uint8_t>().swap(wire->bytes);
    wires += sizeof(TlsPair);
  }
  const size_t each = (mallinfo2().uordblks - before - wires) / (2 * kPairs);
  RecordProperty("idle_bytes", std::to_string(each));
  // Both ends hold the server's certificate once, together.
  EXPECT_LT(each, 6000u);
}

}  // namespace
}  // namespace culvert::tls
