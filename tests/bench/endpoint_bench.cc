// Triage: what a datagram costs that is not ours or says nothing, through Endpoint::OnDatagram (reliability T05, T11). Nothing
// malformed may cost more than 150 ns, a wrong tag not more than 1 us (p50).
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "core/crypto/system_random.h"
#include "core/kcp/endpoint.h"
#include "core/kcp/segment.h"
#include "tests/bench/percentiles.h"

namespace culvert::kcp {
namespace {

constexpr size_t kGroup = 32;
constexpr int64_t kGroups = 5000;
constexpr size_t kFull = 1232;

enum Mode : int64_t { kNoSeed, kSeed, kXray };

KcpOptions OptionsFor(int64_t mode) {
  KcpOptions options;
  options.header = HeaderType::kSrtp;
  if (mode == kSeed) options.seed = "seed";
  if (mode == kXray) options.profile = Profile::kXray;
  return options;
}

// A listener, and the same datagram to it again and again.
class Target {
 public:
  explicit Target(int64_t mode)
      : config_(*KcpConfig::Create(OptionsFor(mode))), endpoint_(CreateEndpoint({.config = config_, .accepts = true}, random_)) {}

  // A datagram of `size` bytes that opens and holds `segment`, padded behind with a second one that ends it.
  std::vector<uint8_t> Sealed(ByteView segment, size_t size) {
    const size_t header = HeaderSize(config_->header());
    std::vector<uint8_t> bytes(size);
    random_.Fill(bytes);
    std::copy(segment.begin(), segment.end(), bytes.begin() + static_cast<ptrdiff_t>(header + config_->sealer().prefix_size()));
    config_->sealer().SealInPlace(ByteSpan(bytes).subspan(header), random_);
    return bytes;
  }
  std::vector<uint8_t> Noise(size_t size) {
    std::vector<uint8_t> bytes(size);
    random_.Fill(bytes);
    return bytes;
  }

  // `next` gives the datagram; opening changes it, so each call has a copy of its own.
  template <typename Make>
  void Measure(benchmark::State& state, bench::Percentiles& percentiles, DropReason expected, Make&& next) {
    std::array<std::vector<uint8_t>, kGroup> datagrams;
    for (auto& datagram : datagrams) datagram = next();
    percentiles.Time(state, [&] {
      for (auto& bytes : datagrams) {
        Datagram datagram{peer_, bytes};
        if (endpoint_->OnDatagram(now_, datagram) != expected) state.SkipWithError("not dropped as expected");
      }
    });
    now_ += std::chrono::microseconds(10);
  }

  SystemRandom& random() { return random_; }

 private:
  SystemRandom random_;
  std::shared_ptr<const KcpConfig> config_;
  std::unique_ptr<culvert::Endpoint> endpoint_;
  const SocketAddress peer_ = *SocketAddress::Parse("192.0.2.7:40000");
  TimePoint now_{std::chrono::seconds(1000)};
};

template <typename Make>
void Triage(benchmark::State& state, Target& target, DropReason expected, Make&& make) {
  bench::Percentiles percentiles(kGroup);
  for (auto _ : state) target.Measure(state, percentiles, expected, make);
  percentiles.Report(state);
}

void TriageTooShort(benchmark::State& state) {
  Target target(state.range(0));
  const std::vector<uint8_t> bytes = target.Noise(4);
  Triage(state, target, DropReason::kTruncated, [&] { return bytes; });
}
BENCHMARK(TriageTooShort)->Arg(kNoSeed)->Arg(kSeed)->Arg(kXray)->UseManualTime()->Iterations(kGroups);

// Random bytes: without a seed the length field gives them away.
void TriageNoiseNoSeed(benchmark::State& state) {
  Target target(kNoSeed);
  Triage(state, target, DropReason::kBadAuthTag, [&] {
    std::vector<uint8_t> bytes = target.Noise(static_cast<size_t>(state.range(0)));
    bytes[4 + 4] ^= static_cast<uint8_t>(bytes[4] ^ bytes[4 + 4] ^ 0xff);  // never the right length by chance
    return bytes;
  });
}
BENCHMARK(TriageNoiseNoSeed)->Arg(64)->Arg(kFull)->UseManualTime()->Iterations(kGroups);

// The right length and a wrong hash: all of it has to be hashed.
void TriageDamagedNoSeed(benchmark::State& state) {
  Target target(kNoSeed);
  std::vector<uint8_t> bytes = target.Sealed(target.Noise(32), static_cast<size_t>(state.range(0)));
  bytes.back() ^= 1;
  Triage(state, target, DropReason::kBadAuthTag, [&] { return bytes; });
}
BENCHMARK(TriageDamagedNoSeed)->Arg(64)->Arg(kFull)->UseManualTime()->Iterations(kGroups);

void TriageBadTag(benchmark::State& state) {
  Target target(kSeed);
  Triage(state, target, DropReason::kBadAuthTag, [&] { return target.Noise(static_cast<size_t>(state.range(0))); });
}
BENCHMARK(TriageBadTag)->Arg(64)->Arg(kFull)->UseManualTime()->Iterations(kGroups);

// Opens, but holds no segment.
void TriageNoSegment(benchmark::State& state) {
  Target target(state.range(0));
  std::array<uint8_t, kDataHeadSize> head;
  (void)EncodeDataHead({.conversation_id = 7}, 2000, head);  // a payload longer than the datagram
  Triage(state, target, DropReason::kNoSegment, [&, bytes = target.Sealed(head, 64)] { return bytes; });
}
BENCHMARK(TriageNoSegment)->Arg(kNoSeed)->Arg(kSeed)->Arg(kXray)->UseManualTime()->Iterations(kGroups);

// Opens and parses, but belongs to nothing and may open nothing: data far beyond a first window.
std::vector<uint8_t> Stray(Target& target, size_t size) {
  std::array<uint8_t, 64> segment{};
  DataSegment data;
  data.conversation_id = 7;
  data.number = SerialNumber(1'000'000);
  data.payload = ByteView(segment).first(16);
  std::array<uint8_t, 64> encoded;
  return target.Sealed(ByteView(encoded).first(EncodeData(data, encoded)), size);
}

void TriageStray(benchmark::State& state) {
  Target target(state.range(0));
  Triage(state, target, DropReason::kUnknownConversation, [&, bytes = Stray(target, 96)] { return bytes; });
}
BENCHMARK(TriageStray)->Arg(kNoSeed)->Arg(kSeed)->Arg(kXray)->UseManualTime()->Iterations(kGroups);

// T11: whether a datagram fails its tag or opens and is dropped must not show in the time it takes: the means differ by less
// than 1 us.
void RejectAgainstDrop(benchmark::State& state) {
  Target target(kSeed);
  const std::vector<uint8_t> stray = Stray(target, kFull);
  bench::Percentiles reject(kGroup);
  bench::Percentiles drop(kGroup);
  for (auto _ : state) {
    target.Measure(state, drop, DropReason::kUnknownConversation, [&] { return stray; });
    target.Measure(state, reject, DropReason::kBadAuthTag, [&] { return target.Noise(kFull); });
  }
  state.counters["reject_ns"] = reject.mean_ns();
  state.counters["drop_ns"] = drop.mean_ns();
  state.counters["difference_ns"] = reject.mean_ns() - drop.mean_ns();
}
BENCHMARK(RejectAgainstDrop)->UseManualTime()->Iterations(kGroups);

}  // namespace
}  // namespace culvert::kcp
