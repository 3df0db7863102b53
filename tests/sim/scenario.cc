#include "tests/sim/scenario.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace culvert::sim {

Scenario MakeScenario(uint64_t seed) {
  using std::chrono::milliseconds;
  SeededRandom random(seed ^ 0x5ca1ab1e);
  Scenario scenario;
  scenario.pair.seed = seed;
  scenario.clean = random.NextInRange(0, 5) == 0;

  kcp::KcpOptions kcp;
  kcp.header = static_cast<HeaderType>(random.NextInRange(0, 5));
  if (random.NextInRange(0, 1) == 1) kcp.seed = "simulation seed";
  if (!kcp.seed && random.NextInRange(0, 2) == 0) kcp.profile = kcp::Profile::kXray;
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
    // The profile without a check delivers a damaged byte, as it must.
    if (kcp.profile != kcp::Profile::kXray && random.NextInRange(0, 2) == 0) options.corrupt = random.NextUnit() * 0.02;
    if (random.NextInRange(0, 2) == 0) options.queue_bytes = random.NextInRange(20'000, 400'000);
    return options;
  };
  scenario.pair.up = link(1);
  scenario.pair.down = link(2);
  scenario.client_bytes = random.NextInRange(1, scenario.streams > 1 ? 100'000 : 1'000'000);
  scenario.server_bytes = random.NextInRange(0, 3) == 0 ? 0 : random.NextInRange(1, 300'000);
  // Every counter of segments wraps sometime: in half of the scenarios within the first flights.
  if (random.NextInRange(0, 1) == 0) {
    scenario.pair.first_number = SerialNumber((random.NextInRange(0, 3) == 0 ? 0x80000000u : 0u) - random.NextInRange(1, 200));
  }
  if (!scenario.clean && random.NextInRange(0, 1) == 0) {
    scenario.heals_after = milliseconds(random.NextInRange(100, 15'000));
    if (random.NextInRange(0, 1) == 0) {
      // Short enough that no end gives up: 15 s for what is drained, 30 s of silence.
      scenario.outage_from = milliseconds(random.NextInRange(1, 2'000));
      scenario.outage = milliseconds(random.NextInRange(100, 10'000));
    }
  }
  scenario.description = absl::StrFormat(
      "seed %d: %s%s, heals %.1f s, outage %.1f s from %.1f s, first number %d, up %d Mbit/s %d ms loss %.3f burst %.3f, down %d Mbit/s %d ms loss %.3f, %d streams of %d up %d down",
      seed, scenario.clean ? "clean, " : "", kcp.seed ? "AES" : kcp.profile == kcp::Profile::kXray ? "XRAY" : "simple",
      scenario.heals_after == kInfiniteDuration ? -1 : ToSeconds(scenario.heals_after), ToSeconds(scenario.outage),
      ToSeconds(scenario.outage_from), scenario.pair.first_number.value(), scenario.pair.up.rate_bits_per_second / 1000000,
      ToMilliseconds(scenario.pair.up.delay), scenario.pair.up.loss, scenario.pair.up.burst_enter,
      scenario.pair.down.rate_bits_per_second / 1000000, ToMilliseconds(scenario.pair.down.delay), scenario.pair.down.loss,
      scenario.streams, scenario.client_bytes, scenario.server_bytes);
  return scenario;
}

namespace {

// One scenario on its way; each step returns what did not hold, empty when all did.
class Run {
 public:
  explicit Run(const Scenario& scenario) : scenario_(scenario), pair_(scenario.pair) {}
  std::string All();
  uint64_t trace_hash() const { return pair_.trace_hash(); }

 private:
  void Open();
  std::string Faults();
  std::string Deliver();
  std::string Missing();
  std::string CheckCleanliness();
  std::string End();
  std::string Silence();

  bool delivered() {
    for (uint32_t i = 0; i < scenario_.streams; ++i) {
      if (pair_.server(i).received < scenario_.client_bytes || pair_.client(i).received < scenario_.server_bytes) return false;
    }
    return true;
  }
  bool heals() const { return scenario_.heals_after != kInfiniteDuration; }
  // What is left to carry takes its time on a slow link.
  Duration CarryTime() {
    uint64_t up = 0;
    uint64_t down = 0;
    for (uint32_t i = 0; i < scenario_.streams; ++i) {
      up += scenario_.client_bytes - pair_.server(i).received;
      down += scenario_.server_bytes - pair_.client(i).received;
    }
    const auto carry = [](uint64_t bytes, const testing::LinkOptions& link) {
      return 8.0 * static_cast<double>(bytes) / static_cast<double>(link.rate_bits_per_second);
    };
    double seconds = carry(up, scenario_.pair.up) + carry(down, scenario_.pair.down);
    if (const uint64_t cap = scenario_.pair.server.downlink_bytes_per_second; cap != 0) {
      // A server that takes little at a time is served a window in a round trip.
      const uint64_t window = std::max<uint64_t>(8, cap / scenario_.pair.server.mtu_bytes / 20);
      const uint64_t payload = scenario_.pair.client.mtu_bytes - 60;
      seconds += static_cast<double>(up) / static_cast<double>(window * payload) *
                 (ToSeconds(scenario_.pair.up.delay + scenario_.pair.down.delay) + 0.05);
    }
    return FromSeconds(2 * seconds);
  }

  const Scenario& scenario_;
  KcpPair pair_;
};

void Run::Open() {
  for (uint32_t i = 0; i < scenario_.streams; ++i) {
    Side client;
    client.to_send = scenario_.client_bytes;
    Side server;
    server.to_send = scenario_.server_bytes;
    pair_.Open(client, server);
  }
}

// Safety while things go wrong: the pair's own invariants.
std::string Run::Faults() {
  if (!heals()) return "";
  const auto done = [this] { return delivered(); };
  if (scenario_.outage > Duration(0)) {
    (void)pair_.RunUntil(done, scenario_.outage_from);
    pair_.black_hole = true;
    pair_.RunFor(scenario_.outage);
    pair_.black_hole = false;
  }
  (void)pair_.RunUntil(done, scenario_.heals_after);
  pair_.Heal();
  return "";
}

// Liveness: with faults for ever it may take long, without them ten seconds have to do.
std::string Run::Deliver() {
  const Duration limit = heals() ? std::chrono::seconds(10) + CarryTime() : Duration(std::chrono::seconds(600));
  if (pair_.RunUntil([this] { return delivered(); }, limit)) return "";
  return Missing();
}

// The first stream that lacks something, and what its two senders say about themselves.
std::string Run::Missing() {
  const auto sender = [](const std::optional<SessionStats>& stats) -> std::string {
    if (!stats) return "gone";
    return absl::StrFormat("%s, %s limits it, %d queued, %d in flight, window %d, %d B/s, RTO %d ms, %d lost, %d again, peer takes %d",
                           stats->state, SendLimitName(stats->limited_by), stats->send_queue_bytes, stats->bytes_in_flight,
                           stats->congestion_window_bytes, stats->pacing_bytes_per_second, ToMilliseconds(stats->rto),
                           stats->lost_segments, stats->retransmitted_segments, stats->peer_window_segments);
  };
  for (uint32_t i = 0; i < scenario_.streams; ++i) {
    if (pair_.server(i).received == scenario_.client_bytes && pair_.client(i).received == scenario_.server_bytes) continue;
    return absl::StrFormat("stream %d: %d of %d up, %d of %d down at %.3f s; client %s; server %s", i,
                           pair_.server(i).received, scenario_.client_bytes, pair_.client(i).received, scenario_.server_bytes,
                           ToSeconds(pair_.now().time_since_epoch()) - 1000, sender(pair_.ClientStats(i)),
                           sender(pair_.ServerStats(i)));
  }
  return "";
}

std::string Run::CheckCleanliness() {
  if (!scenario_.clean) return "";
  std::string problem;
  for (Endpoint* endpoint : {&pair_.client_endpoint(), &pair_.server_endpoint()}) {
    endpoint->ForEachSession(pair_.now(), [&](const SessionStats& stats) {
      if (stats.retransmitted_segments + stats.lost_segments == 0) return;
      problem = absl::StrFormat("%d retransmitted, %d declared lost on a clean network", stats.retransmitted_segments,
                                stats.lost_segments);
    });
  }
  return problem;
}

std::string Run::End() {
  for (uint32_t i = 0; i < scenario_.streams; ++i) {
    pair_.client(i).close_called = true;
    pair_.client_endpoint().Close(pair_.now(), pair_.client(i).stream);
  }
  const bool ended = pair_.RunUntil(
      [this] { return pair_.client_endpoint().session_count() == 0 && pair_.server_endpoint().session_count() == 0; },
      heals() ? std::chrono::seconds(10) : std::chrono::seconds(90));
  return ended ? "" : "the ends did not end";
}

std::string Run::Silence() {
  const auto sent = [this] {
    return pair_.client_endpoint().counters().tx_datagrams + pair_.server_endpoint().counters().tx_datagrams;
  };
  // What is still on its way may be answered; then there is silence.
  pair_.RunFor(std::chrono::seconds(3));
  const uint64_t before = sent();
  pair_.RunFor(std::chrono::seconds(20));
  return sent() == before ? "" : "datagrams after the end";
}

std::string Run::All() {
  Open();
  std::string problem;
  for (std::string (Run::*step)() : {&Run::Faults, &Run::Deliver, &Run::CheckCleanliness, &Run::End, &Run::Silence}) {
    problem = (this->*step)();
    if (!pair_.failure().empty()) problem = pair_.failure();
    if (!problem.empty()) return absl::StrFormat("%s: %s", scenario_.description, problem);
  }
  return "";
}

}  // namespace

std::string RunScenario(const Scenario& scenario, uint64_t* trace_hash) {
  Run run(scenario);
  const std::string problem = run.All();
  if (trace_hash != nullptr) *trace_hash = run.trace_hash();
  return problem;
}

}  // namespace culvert::sim
