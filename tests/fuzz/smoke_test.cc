// A short run of every fuzz target on mutations of what the vectors hold, so that none rots between long runs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "core/base/random.h"
#include "core/kcp/segment.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

// Plaintexts of real shape to start from.
std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  std::array<uint8_t, 256> out;
  const std::array<uint8_t, 8> numbers = {0, 0, 0, 0, 0, 0, 0, 1};
  size_t size = kcp::EncodeData({.conversation_id = 7, .timestamp = 1, .payload = AsBytes("hello")}, out);
  seeds.emplace_back(out.begin(), out.begin() + static_cast<ptrdiff_t>(size));
  size = kcp::EncodeAck({.conversation_id = 7, .receiving_window = SerialNumber(32), .numbers = numbers}, out);
  seeds.emplace_back(out.begin(), out.begin() + static_cast<ptrdiff_t>(size));
  size = kcp::EncodeCommand({.conversation_id = 7, .peer_rto = 100}, out);
  seeds.emplace_back(out.begin(), out.begin() + static_cast<ptrdiff_t>(size));
  return seeds;
}

std::vector<uint8_t> Mutate(const std::vector<std::vector<uint8_t>>& seeds, SeededRandom& random) {
  std::vector<uint8_t> bytes;
  for (uint32_t parts = random.NextInRange(1, 4); parts > 0; --parts) {
    const auto& seed = seeds[random.NextInRange(0, static_cast<uint32_t>(seeds.size()) - 1)];
    bytes.insert(bytes.end(), seed.begin(), seed.end());
  }
  for (uint32_t changes = random.NextInRange(0, 6); changes > 0; --changes) {
    bytes[random.NextInRange(0, static_cast<uint32_t>(bytes.size()) - 1)] = static_cast<uint8_t>(random.NextU32());
  }
  if (random.NextInRange(0, 3) == 0) bytes.resize(random.NextInRange(0, static_cast<uint32_t>(bytes.size())));
  return bytes;
}

int Iterations(int usual) { return std::getenv("CULVERT_TEST_ALL") != nullptr ? usual * 50 : usual; }

TEST(FuzzSmoke, MkcpPacket) {
  SeededRandom random(1);
  const auto seeds = Seeds();
  for (int i = 0; i < Iterations(500'000); ++i) MkcpPacket(Mutate(seeds, random));
}

TEST(FuzzSmoke, MkcpSession) {
  SeededRandom random(2);
  const auto seeds = Seeds();
  for (int i = 0; i < Iterations(20'000); ++i) {
    std::vector<uint8_t> script;
    for (uint32_t steps = random.NextInRange(1, 30); steps > 0; --steps) {
      const uint8_t operation = static_cast<uint8_t>(random.NextU32());
      script.push_back(operation);
      if ((operation & 3) != 0) continue;
      std::vector<uint8_t> plain = Mutate(seeds, random);
      plain.resize(plain.size() / 4 * 4);
      script.push_back(static_cast<uint8_t>(plain.size() / 4));
      script.insert(script.end(), plain.begin(), plain.end());
    }
    MkcpSession(script);
  }
}

}  // namespace
}  // namespace culvert::fuzz
