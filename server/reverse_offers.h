// ReverseOffers: the private side of a reverse forward on one worker: keeps streams parked at the public side, under the forward's name, and gives
// those that the public side has something for to be relayed. When many are taken, more are kept for a while.
// Thread: confined to one worker.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "server/addressed_stream.h"
#include "server/backoff.h"
#include "server/dial.h"
#include "server/relay.h"
#include "server/session_streams.h"

namespace culvert::server {

class ReverseOffers final : private TimerHandler {
 public:
  static constexpr uint32_t kMostParked = 64;
  // How long the public side may take to agree to an offer.
  static constexpr Duration kAgreeTimeout = std::chrono::seconds(10);
  static constexpr Duration kLookInterval = std::chrono::seconds(1);

  class Host {
   public:
    // The dialer of the forward; nullptr: none that may dial now.
    virtual DialerRuntime* DialerOf(ForwardRuntime& forward) = 0;
    // A parked stream that the public side begins to use: what it says is to be read (its door) and relayed.
    virtual void OnTaken(ForwardRuntime& forward, SessionStream near) = 0;
    // Asks for a Run in this iteration.
    virtual void ScheduleOffers() = 0;

   protected:
    ~Host() = default;
  };

  // `share`: how many of the forward's parked streams this worker keeps, at least.
  ReverseOffers(WorkerContext& context, Host& host, ForwardRuntime& forward, uint32_t share);
  ~ReverseOffers();
  ReverseOffers(const ReverseOffers&) = delete;
  ReverseOffers& operator=(const ReverseOffers&) = delete;

  [[nodiscard]] ForwardRuntime& forward() { return forward_; }
  // Whether it is what the forward wants now.
  [[nodiscard]] bool IsFor(const ForwardConfig& config, uint32_t share) const {
    return config.dialer == dialer_ && config.reverse == reverse_ && share == share_;
  }
  void Run();
  // Ends what is parked and begins nothing any more.
  void Stop();
  // The dialer is going, or its sessions are.
  void EndAll();
  // Whether a parked stream is carried by this session; it is ended then.
  void EndOn(SlotHandle handle, const Session& session);

 private:
  struct Offer;

  void OnTimer(TimePoint now) override;
  void Begin();
  void OnFailed(const std::string& reason, const std::string& message);
  // True: it is over, and to be removed.
  [[nodiscard]] bool RunOffer(Offer& offer);

  WorkerContext& context_;
  Host& host_;
  ForwardRuntime& forward_;
  const uint32_t share_;
  const std::string dialer_;
  const std::string reverse_;
  Timer timer_;
  std::list<std::unique_ptr<Offer>> offers_;
  Backoff backoff_;
  TimePoint not_before_{};
  uint32_t wanted_;
  uint32_t taken_lately_ = 0;
  TimePoint look_at_{};
  std::string last_failure_;
  bool was_parked_ = false;
  bool is_stopped_ = false;
};

}  // namespace culvert::server
