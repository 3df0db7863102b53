#include "tests/sim/scenario.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace culvert::sim {

Scenario MakeScenario(uint64_t seed) {
  using std::chrono::milliseconds;
  SeededRandom random(seed ^ 0x5ca1ab1e);
  Scenario scenario;
  scenario.pair.seed = seed;
  scenario.pair.same_pattern = true;
  scenario.clean = random.NextInRange(0, 5) == 0;

  kcp::KcpOptions kcp;
  kcp.header = static_cast<HeaderType>(random.NextInRange(0, 5));
  if (random.NextInRange(0, 1) == 1) kcp.seed = "simulation seed";
  kcp.congestion_control = random.NextInRange(0, 3) == 0 ? kcp::CongestionControl::kCubic : kcp::CongestionControl::kBbr;
  scenario.pair.client = scenario.pair.server = kcp;
  // The two ends may differ in everything but header size and seed.
  scenario.pair.client.mtu_bytes = random.NextInRange(576, 1460);
  scenario.pair.server.mtu_bytes = random.NextInRange(576, 1460);
  scenario.pair.client.tick_interval = milliseconds(random.NextInRange(10, 100));
  if (random.NextInRange(0, 4) == 0) scenario.pair.server.downlink_bytes_per_second = random.NextInRange(100'000, 4'000'000);

  scenario.streams = random.NextInRange(0, 4) == 0 ? random.NextInRange(2, 8) : 1;
  const auto link = [&](uint64_t salt) {
    testing::LinkOptions options;
    options.seed = seed * 7 + salt;
    options.delay = milliseconds(random.NextInRange(0, 150));
    // A clean link is fast enough for the first flights to be acknowledged within the initial timeout.
    options.rate_bits_per_second =
        uint64_t{random.NextInRange(scenario.clean ? 5 * scenario.streams : 1, 100)} * 1'000'000;
    if (scenario.clean) {
      options.queue_bytes = 64 << 20;
      return options;
    }
    options.jitter = milliseconds(random.NextInRange(0, 20));
    switch (random.NextInRange(0, 3)) {
      case 0:
        options.loss = random.NextUnit() * 0.1;
        break;
      case 1:
        options.loss = random.NextUnit() * 0.3;
        break;
      case 2:
        options.burst_enter = random.NextUnit() * 0.02;
        options.burst_leave = 0.1 + random.NextUnit() * 0.5;
        break;
      default:
        break;
    }
    if (random.NextInRange(0, 2) == 0) options.duplicate = random.NextUnit() * 0.05;
    if (random.NextInRange(0, 2) == 0) {
      options.reorder = random.NextUnit() * 0.25;
      options.reorder_delay = milliseconds(random.NextInRange(1, 30));
    }
    // The unkeyed check is 32 bits over everything: a flipped bit never passes it, and never the AEAD.
    if (random.NextInRange(0, 2) == 0) options.corrupt = random.NextUnit() * 0.02;
    if (random.NextInRange(0, 2) == 0) options.queue_bytes = random.NextInRange(20'000, 400'000);
    return options;
  };
  scenario.pair.up = link(1);
  scenario.pair.down = link(2);
  scenario.client_bytes = random.NextInRange(1, scenario.streams > 1 ? 100'000 : 1'000'000);
  scenario.server_bytes = random.NextInRange(0, 3) == 0 ? 0 : random.NextInRange(1, 300'000);
  scenario.description = absl::StrFormat(
      "seed %d: %s%s up %d Mbit/s %d ms loss %.3f burst %.3f, down %d Mbit/s %d ms loss %.3f, %d streams of %d up %d down",
      seed, scenario.clean ? "clean, " : "", kcp.seed ? "AES" : "simple", scenario.pair.up.rate_bits_per_second / 1000000,
      ToMilliseconds(scenario.pair.up.delay), scenario.pair.up.loss, scenario.pair.up.burst_enter,
      scenario.pair.down.rate_bits_per_second / 1000000, ToMilliseconds(scenario.pair.down.delay), scenario.pair.down.loss,
      scenario.streams, scenario.client_bytes, scenario.server_bytes);
  return scenario;
}

std::string RunScenario(const Scenario& scenario, uint64_t* trace_hash) {
  KcpPair pair(scenario.pair);
  for (uint32_t i = 0; i < scenario.streams; ++i) {
    Side client;
    client.to_send = scenario.client_bytes;
    Side server;
    server.to_send = scenario.server_bytes;
    pair.Open(client, server);
  }
  const auto fail = [&](const std::string& what) {
    return absl::StrFormat("%s: %s", scenario.description, pair.failure().empty() ? what : pair.failure());
  };
  const bool delivered = pair.RunUntil(
      [&] {
        for (uint32_t i = 0; i < scenario.streams; ++i) {
          if (pair.server(i).received < scenario.client_bytes || pair.client(i).received < scenario.server_bytes) return false;
        }
        return true;
      },
      std::chrono::seconds(600));
  if (!delivered) {
    return fail(absl::StrFormat("not delivered: %d of %d up, %d of %d down", pair.server(0).received, scenario.client_bytes,
                                pair.client(0).received, scenario.server_bytes));
  }
  if (scenario.clean) {
    for (Endpoint* endpoint : {&pair.client_endpoint(), &pair.server_endpoint()}) {
      std::string problem;
      endpoint->ForEachSession(pair.now(), [&](const SessionStats& stats) {
        if (stats.retransmitted_segments + stats.lost_segments > 0) {
          problem = absl::StrFormat("%d retransmitted, %d declared lost on a clean network", stats.retransmitted_segments,
                                    stats.lost_segments);
        }
      });
      if (!problem.empty()) return fail(problem);
    }
  }
  for (uint32_t i = 0; i < scenario.streams; ++i) {
    pair.client(i).close_called = true;
    pair.client_endpoint().Close(pair.now(), pair.client(i).stream);
  }
  const bool ended = pair.RunUntil(
      [&] { return pair.client_endpoint().session_count() == 0 && pair.server_endpoint().session_count() == 0; },
      std::chrono::seconds(90));
  if (!ended) return fail("the ends did not end");
  // What is still on its way may be answered; then there is silence.
  pair.RunFor(std::chrono::seconds(3));
  const uint64_t sent = pair.client_endpoint().counters().tx_datagrams + pair.server_endpoint().counters().tx_datagrams;
  pair.RunFor(std::chrono::seconds(20));
  if (pair.client_endpoint().counters().tx_datagrams + pair.server_endpoint().counters().tx_datagrams != sent) {
    return fail("datagrams after the end");
  }
  if (!pair.failure().empty()) return fail("");
  if (trace_hash != nullptr) *trace_hash = pair.trace_hash();
  return "";
}

}  // namespace culvert::sim
