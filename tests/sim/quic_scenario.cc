#include "tests/sim/quic_scenario.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

testing::LinkOptions MakeLink(SeededRandom& random, uint64_t seed, bool clean) {
  testing::LinkOptions options;
  options.seed = seed;
  options.delay = milliseconds(random.NextInRange(0, 150));
  options.rate_bits_per_second = uint64_t{random.NextInRange(clean ? 5 : 1, 100)} * 1'000'000;
  if (clean) {
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
  if (random.NextInRange(0, 2) == 0) options.corrupt = random.NextUnit() * 0.02;
  if (random.NextInRange(0, 2) == 0) options.queue_bytes = random.NextInRange(20'000, 400'000);
  return options;
}

quic::QuicOptions MakeOptions(SeededRandom& random) {
  quic::QuicOptions options;
  options.outer_security = static_cast<quic::OuterSecurity>(random.NextInRange(0, 2));
  if (options.outer_security != quic::OuterSecurity::kNone) options.outer_key = "simulation key";
  options.outer_header = static_cast<HeaderType>(random.NextInRange(0, 5));
  options.congestion_control = random.NextInRange(0, 3) == 0 ? quic::CongestionControl::kCubic : quic::CongestionControl::kBbr;
  return options;
}

}  // namespace

QuicScenario MakeQuicScenario(uint64_t seed) {
  SeededRandom random(seed ^ 0x9c1c5eed);
  QuicScenario scenario;
  QuicPairOptions& pair = scenario.pair;
  pair.seed = seed;
  scenario.clean = random.NextInRange(0, 5) == 0;
  pair.client = pair.server = MakeOptions(random);
  // The two ends may differ in everything but the wrapper.
  pair.client.max_udp_payload_bytes = random.NextInRange(1200, 1452);
  pair.server.max_udp_payload_bytes = random.NextInRange(1200, 1452);
  pair.server.max_streams_per_session = random.NextInRange(1, 64);
  pair.client.datagrams = random.NextInRange(0, 1) == 1;
  pair.ipv6 = random.NextInRange(0, 3) == 0;
  pair.workers = random.NextInRange(0, 2) == 0 ? 3 : 1;
  if (random.NextInRange(0, 3) == 0) pair.retry_above_handshakes = 0;
  pair.up = MakeLink(random, seed * 7 + 1, scenario.clean);
  pair.down = MakeLink(random, seed * 7 + 2, scenario.clean);

  scenario.sessions = random.NextInRange(0, 3) == 0 ? random.NextInRange(2, 3) : 1;
  scenario.streams = random.NextInRange(0, 2) == 0 ? random.NextInRange(2, 30) : 1;
  const uint32_t most = 600'000 / (scenario.sessions * scenario.streams);
  scenario.up_bytes = random.NextInRange(0, most);
  scenario.down_bytes = random.NextInRange(0, 3) == 0 ? 0 : random.NextInRange(0, most);
  scenario.key_updates = random.NextInRange(0, 2) == 0 ? random.NextInRange(1, 3) : 0;
  if (!scenario.clean) {
    scenario.heals_after = milliseconds(random.NextInRange(100, 10'000));
    if (random.NextInRange(0, 2) == 0) {
      scenario.outage_from = milliseconds(random.NextInRange(1, 2'000));
      scenario.outage = milliseconds(random.NextInRange(100, 5'000));
    }
    if (random.NextInRange(0, 1) == 0) scenario.rebinds = random.NextInRange(1, 5);
    if (random.NextInRange(0, 2) == 0) scenario.aborts = random.NextInRange(1, scenario.streams);
    if (random.NextInRange(0, 3) == 0) scenario.mtu = 1280 + 20;  // and room for a wrapper
  }
  scenario.description = absl::StrFormat(
      "seed %d: %s%d sessions of %d streams, %d up %d down, heals %.1f s, outage %.1f s from %.1f s, %d rebinds, %d aborts, "
      "%d workers, up %d Mbit/s %d ms loss %.3f burst %.3f, down %d Mbit/s %d ms loss %.3f",
      seed, scenario.clean ? "clean, " : "", scenario.sessions, scenario.streams, scenario.up_bytes, scenario.down_bytes,
      ToSeconds(scenario.heals_after), ToSeconds(scenario.outage), ToSeconds(scenario.outage_from), scenario.rebinds,
      scenario.aborts, pair.workers, pair.up.rate_bits_per_second / 1'000'000, ToMilliseconds(pair.up.delay), pair.up.loss,
      pair.up.burst_enter, pair.down.rate_bits_per_second / 1'000'000, ToMilliseconds(pair.down.delay), pair.down.loss);
  return scenario;
}

namespace {

// One scenario on its way; each step returns what did not hold, empty when all did.
class QuicRun {
 public:
  explicit QuicRun(const QuicScenario& scenario) : scenario_(scenario), pair_(scenario.pair), random_(scenario.pair.seed ^ 0xabcd) {}
  std::string All();
  uint64_t trace_hash() const { return pair_.trace_hash(); }

 private:
  void Begin();
  void Trouble();
  bool IsConfirmed();
  void Change();
  void Cut();
  std::string Converge();
  std::string CheckCleanliness();
  std::string End();
  bool IsServed();
  // What is left to carry takes its time on a slow link.
  Duration CarryTime() const {
    const double bits = 8.0 * scenario_.sessions * scenario_.streams *
                        static_cast<double>(scenario_.up_bytes + scenario_.down_bytes + 200);
    const double rate = static_cast<double>(std::min(scenario_.pair.up.rate_bits_per_second, scenario_.pair.down.rate_bits_per_second));
    // Streams that wait for others to end take round trips.
    const double rounds = static_cast<double>(scenario_.streams) / scenario_.pair.server.max_streams_per_session + 1;
    return FromSeconds(2 * bits / rate + 6 * rounds * ToSeconds(scenario_.pair.up.delay + scenario_.pair.down.delay));
  }

  const QuicScenario& scenario_;
  QuicPair pair_;
  SeededRandom random_;
  std::vector<bool> cut_;
};

void QuicRun::Begin() {
  for (uint32_t i = 0; i < scenario_.sessions; ++i) {
    const size_t session = pair_.Dial();
    for (uint32_t k = 0; k < scenario_.streams; ++k) {
      pair_.Open(session, scenario_.up_bytes == 0 ? 0 : random_.NextInRange(0, static_cast<uint32_t>(scenario_.up_bytes)),
                 scenario_.down_bytes == 0 ? 0 : random_.NextInRange(0, static_cast<uint32_t>(scenario_.down_bytes)));
    }
  }
  cut_.assign(pair_.stream_count(), false);
}

// A handshake does not survive a change of address (RFC 9000 section 9: none before it is confirmed), so they come later.
bool QuicRun::IsConfirmed() {
  size_t established = 0;
  for (uint32_t i = 0; i < scenario_.pair.workers; ++i) {
    quic::Endpoint& server = pair_.server_endpoint(i);
    server.ForEachSession(pair_.now(), [&](const SessionStats& stats) {
      const auto info = server.GetSessionInfo(stats.session);
      if (info && info->established) ++established;
    });
  }
  return established >= scenario_.sessions;
}

void QuicRun::Change() {
  if (!IsConfirmed()) return;
  switch (random_.NextInRange(0, 2)) {
    case 0:
      return pair_.RebindPort();
    case 1:
      return pair_.RebindAddress();
    default:
      return pair_.MigrateClient();
  }
}

void QuicRun::Cut() {
  const size_t i = random_.NextInRange(0, static_cast<uint32_t>(pair_.stream_count()) - 1);
  QuicStream& stream = pair_.stream(i);
  if (cut_[i] || stream.client.stream.is_null() || stream.client.closed || stream.client.close_called) return;
  cut_[i] = true;
  pair_.client_endpoint().Abort(pair_.now(), stream.client.stream, CloseReason::kAborted);
  pair_.SettleAll();
}

bool QuicRun::IsServed() {
  for (size_t i = 0; i < pair_.stream_count(); ++i) {
    if (cut_[i]) continue;
    const QuicStream& stream = pair_.stream(i);
    const QuicSide& near = stream.client;
    const QuicSide* far = stream.server.get();
    if (!near.at_end || near.received != near.expects || far == nullptr || !far->at_end || far->received != far->expects) return false;
  }
  return true;
}

// Safety while things go wrong: the pair's own invariants.
void QuicRun::Trouble() {
  if (scenario_.clean) return;
  if (scenario_.outage > Duration(0)) {
    pair_.RunFor(scenario_.outage_from);
    pair_.SetBlackHole(true);
    pair_.RunFor(scenario_.outage);
    pair_.SetBlackHole(false);
  }
  const uint32_t steps = 8;
  uint32_t rebinds = scenario_.rebinds;
  uint32_t aborts = scenario_.aborts;
  for (uint32_t i = 0; i < steps; ++i) {
    pair_.RunFor(scenario_.heals_after / steps);
    if (i == steps / 2 && scenario_.mtu != 65535) pair_.SetMtu(scenario_.mtu);
    if (rebinds > 0 && i % 2 == 1) {
      --rebinds;
      Change();
    }
    if (aborts > 0) {
      --aborts;
      Cut();
    }
    if (i < scenario_.key_updates && pair_.session().open && !pair_.session().closed) {
      pair_.client_endpoint().UpdateKeys(pair_.now(), pair_.session().handle);
    }
  }
  pair_.Heal();
}

std::string QuicRun::Converge() {
  // A probe timeout may have doubled up to the outage; and a handshake that trouble outlasted has failed and may.
  const Duration limit = seconds(15) + CarryTime();
  (void)pair_.RunUntil([this] { return IsServed(); }, limit);
  if (IsServed()) return "";
  for (uint32_t i = 0; i < scenario_.sessions; ++i) {
    const QuicPair::Session& session = pair_.session(i);
    if (session.closed && !session.open && session.reason == CloseReason::kHandshakeTimeout) return "";
  }
  return "not delivered " + pair_.Missing();
}

std::string QuicRun::CheckCleanliness() {
  if (!scenario_.clean) return "";
  std::string problem;
  for (uint32_t i = 0; i < scenario_.sessions; ++i) {
    const auto stats = pair_.ClientStats(i);
    if (!stats) return "a session went away on a clean network";
    if (stats->lost_segments != 0) problem = absl::StrFormat("%d declared lost on a clean network", stats->lost_segments);
  }
  return problem;
}

std::string QuicRun::End() {
  for (uint32_t i = 0; i < scenario_.sessions; ++i) pair_.client_endpoint().CloseSession(pair_.now(), pair_.session(i).handle);
  pair_.SettleAll();
  const auto gone = [this] {
    size_t left = pair_.client_endpoint().session_count();
    for (uint32_t i = 0; i < scenario_.pair.workers; ++i) left += pair_.server_endpoint(i).session_count();
    return left == 0;
  };
  return pair_.RunUntil(gone, seconds(45)) ? "" : "the sessions did not end";
}

std::string QuicRun::All() {
  Begin();
  Trouble();
  std::string problem = pair_.failure();
  for (std::string (QuicRun::*step)() : {&QuicRun::Converge, &QuicRun::CheckCleanliness, &QuicRun::End}) {
    if (!problem.empty()) break;
    problem = (this->*step)();
    if (!pair_.failure().empty()) problem = pair_.failure();
  }
  return problem.empty() ? "" : absl::StrFormat("%s: %s", scenario_.description, problem);
}

}  // namespace

std::string RunQuicScenario(const QuicScenario& scenario, uint64_t* trace_hash) {
  QuicRun run(scenario);
  const std::string problem = run.All();
  if (trace_hash != nullptr) *trace_hash = run.trace_hash();
  return problem;
}

}  // namespace culvert::sim
