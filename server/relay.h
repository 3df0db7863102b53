// Relay: one accepted stream on its way: first the far side is dialled, then a pump joins the two. While dialling nothing is
// read, so that the near side feels it.
// Thread: confined to one worker.
#pragma once

#include <memory>
#include <optional>

#include "core/base/slot_map.h"
#include "server/dial.h"
#include "server/object_tally.h"
#include "server/pump.h"
#include "server/session_streams.h"
#include "server/timer_queue.h"

namespace culvert::server {

class ListenerRuntime;

// A forward on one worker.
struct ForwardRuntime {
  std::shared_ptr<const ForwardConfig> config;
  ObjectTally tally;          // streams and application bytes
  TargetState destination;    // direct only
};

class Relay final : private StreamObserver, private TimerHandler {
 public:
  class Host {
   public:
    // Asks for a Run in this iteration.
    virtual void Schedule(SlotHandle relay) = 0;

   protected:
    ~Host() = default;
  };

  // Who takes part. All outlive the relay.
  struct Parties {
    ListenerRuntime* listener = nullptr;
    ForwardRuntime* forward = nullptr;
    DialerRuntime* dialer = nullptr;      // nullptr: direct
    ObjectTally* far_tally = nullptr;     // accounts for the far session
  };

  Relay(WorkerContext& context, Host& host, const Parties& parties, SessionStream near);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // `handle` is its own.
  void Start(SlotHandle handle, DialPlan plan);
  // Does what can be done. True: there is more to do at once.
  [[nodiscard]] bool Run();
  // Ends both sides; see Pump::End.
  void End(bool in_order);
  [[nodiscard]] bool is_done() const { return is_done_; }
  // Nothing has moved for `silence`, and not because a reader is slow: ending it in order cuts nothing off, as far as anybody
  // can tell.
  [[nodiscard]] bool IsQuiet(Duration silence) const;
  [[nodiscard]] const Parties& parties() const { return parties_; }
  // Whether one of its sides is carried by this session, the registry's `handle`.
  [[nodiscard]] bool Uses(SlotHandle handle, const Session& session) const {
    // A far stream with 0-RTT is older than its session's entry.
    return near_.session == handle || far_.session == handle || (far_driver_ == session.driver && far_carrier_ == session.carrier);
  }

  bool is_scheduled = false;  // the host's

 private:
  void OnStreamReady() override { host_.Schedule(handle_); }
  void OnTimer(TimePoint now) override;
  void OnDialled();
  // Makes a session of what was dialled, and the far stream of it. Over QUIC the pool has done that.
  void OpenFarSession(Dial::Connection& connection);
  // What came of a dialer's TLS session after its handshake: only then the far side's verdict on our certificate shows.
  void JudgeTarget();
  void Account();
  void Arm();

  WorkerContext& context_;
  Host& host_;
  const Parties parties_;
  const PumpOptions options_;
  Timer timer_;
  TimePoint armed_for_ = kInfiniteFuture;
  SlotHandle handle_;
  SessionStream near_;
  SessionStream far_;
  const EndpointDriver* far_driver_ = nullptr;  // over QUIC
  SessionHandle far_carrier_;
  std::optional<Dial> dial_;
  std::optional<Pump> pump_;
  TargetState* far_target_ = nullptr;  // of a dialer with TLS, until it is judged
  uint64_t counted_from_near_ = 0;
  uint64_t counted_from_far_ = 0;
  bool is_done_ = false;
};

}  // namespace culvert::server
