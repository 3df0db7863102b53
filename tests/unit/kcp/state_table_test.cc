// Every state times every trigger, driven through a real connection by segments, times and calls, against a table written from
// spec/mkcp.md section 12.2. Where we differ from v2ray on purpose the entry says which deviation it is.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/unit/kcp/lone_connection.h"

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using enum State;

enum class Input : uint8_t {
  kLocalClose,
  kAbort,
  kPlainData,
  kPlainAck,       // of everything: empties the queue
  kPlainPing,
  kUnknownCommand,
  kCloseOnData,    // option bit 0
  kCloseOnAck,
  kCloseOnPing,
  kTerminate,
  kTerminateWithClose,
  kTerminateTooEarly,  // the peer ends with its own data still missing here
  kImplausibleTerminate,
  kImplausibleClose,
};
constexpr size_t kInputCount = 14;

struct Row {
  State from;
  std::array<State, kInputCount> to;
};

// Columns as declared above.
constexpr Row kTable[] = {
    // K15: an empty queue ends at once what the specification calls READY_TO_CLOSE until the next flush.
    // A stream that is cut short is an error here (Terminated once that is answered); v2ray cannot tell and goes on reading.
    // T07: an end whose numbers cannot be the peer's is not believed.
    {kActive,
     {kTerminating, kTerminating, kActive, kActive, kActive, kActive, kPeerClosed, kPeerClosed, kPeerClosed, kPeerTerminating,
      kPeerTerminating, kTerminated, kActive, kActive}},
    {kReadyToClose,
     {kReadyToClose, kTerminating, kReadyToClose, kTerminating, kReadyToClose, kReadyToClose, kTerminating, kTerminating,
      kTerminating, kTerminating, kTerminated, kTerminating, kReadyToClose, kReadyToClose}},
    {kPeerClosed,
     {kTerminating, kTerminating, kPeerClosed, kPeerClosed, kPeerClosed, kPeerClosed, kPeerClosed, kPeerClosed, kPeerClosed,
      kPeerTerminating, kPeerTerminating, kTerminated, kPeerClosed, kPeerClosed}},
    {kTerminating,
     {kTerminating, kTerminating, kTerminating, kTerminating, kTerminating, kTerminating, kTerminating, kTerminating,
      kTerminating, kTerminated, kTerminated, kTerminated, kTerminating, kTerminating}},
    {kPeerTerminating,
     {kTerminated, kTerminated, kPeerTerminating, kPeerTerminating, kPeerTerminating, kPeerTerminating, kPeerTerminating,
      kPeerTerminating, kPeerTerminating, kPeerTerminating, kPeerTerminating, kPeerTerminating, kPeerTerminating,
      kPeerTerminating}},
    {kTerminated,
     {kTerminated, kTerminated, kTerminated, kTerminated, kTerminated, kTerminated, kTerminated, kTerminated, kTerminated,
      kTerminated, kTerminated, kTerminated, kTerminated, kTerminated}},
};

// Brings a fresh connection into `state`.
void Enter(LoneConnection& bench, State state) {
  bench.Establish();
  switch (state) {
    case kActive:
      break;
    case kReadyToClose:
      ASSERT_EQ(bench.connection().Write(AsBytes("unacknowledged")), 14u);
      bench.Settle();
      bench.connection().Close(bench.now());
      break;
    case kPeerClosed:
      bench.ReceivePing(kOptionClose);
      break;
    case kTerminating:
      bench.connection().Close(bench.now());
      break;
    case kPeerTerminating:
      bench.ReceiveTerminate();
      break;
    case kTerminated:
      bench.connection().Close(bench.now());
      bench.Settle();
      bench.ReceiveTerminate();
      break;
  }
  bench.Settle();
  ASSERT_EQ(bench.connection().state(), state);
}

