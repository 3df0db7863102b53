// TlsHandshake: brings a TlsStream through its handshake within a time. Handshakes cost far more than a datagram does, so
// they take turns of their own, a bounded number in an iteration of the worker (TurnQueue), and none can hold up the others.
// Thread: confined to one worker.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "server/timer_queue.h"
#include "server/tls_stream.h"

namespace culvert::server {

class TlsHandshake final : private StreamObserver, private TimerHandler {
 public:
  class Owner {
   public:
    // It is over, well or not. May destroy the handshake.
    virtual void OnHandshakeOver(TlsHandshake& handshake) = 0;

   protected:
    ~Owner() = default;
  };
  // Those that want a turn, in the order they asked.
  class TurnQueue {
   public:
    static constexpr int kTurns = 32;  // of one iteration: some 10 ms of signatures at worst
    // True: others wait for the next iteration.
    bool Run();
    [[nodiscard]] bool is_empty() const { return waiting_.empty(); }

   private:
    friend class TlsHandshake;
    std::deque<TlsHandshake*> waiting_;  // nullptr: gone meanwhile
  };

  // `owner` outlives it.
  TlsHandshake(WorkerContext& context, std::unique_ptr<TlsStream> stream, TimePoint deadline, Owner& owner);
  ~TlsHandshake();
  TlsHandshake(const TlsHandshake&) = delete;
  TlsHandshake& operator=(const TlsHandshake&) = delete;

  // Once it is over. error_reason empty: it went well.
  [[nodiscard]] const std::string& error_reason() const { return error_reason_; }  // HANDSHAKE_TIMEOUT, or of TlsFailureName
  [[nodiscard]] const std::string& error_message() const { return error_message_; }
  // The stream; after a failure it is ended already, the peer told why.
  [[nodiscard]] std::unique_ptr<TlsStream> TakeStream() { return std::move(stream_); }
  [[nodiscard]] const TlsStream& stream() const { return *stream_; }

 private:
  void OnStreamReady() override { AskForTurn(); }
  void OnTimer(TimePoint now) override;
  void AskForTurn();
  void OnTurn();
  void End(std::string reason, std::string message);

  WorkerContext& context_;
  Owner& owner_;
  std::unique_ptr<TlsStream> stream_;
  Timer timer_;
  bool is_waiting_ = false;
  bool is_overdue_ = false;
  std::string error_reason_;
  std::string error_message_;
};

}  // namespace culvert::server
