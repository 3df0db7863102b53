// Relay: one accepted stream on its way: where its peer has something to say first (a door: SOCKS5, HTTP CONNECT, StreamOpen), that is read;
// then the far side is dialled, or somebody's offer is waited for; then, where the peer is to hear how that went, it is told; then a pump
// joins the two. Until then nothing of the application's is read, so that the near side feels it.
// Thread: confined to one worker.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/slot_map.h"
#include "server/addressed_stream.h"
#include "server/dial.h"
#include "server/ended_log.h"
#include "server/object_tally.h"
#include "server/pump.h"
#include "server/reverse_board.h"
#include "server/session_streams.h"
#include "server/timer_queue.h"
#include "server/way.h"

namespace culvert::server {

class ListenerRuntime;

// A forward on one worker.
struct ForwardRuntime {
  std::shared_ptr<const ForwardConfig> config;
  ObjectTally tally;          // streams and application bytes
  TargetState destination;    // direct only
};

// Who takes part in a relay. All outlive it.
struct RelayParties {
  ListenerRuntime* listener = nullptr;  // nullptr: none, the stream came from where this daemon had dialled (reverse)
  ForwardRuntime* forward = nullptr;
  DialerRuntime* dialer = nullptr;      // nullptr: direct, or not known yet
  ObjectTally* far_tally = nullptr;     // accounts for the far session
  bool is_for_offers = false;           // the listener has no forward of its own: only offers are taken there, for `forward`
};

class Relay final : private StreamObserver, private TimerHandler, private ReverseBoard::Waiter::Owner {
 public:
  // How long a door may take, as TLS does.
  static constexpr Duration kDoorTimeout = std::chrono::seconds(8);
  using Parties = RelayParties;

  class Host {
   public:
    // Asks for a Run in this iteration.
    virtual void Schedule(SlotHandle relay) = 0;
    // Where a request of `forward` goes. `is_remote`: another daemon asks, which may not go everywhere.
    virtual Way FindWay(ForwardRuntime& forward, const frontdoor::Request& request, bool is_remote) = 0;
    virtual ReverseBoard& reverse_board() = 0;
    // The request was for datagrams, or an offer: `near`, whose door is to be answered, is somebody else's from now on.
    virtual void OnUdpRequest(const Parties& parties, SessionStream near) = 0;
    virtual void OnOffer(const Parties& parties, SessionStream near) = 0;

   protected:
    ~Host() = default;
  };

  Relay(WorkerContext& context, Host& host, const Parties& parties, SessionStream near);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // `handle` is its own.
  void Start(SlotHandle handle);
  // Does what can be done. True: there is more to do at once.
  [[nodiscard]] bool Run();
  // Ends both sides; see Pump::End.
  void End(bool in_order);
  [[nodiscard]] bool is_done() const { return phase_ == Phase::kDone; }
  // Nothing has moved for `silence`, and not because a reader is slow: ending it in order cuts nothing off, as far as anybody
  // can tell.
  [[nodiscard]] bool IsQuiet(Duration silence) const;
  [[nodiscard]] const Parties& parties() const { return parties_; }
  // Whether one of its sides is carried by this session, the registry's `handle`.
  [[nodiscard]] bool Uses(SlotHandle handle, const Session& session) const {
    // A far stream with 0-RTT is older than its session's entry.
    return near_.session == handle || far_.session == handle || (far_driver_ == session.driver && far_carrier_ == session.carrier);
  }
  // Whether one of its streams is of a driver of this listener or dialer.
  [[nodiscard]] bool IsOwnedBy(const void* owner) const { return near_.owner == owner || far_.owner == owner; }
  [[nodiscard]] StreamSnapshot Snapshot() const;

  bool is_scheduled = false;  // the host's

 private:
  enum class Phase : uint8_t { kDoor, kDialling, kWaiting, kAnswering, kPumping, kLeaving, kDone };

  void OnStreamReady() override { host_.Schedule(handle_); }
  void OnTimer(TimePoint now) override;
  void OnOffered() override { host_.Schedule(handle_); }
  void RunDoor();
  void Proceed(const frontdoor::Request& request);
  void RunDial();
  void OnDialled(Dial::Connection connection);
  void RunWaiting();
  void TakeOffer(SessionStream offer);
  void RunAnswering();
  void Leave();
  void RunLeaving();
  void BeginPump();
  [[nodiscard]] bool RunPump();
  // Makes a session of what was dialled, and the far stream of it. Over QUIC the pool has done that.
  void OpenFarSession(Dial::Connection& connection);
  void WrapFar();
  [[nodiscard]] bool SendProxyHeader();
  // The request comes to nothing: the near side is told as far as its protocol can, and it is counted.
  void Refuse(Refusal refusal, const std::string& message);
  void CountRefusal(Refusal refusal, const std::string& message);
  [[nodiscard]] bool FlushDoor();
  // For the log of what has ended (EndedLog).
  void Record(EndedRecord::Verdict verdict, std::string_view reason, std::string message = "");
  void RecordPump();
  // What came of a dialer's TLS session after its handshake: only then the far side's verdict on our certificate shows.
  void JudgeTarget();
  void Account();
  void Arm();
  [[nodiscard]] std::string source() const;
  [[nodiscard]] std::string destination() const;

  WorkerContext& context_;
  Host& host_;
  Parties parties_;
  const PumpOptions options_;
  Timer timer_;
  TimePoint armed_for_ = kInfiniteFuture;
  SlotHandle handle_;
  Phase phase_ = Phase::kDoor;
  SessionStream near_;
  SessionStream far_;
  AddressedStream* far_header_ = nullptr;  // far_.stream, where it begins with a StreamOpen
  const EndpointDriver* far_driver_ = nullptr;  // over QUIC
  SessionHandle far_carrier_;
  Way way_;
  TargetState named_;                      // what a plan without targets dials
  std::optional<Dial> dial_;
  std::optional<ReverseBoard::Waiter> waiter_;
  std::optional<Pump> pump_;
  TargetState* far_target_ = nullptr;  // of a dialer with TLS, until it is judged
  SocketAddress near_address_;  // of the client, as its session has it; that may be gone first
  const TimePoint opened_at_;
  const int64_t opened_at_unix_ns_;
  Duration connect_latency_{};
  uint64_t counted_from_near_ = 0;
  uint64_t counted_from_far_ = 0;
};

}  // namespace culvert::server
