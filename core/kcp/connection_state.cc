#include "core/kcp/connection_state.h"

namespace culvert::kcp {
namespace {

using enum State;

// Rows: states in order of declaration. Columns: kLocalClose, kIdle, kPeerClose, kPeerTerminate, kQueueDrained,
// kLimitReached.
constexpr std::array<std::array<State, kTriggerCount>, kStateCount> kTable = {{
    /* kActive */ {kReadyToClose, kReadyToClose, kPeerClosed, kPeerTerminating, kActive, kActive},
    /* kReadyToClose */ {kReadyToClose, kReadyToClose, kTerminating, kTerminating, kTerminating, kTerminating},
    /* kPeerClosed */ {kTerminating, kPeerClosed, kPeerClosed, kPeerTerminating, kPeerClosed, kTerminating},
    /* kTerminating */ {kTerminating, kTerminating, kTerminating, kTerminated, kTerminating, kTerminated},
    /* kPeerTerminating */
    {kTerminated, kPeerTerminating, kPeerTerminating, kPeerTerminating, kPeerTerminating, kTerminating},
    /* kTerminated */ {kTerminated, kTerminated, kTerminated, kTerminated, kTerminated, kTerminated},
}};

}  // namespace

State NextState(State state, Trigger trigger) {
  return kTable[static_cast<size_t>(state)][static_cast<size_t>(trigger)];
}

std::string_view StateName(State state) {
  static constexpr std::array<std::string_view, kStateCount> kNames = {
      "ACTIVE", "READY_TO_CLOSE", "PEER_CLOSED", "TERMINATING", "PEER_TERMINATING", "TERMINATED",
  };
  return kNames[static_cast<size_t>(state)];
}

std::string_view TriggerName(Trigger trigger) {
  static constexpr std::array<std::string_view, kTriggerCount> kNames = {
      "local close", "idle", "peer close", "peer terminate", "queue drained", "limit reached",
  };
  return kNames[static_cast<size_t>(trigger)];
}

}  // namespace culvert::kcp