void Apply(LoneConnection& bench, Input input) {
  Connection& connection = bench.connection();
  const SerialNumber next = connection.receiving_next();
  switch (input) {
    case Input::kLocalClose:
      return connection.Close(bench.now());
    case Input::kAbort:
      return connection.Abort(bench.now(), CloseReason::kAborted);
    case Input::kPlainData:
      return bench.ReceiveData(next, AsBytes("d"));
    case Input::kPlainAck:
      return bench.ReceiveFullAck();
    case Input::kPlainPing:
      return bench.ReceivePing();
    case Input::kUnknownCommand:
      return bench.Receive(CommandSegment{.command = 77, .sending_next = next});
    case Input::kCloseOnData:
      return bench.ReceiveData(next, AsBytes("d"), kOptionClose);
    case Input::kCloseOnAck:
      return bench.ReceiveFullAck(kOptionClose);
    case Input::kCloseOnPing:
      return bench.ReceivePing(kOptionClose);
    case Input::kTerminate:
      return bench.ReceiveTerminate();
    case Input::kTerminateWithClose:
      return bench.ReceiveTerminate(kOptionClose);
    case Input::kTerminateTooEarly:
      return bench.ReceiveTerminate(0, 3);
    case Input::kImplausibleTerminate:
      return bench.Receive(CommandSegment{.command = static_cast<uint8_t>(Command::kTerminate),
                                          .sending_next = next.Plus(0x40000000),
                                          .receiving_next = next.Plus(0x40000000)});
    case Input::kImplausibleClose:
      return bench.Receive(AckSegment{.option = kOptionClose, .receiving_next = next.Plus(0x40000000)});
  }
}

class EveryTransition : public testing::TestWithParam<std::tuple<bool, uint32_t>> {};

TEST_P(EveryTransition, IsThatOfTheTable) {
  const auto [outgoing, first_number] = GetParam();
  for (const Row& row : kTable) {
    for (size_t i = 0; i < kInputCount; ++i) {
      SCOPED_TRACE(std::string(StateName(row.from)) + " input " + std::to_string(i));
      LoneConnection bench(outgoing, SerialNumber(first_number));
      ASSERT_NO_FATAL_FAILURE(Enter(bench, row.from));
      Apply(bench, static_cast<Input>(i));
      EXPECT_EQ(StateName(bench.connection().state()), StateName(row.to[i]));
    }
  }
}

