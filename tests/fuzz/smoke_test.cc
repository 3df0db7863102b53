// A short run of every fuzz target on mutations of its corpus, so that none rots between long runs. The numbers decide, not the
// clock: the same inputs on every machine. CULVERT_TEST_ALL runs fifty times as many.
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "core/base/random.h"
#include "tests/fuzz/corpus.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

const Bytes& Pick(const std::vector<CorpusFile>& files, SeededRandom& random) {
  return files[random.NextInRange(0, static_cast<uint32_t>(files.size()) - 1)].bytes;
}

// What fuzzers do: joins, changes, cuts, repeats.
Bytes Mutate(const std::vector<CorpusFile>& files, SeededRandom& random) {
  Bytes bytes = Pick(files, random);
  if (random.NextInRange(0, 2) == 0) {
    const Bytes& other = Pick(files, random);
    bytes.resize(random.NextInRange(0, static_cast<uint32_t>(bytes.size())));
    bytes.insert(bytes.end(), other.begin(), other.end());
  }
  if (bytes.empty()) return bytes;
  const auto position = [&] { return random.NextInRange(0, static_cast<uint32_t>(bytes.size()) - 1); };
  for (uint32_t changes = random.NextInRange(0, 6); changes > 0; --changes) {
    switch (random.NextInRange(0, 3)) {
      case 0:
        bytes[position()] = static_cast<uint8_t>(random.NextU32());
        break;
      case 1:
        bytes[position()] ^= static_cast<uint8_t>(1u << random.NextInRange(0, 7));
        break;
      case 2:
        bytes[position()] = random.NextInRange(0, 1) == 0 ? 0 : 0xff;
        break;
      default:
        bytes[position()] = bytes[position()];
        break;
    }
  }
  if (random.NextInRange(0, 3) == 0) bytes.resize(position() + 1);
  return bytes;
}

class FuzzSmoke : public ::testing::TestWithParam<Target> {};

TEST_P(FuzzSmoke, MutationsOfTheCorpus) {
  const std::string_view name = GetParam().name;
  const bool is_stateful = name == "mkcp_session" || name == "mkcp_diff" || name == "dispatcher";
  // Each run of these begins with handshakes.
  const bool is_quic = name.starts_with("quic_");
  // Each run of these reads its input three times or more, and some inputs are long.
  const bool is_door = name == "socks5" || name == "http_connect";
  // Each run of this writes files.
  const bool is_state = name == "state";
  // Each run of this makes a control plane of its own.
  const bool is_api = name == "api";
  // Each run of these parses its input many times, or plans and writes what it says.
  const bool is_text = name == "filter" || name == "config";
  const int usual = is_api ? 1'500 : name == "config" ? 200'000 : is_text ? 120'000 : is_state ? 2'000 : is_quic ? 20'000 : is_stateful ? 50'000 : is_door ? 250'000 : 1'000'000;
  const int count = std::getenv("CULVERT_TEST_ALL") != nullptr ? usual * 50 : usual;
  const std::vector<CorpusFile> files = LoadCorpus(name);
  ASSERT_FALSE(files.empty());
  SeededRandom random(name.size());
  for (int i = 0; i < count; ++i) GetParam().run(Mutate(files, random));
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzSmoke, ::testing::ValuesIn(kTargets),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace culvert::fuzz
