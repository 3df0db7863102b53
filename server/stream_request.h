// StreamRequest: somebody who wants a stream of a pool's sessions. With it its place among those who wait is gone.
// Thread: confined to one worker.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "core/base/slot_map.h"
#include "server/endpoint_stream.h"
#include "server/timer_queue.h"
#include "server/worker.h"

namespace culvert::server {

class SessionPool;

class StreamRequest final : private TimerHandler {
 public:
  class Owner {
   public:
    // What the pool does meanwhile: a name was resolved (no address), a handshake with `address` began, one is done.
    virtual void OnPoolStep(ProbeStep::Phase phase, const SocketAddress& address) = 0;
    // There is an answer. Not called from within Start. The request may be destroyed here.
    virtual void OnPoolAnswer() = 0;

   protected:
    ~Owner() = default;
  };
  // What a request that went well has. The session's entry in the registry may have ended since.
  struct Grant {
    std::unique_ptr<EndpointStream> stream;  // nullptr: only a session was wanted
    EndpointDriver* driver = nullptr;
    SessionHandle carrier;
    SlotHandle session;
    SocketAddress peer;
  };

  // `pool` and `owner` outlive it. `wants_stream` false: an established session will do, and the peer hears of no stream.
  StreamRequest(SessionPool& pool, Owner& owner, TimePoint deadline, bool wants_stream);
  ~StreamRequest();
  StreamRequest(const StreamRequest&) = delete;
  StreamRequest& operator=(const StreamRequest&) = delete;

  // May be answered when it returns.
  void Start();
  [[nodiscard]] bool is_answered() const { return is_answered_; }
  // REQUIRES: is_answered. False: see the error.
  [[nodiscard]] bool is_granted() const { return grant_.driver != nullptr; }
  [[nodiscard]] Grant& grant() { return grant_; }
  // Reasons are those of SessionInfo, of Dial, and NO_STREAMS: all sessions are full.
  [[nodiscard]] const std::string& error_reason() const { return error_reason_; }
  [[nodiscard]] const std::string& error_message() const { return error_message_; }

 private:
  friend class SessionPool;
  void OnTimer(TimePoint now) override;
  // Tells the owner, unless it is still in Start.
  void Answer();

  SessionPool& pool_;
  Owner& owner_;
  const TimePoint deadline_;
  const bool wants_stream_;
  Timer timer_;
  // The pool's: where it waits, and from when on it wants a session of its own rather than credit of another.
  std::list<StreamRequest*>::iterator place_;
  bool is_waiting_ = false;
  TimePoint patient_until_{};
  bool is_starting_ = false;
  bool is_answered_ = false;
  Grant grant_;
  std::string error_reason_;
  std::string error_message_;
};

}  // namespace culvert::server