// Any walk through the states is a walk through the table.
TEST_P(EveryTransition, InAnyOrder) {
  const auto [outgoing, first_number] = GetParam();
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SeededRandom random(seed);
    LoneConnection bench(outgoing, SerialNumber(first_number), seed);
    ASSERT_NO_FATAL_FAILURE(Enter(bench, seed % 2 == 0 ? kActive : kReadyToClose));
    for (int step = 0; step < 12; ++step) {
      const State before = bench.connection().state();
      const size_t input = random.NextInRange(0, kInputCount - 1);
      // A peer that has named its end sends nothing beyond it.
      const Input kind = static_cast<Input>(input);
      if (before == kPeerTerminating && (kind == Input::kPlainData || kind == Input::kCloseOnData)) continue;
      Apply(bench, kind);
      (void)bench.ReadAll();
      ASSERT_EQ(StateName(bench.connection().state()), StateName(kTable[static_cast<size_t>(before)].to[input]))
          << "seed " << seed << " step " << step << " " << StateName(before) << " input " << input;
      bench.Advance(milliseconds(random.NextInRange(0, 40)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(BothRolesAndTheWrap, EveryTransition,
                         testing::Combine(testing::Bool(), testing::Values(0u, 0xffffffffu, 0x7fffffffu)));

// The time limits: nothing a moment before, the transition at the limit. Pings keep the connection from being idle.
struct Limit {
  State from;
  Duration after;
  State to;
  CloseReason reason;
};

TEST(StateLimits, EndEveryStateThatHasOne) {
  const Limit limits[] = {
      {kReadyToClose, seconds(15), kTerminating, CloseReason::kUnacknowledged},
      {kPeerClosed, seconds(30), kTerminating, CloseReason::kPeer},  // K5: v2ray has none
      {kTerminating, seconds(8), kTerminated, CloseReason::kPeer},
      {kPeerTerminating, seconds(4), kTerminating, CloseReason::kPeer},
  };
  for (const Limit& limit : limits) {
    SCOPED_TRACE(StateName(limit.from));
    LoneConnection bench(true);
    ASSERT_NO_FATAL_FAILURE(Enter(bench, limit.from));
    const TimePoint start = bench.now();
    while (bench.now() + seconds(1) < start + limit.after) {
      bench.Advance(seconds(1));
      bench.ReceivePing();
    }
    bench.Advance(start + limit.after - milliseconds(1) - bench.now());
    EXPECT_EQ(bench.connection().state(), limit.from);
    bench.Advance(milliseconds(2));
    EXPECT_EQ(StateName(bench.connection().state()), StateName(limit.to));
    EXPECT_EQ(bench.connection().close_reason(), limit.reason);
  }
}

TEST(StateLimits, ActiveEndsAfterThirtySecondsOfSilenceAndNotBefore) {
  LoneConnection bench(true);
  bench.Establish();
  bench.Advance(seconds(20));
  bench.ReceivePing();
  bench.Advance(seconds(30) - milliseconds(1));
  EXPECT_EQ(bench.connection().state(), kActive);
  bench.Advance(milliseconds(2));
  EXPECT_EQ(bench.connection().state(), kTerminating);
  EXPECT_EQ(bench.connection().close_reason(), CloseReason::kIdleTimeout);
}

TEST(StateLimits, AReaderThatHasNotReadItAllHasItsTime) {
  LoneConnection bench(true);
  bench.Establish();
  bench.ReceiveData(bench.connection().receiving_next(), AsBytes("for later"));
  bench.ReceiveTerminate();
  ASSERT_EQ(bench.connection().state(), kPeerTerminating);
  bench.Advance(seconds(100));
  EXPECT_EQ(bench.connection().state(), kPeerTerminating);
  EXPECT_EQ(AsText(bench.ReadAll()), "for later");
  EXPECT_TRUE(bench.connection().AtEnd());
  bench.Settle();
  bench.Advance(seconds(4) - milliseconds(1));
  EXPECT_EQ(bench.connection().state(), kPeerTerminating);
  bench.Advance(milliseconds(2));
  EXPECT_EQ(bench.connection().state(), kTerminating);
}

TEST(StateEffects, DataIsSentWithTheCloseOptionAndNotAtAllAfterwards) {
  LoneConnection bench(true);
  ASSERT_NO_FATAL_FAILURE(Enter(bench, kReadyToClose));
  bench.sent.clear();
  bench.Advance(seconds(2));
  size_t data = 0;
  for (const SentSegment& sent : bench.sent) {
    if (!std::holds_alternative<DataSegment>(sent.segment)) continue;
    ++data;
    EXPECT_EQ(Option(sent.segment), kOptionClose);
  }
  EXPECT_GT(data, 1u);
  bench.ReceiveTerminate();
  ASSERT_EQ(bench.connection().state(), kTerminating);
  bench.sent.clear();
  bench.Advance(seconds(20));
  EXPECT_EQ(bench.sent.size(), bench.SentCommands(Command::kTerminate));
  for (const SentSegment& sent : bench.sent) EXPECT_EQ(Option(sent.segment), 0);
}

// Section 12.4: v2ray says nothing when it is told; we answer once, which ends the other side at once.
TEST(StateEffects, ATerminateIsAnsweredWithOne) {
  for (const State from : {kActive, kPeerClosed}) {
    LoneConnection bench(true);
    ASSERT_NO_FATAL_FAILURE(Enter(bench, from));
    bench.sent.clear();
    bench.ReceiveTerminate();
    EXPECT_EQ(bench.SentCommands(Command::kTerminate), 1u);
    bench.connection().Close(bench.now());
    bench.Settle();
    EXPECT_EQ(bench.connection().state(), kTerminated);
    EXPECT_EQ(bench.SentCommands(Command::kTerminate), 1u);
    EXPECT_TRUE(bench.connection().is_finished());
  }
}

TEST(StateEffects, TheApplicationIsToldOnce) {
  for (const Row& row : kTable) {
    for (size_t i = 0; i < kInputCount; ++i) {
      LoneConnection bench(true);
      ASSERT_NO_FATAL_FAILURE(Enter(bench, row.from));
      Apply(bench, static_cast<Input>(i));
      (void)bench.ReadAll();
      bench.Advance(seconds(90));
      EXPECT_TRUE(bench.connection().is_finished()) << StateName(row.from) << " input " << i;
      size_t closed = 0;
      for (const Event& event : bench.events) {
        EXPECT_EQ(closed, 0u) << "an event after the last";
        closed += event.kind == Event::Kind::kClosed ? 1 : 0;
      }
      // The bench forgets what came while it entered the state.
      EXPECT_EQ(closed, 1u) << StateName(row.from) << " input " << i;
    }
  }
}

}  // namespace
}  // namespace culvert::kcp
