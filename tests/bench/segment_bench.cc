// The segment codec: what parsing and writing one segment costs, without sealing.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "core/kcp/segment.h"

namespace culvert::kcp {
namespace {

constexpr size_t kPayload = 1186;  // of a full datagram of 1232 bytes with a seed

void EncodeDataSegment(benchmark::State& state) {
  const std::vector<uint8_t> payload(static_cast<size_t>(state.range(0)), 7);
  std::vector<uint8_t> out(kDataHeadSize + payload.size());
  uint32_t number = 0;
  for (auto _ : state) {
    DataSegment data;
    data.conversation_id = 1;
    data.number = SerialNumber(number++);
    data.payload = payload;
    benchmark::DoNotOptimize(EncodeData(data, out));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(EncodeDataSegment)->Arg(64)->Arg(kPayload);

void ParseDataSegment(benchmark::State& state) {
  const std::vector<uint8_t> payload(static_cast<size_t>(state.range(0)), 7);
  std::vector<uint8_t> bytes(kDataHeadSize + payload.size());
  DataSegment data;
  data.payload = payload;
  (void)EncodeData(data, bytes);
  for (auto _ : state) {
    SegmentParser parser(bytes);
    auto segment = parser.Next();
    benchmark::DoNotOptimize(segment);
  }
}
BENCHMARK(ParseDataSegment)->Arg(64)->Arg(kPayload);

void EncodeAckSegment(benchmark::State& state) {
  const std::vector<uint8_t> numbers(static_cast<size_t>(4 * state.range(0)), 7);
  std::vector<uint8_t> out(kAckHeadSize + numbers.size());
  AckSegment ack;
  ack.numbers = numbers;
  for (auto _ : state) {
    benchmark::DoNotOptimize(EncodeAck(ack, out));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(EncodeAckSegment)->Arg(1)->Arg(128);

// Parsing, and reading every number.
void ParseAckSegment(benchmark::State& state) {
  const std::vector<uint8_t> numbers(static_cast<size_t>(4 * state.range(0)), 7);
  std::vector<uint8_t> bytes(kAckHeadSize + numbers.size());
  AckSegment written;
  written.numbers = numbers;
  (void)EncodeAck(written, bytes);
  for (auto _ : state) {
    SegmentParser parser(bytes);
    const auto segment = parser.Next();
    const auto& ack = std::get<AckSegment>(*segment);
    uint32_t sum = 0;
    for (size_t i = 0; i < ack.count(); ++i) sum += ack.number(i).value();
    benchmark::DoNotOptimize(sum);
  }
}
BENCHMARK(ParseAckSegment)->Arg(1)->Arg(128)->Arg(255);

void EncodeCommandSegment(benchmark::State& state) {
  std::array<uint8_t, kCommandSize> out;
  CommandSegment command;
  for (auto _ : state) {
    benchmark::DoNotOptimize(EncodeCommand(command, out));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(EncodeCommandSegment);

void ParseCommandSegment(benchmark::State& state) {
  std::array<uint8_t, kCommandSize> bytes;
  (void)EncodeCommand({}, bytes);
  for (auto _ : state) {
    SegmentParser parser(bytes);
    auto segment = parser.Next();
    benchmark::DoNotOptimize(segment);
  }
}
BENCHMARK(ParseCommandSegment);

}  // namespace
}  // namespace culvert::kcp
