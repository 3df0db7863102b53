#include "core/kcp/connection_state.h"

#include <gtest/gtest.h>

#include <string>

namespace culvert::kcp {
namespace {

// The table of spec section 12.2 written out a second time, as text, so that a change of either shows.
TEST(ConnectionState, EveryTransition) {
  std::string table;
  for (size_t s = 0; s < kStateCount; ++s) {
    for (size_t t = 0; t < kTriggerCount; ++t) {
      const State from = static_cast<State>(s);
      const State to = NextState(from, static_cast<Trigger>(t));
      if (to == from) continue;
      table.append(StateName(from)).append(" --").append(TriggerName(static_cast<Trigger>(t))).append("-> ");
      table.append(StateName(to)).append("\n");
    }
  }
  EXPECT_EQ(table,
            "ACTIVE --local close-> READY_TO_CLOSE\n"
            "ACTIVE --idle-> READY_TO_CLOSE\n"
            "ACTIVE --peer close-> PEER_CLOSED\n"
            "ACTIVE --peer terminate-> PEER_TERMINATING\n"
            "READY_TO_CLOSE --peer close-> TERMINATING\n"
            "READY_TO_CLOSE --peer terminate-> TERMINATING\n"
            "READY_TO_CLOSE --queue drained-> TERMINATING\n"
            "READY_TO_CLOSE --limit reached-> TERMINATING\n"
            "PEER_CLOSED --local close-> TERMINATING\n"
            "PEER_CLOSED --peer terminate-> PEER_TERMINATING\n"
            "PEER_CLOSED --limit reached-> TERMINATING\n"
            "TERMINATING --peer terminate-> TERMINATED\n"
            "TERMINATING --limit reached-> TERMINATED\n"
            "PEER_TERMINATING --local close-> TERMINATED\n"
            "PEER_TERMINATING --limit reached-> TERMINATING\n");
}

TEST(ConnectionState, CloseAndTerminateInOneSegmentAreAppliedInThatOrder) {
  State state = State::kReadyToClose;
  state = NextState(state, Trigger::kPeerClose);
  EXPECT_EQ(state, State::kTerminating);
  EXPECT_EQ(NextState(state, Trigger::kPeerTerminate), State::kTerminated);
}

TEST(ConnectionState, TimeLimits) {
  EXPECT_EQ(TimeLimit(State::kActive), kInfiniteDuration);
  EXPECT_EQ(TimeLimit(State::kReadyToClose), std::chrono::seconds(15));
  EXPECT_EQ(TimeLimit(State::kPeerClosed), std::chrono::seconds(30));
  EXPECT_EQ(TimeLimit(State::kTerminating), std::chrono::seconds(8));
  EXPECT_EQ(TimeLimit(State::kPeerTerminating), std::chrono::seconds(4));
}

}  // namespace
}  // namespace culvert::kcp
