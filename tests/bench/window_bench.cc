// The send window, the receive window and the ack list by themselves. The worst acknowledgement has a bound of 50 us
// (reliability T10): it is measured with the largest window there is.
#include <benchmark/benchmark.h>

#include <chrono>
#include <vector>

#include "core/kcp/ack_list.h"
#include "core/kcp/receive_window.h"
#include "core/kcp/send_window.h"
#include "tests/bench/percentiles.h"

namespace culvert::kcp {
namespace {

constexpr uint32_t kPayload = 1186;
constexpr uint32_t kLargestWindow = 16384;
constexpr uint32_t kOverhead = 46;
constexpr Duration kRtt = std::chrono::milliseconds(40);
const std::vector<uint8_t> kBytes(kPayload, 7);

// A send window in the middle of a transfer.
class Sender {
 public:
  void SendNew(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) (void)window.Append(kBytes, kPayload);
    SerialNumber number;
    while (window.NextQueued(number) != nullptr) window.OnSent(number, now, 1, {});
  }
  BlockPool pool{kPayload};
  SendWindow window{pool, kPayload, 2 * kLargestWindow, kOverhead};
  TimePoint now{std::chrono::seconds(100)};
  AckOutcome outcome;
};

// One segment's whole life: copied in, sent, acknowledged in order by acks of 16 numbers. Argument: segments in flight.
void SendWindowSteadyState(benchmark::State& state) {
  Sender sender;
  const auto flight = static_cast<uint32_t>(state.range(0));
  sender.SendNew(flight);
  for (auto _ : state) {
    sender.SendNew(16);
    const SerialNumber first = sender.window.first_unacked();
    for (uint32_t i = 0; i < 16; ++i) sender.window.Acknowledge(first.Plus(i), sender.now + kRtt, 1, kRtt, sender.outcome);
    benchmark::DoNotOptimize(sender.window.DetectLosses(sender.now + kRtt, kRtt, kRtt / 4));
  }
  state.SetItemsProcessed(16 * state.iterations());
}
BENCHMARK(SendWindowSteadyState)->Arg(16)->Arg(2048)->Arg(16384);

// 128 numbers, every second one of the flight: what v2ray's acks look like beside loss.
void AckOf128Numbers(benchmark::State& state) {
  bench::Percentiles percentiles(1);
  for (auto _ : state) {
    Sender sender;
    sender.SendNew(kLargestWindow);
    percentiles.Time(state, [&] {
      for (uint32_t i = 0; i < 128; ++i) {
        sender.window.Acknowledge(SerialNumber(2 * i + 1), sender.now + kRtt, 1, kRtt, sender.outcome);
      }
      benchmark::DoNotOptimize(sender.window.DetectLosses(sender.now + kRtt, kRtt, kRtt / 4));
    });
  }
  percentiles.Report(state);
}
BENCHMARK(AckOf128Numbers)->UseManualTime()->Iterations(300);

// The largest ack there is, 255 numbers spread over the largest window, each far from the last in memory.
void WorstAckNumbers(benchmark::State& state) {
  bench::Percentiles percentiles(1);
  for (auto _ : state) {
    Sender sender;
    sender.SendNew(kLargestWindow);
    percentiles.Time(state, [&] {
      for (uint32_t i = 0; i < 255; ++i) {
        sender.window.Acknowledge(SerialNumber(1 + i * 7919 % (kLargestWindow - 1)), sender.now + kRtt, 1, kRtt,
                                  sender.outcome);
      }
      sender.window.AcknowledgeBelow(SerialNumber(0), sender.outcome);
      benchmark::DoNotOptimize(sender.window.DetectLosses(sender.now + kRtt, kRtt, kRtt / 4));
    });
  }
  percentiles.Report(state);
}
BENCHMARK(WorstAckNumbers)->UseManualTime()->Iterations(300);

// One ack that frees a whole window at once. Not a cost per ack but per segment sent: it can happen once a window.
void AckOfAWholeWindow(benchmark::State& state) {
  const auto window = static_cast<uint32_t>(state.range(0));
  bench::Percentiles percentiles(1);
  for (auto _ : state) {
    Sender sender;
    sender.SendNew(window);
    percentiles.Time(state, [&] { sender.window.AcknowledgeBelow(SerialNumber(window), sender.outcome); });
  }
  percentiles.Report(state);
}
BENCHMARK(AckOfAWholeWindow)->Arg(2048)->Arg(kLargestWindow)->UseManualTime()->Iterations(300);

// Everything but the newest segment is lost, and found out at once.
void DetectLossOfAWindow(benchmark::State& state) {
  const auto window = static_cast<uint32_t>(state.range(0));
  bench::Percentiles percentiles(1);
  for (auto _ : state) {
    Sender sender;
    sender.SendNew(window);
    sender.window.Acknowledge(SerialNumber(window - 1), sender.now + kRtt, 1, kRtt, sender.outcome);
    percentiles.Time(state, [&] {
      benchmark::DoNotOptimize(sender.window.DetectLosses(sender.now + 2 * kRtt, kRtt, kRtt / 4));
    });
  }
  percentiles.Report(state);
}
BENCHMARK(DetectLossOfAWindow)->Arg(128)->Arg(2048)->Arg(kLargestWindow)->UseManualTime()->Iterations(300);

// Receive, peek and consume, in order.
void ReceiveInOrder(benchmark::State& state) {
  ReceivePools pools;
  ReceiveWindow window(pools, 2048, kLargestWindow);
  std::array<ByteView, 4> views;
  for (auto _ : state) {
    benchmark::DoNotOptimize(window.Insert(window.contiguous(), kBytes));
    benchmark::DoNotOptimize(window.Peek(views));
    (void)window.Consume(kPayload);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ReceiveInOrder);

// Every 16 segments arrive backwards.
void ReceiveReordered(benchmark::State& state) {
  ReceivePools pools;
  ReceiveWindow window(pools, 2048, kLargestWindow);
  for (auto _ : state) {
    const SerialNumber first = window.contiguous();
    for (uint32_t i = 16; i-- > 0;) benchmark::DoNotOptimize(window.Insert(first.Plus(i), kBytes));
    (void)window.Consume(16 * kPayload);
  }
  state.SetItemsProcessed(16 * state.iterations());
}
BENCHMARK(ReceiveReordered);

// The ack list over 16 arrivals and the ack that tells them.
void AckListCycle(benchmark::State& state) {
  AckList acks;
  TimePoint now{std::chrono::seconds(100)};
  uint32_t number = 0;
  for (auto _ : state) {
    for (int i = 0; i < 16; ++i) acks.OnData(now, SerialNumber(number++), 1, false);
    benchmark::DoNotOptimize(acks.Peek());
    acks.OnSent(now, kRtt, AckList::kMaxRepeats);
    acks.OnPeerProgress(SerialNumber(number - 64));
    now += std::chrono::milliseconds(1);
  }
  state.SetItemsProcessed(16 * state.iterations());
}
BENCHMARK(AckListCycle);

}  // namespace
}  // namespace culvert::kcp
