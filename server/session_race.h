// SessionRace: one QUIC session to whichever address of a target answers first. The addresses are tried in order, the next one when
// the former has failed or has not answered for a while; the first session that is established wins, the others are aborted. One that
// has streams to give before (0-RTT, to an address that answered lately) wins without being waited for.
// Source: RFC 8305 sections 4 and 5.
// Thread: confined to one worker.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/quic/endpoint.h"
#include "server/timer_queue.h"

namespace culvert::server {

class EndpointDriver;
struct WorkerContext;

// Addresses with their families taking turns, beginning with that of the first (RFC 8305 section 4).
std::vector<IpAddress> TakeTurns(const std::vector<IpAddress>& addresses);

class SessionRace final : private TimerHandler {
 public:
  static constexpr Duration kNextAddressAfter = std::chrono::milliseconds(250);

  class Host {
   public:
    // The endpoint for peers of `family`.
    virtual absl::StatusOr<EndpointDriver*> DriverFor(IpAddress::Family family) = 0;
    // How to connect to `peer`.
    virtual quic::ConnectOptions OptionsFor(const SocketAddress& peer) = 0;
    // A handshake with `peer` begins.
    virtual void OnAttempt(const SocketAddress& peer) = 0;
    // Time passed: the race may be over. It may be destroyed here.
    virtual void OnRaceChanged() = 0;

   protected:
    ~Host() = default;
  };

  struct Runner {
    SocketAddress peer;
    EndpointDriver* driver = nullptr;
    SessionHandle session;
  };

  // REQUIRES: at least one address.
  SessionRace(WorkerContext& context, Host& host, std::vector<SocketAddress> addresses);
  // Aborts what runs.
  ~SessionRace();
  SessionRace(const SessionRace&) = delete;
  SessionRace& operator=(const SessionRace&) = delete;

  // May be over when it returns.
  void Start();
  // An event of `driver`. False: that session is none of ours.
  [[nodiscard]] bool OnSessionOpened(EndpointDriver& driver, SessionHandle session);
  [[nodiscard]] bool OnSessionGone(EndpointDriver& driver, SessionHandle session);

  [[nodiscard]] const std::optional<Runner>& winner() const { return winner_; }
  // Nobody won, and nobody can any more.
  [[nodiscard]] bool is_lost() const { return !winner_ && runners_.empty() && next_ == addresses_.size(); }
  // Of the last address that failed.
  [[nodiscard]] const std::string& error_reason() const { return error_reason_; }
  [[nodiscard]] const std::string& error_message() const { return error_message_; }

  bool is_for_keeping = false;  // the pool's: wanted whether or not a stream waits

 private:
  void OnTimer(TimePoint now) override;
  void StartNext();
  void FailToStart(const absl::Status& status);
  void Abort(const Runner& runner);
  std::vector<Runner>::iterator Find(EndpointDriver& driver, SessionHandle session);

  WorkerContext& context_;
  Host& host_;
  const std::vector<SocketAddress> addresses_;
  size_t next_ = 0;
  std::vector<Runner> runners_;
  std::optional<Runner> winner_;
  Timer timer_;
  std::string error_reason_;
  std::string error_message_;
};

}  // namespace culvert::server
