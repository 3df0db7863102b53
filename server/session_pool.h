// SessionPool: the QUIC sessions of one dialer to one target on one worker, and who waits for a stream on them.
//
// A stream goes to the session with the fewest, among those that have one to give. When all are full, who waits gives them one
// round trip (within bounds) to get one back, then another session is begun; so many handshakes run at a time as those who wait
// need, each counted for as many of them as a session of this peer last granted. Nothing here is shared with other targets, so one
// that does not answer delays no other.
//
// After a failure everybody who waits is told its reason, and the target is left alone for a while (backoff.h), but for explicit
// requests: who asks has nothing better left, so one handshake at a time is tried for them.
//
// min_sessions of the dialer's sessions to this target, all workers together, are kept alive and begun without being asked for.
// Sessions that began under other TLS settings take no new streams and end when those they carry do.
// Thread: confined to one worker. Reads no clock: WorkerContext::now.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/backoff.h"
#include "server/config.h"
#include "server/name_request.h"
#include "server/session_counts.h"
#include "server/session_race.h"
#include "server/session_registry.h"
#include "server/stream_request.h"
#include "server/timer_queue.h"

namespace culvert::server {

class EndpointDriver;
struct WorkerContext;

class SessionPool final : private TimerHandler, private NameRequest::Owner, private SessionRace::Host {
 public:
  static constexpr uint32_t kFirstExpectedStreams = 32;  // of a session to a peer not yet known: what v2ray grants
  static constexpr size_t kMaxHandshakes = 16;           // at a time
  static constexpr Duration kLeastPatience = std::chrono::milliseconds(10);
  static constexpr Duration kMostPatience = std::chrono::milliseconds(100);
  static constexpr Duration kCleanUpInterval = std::chrono::seconds(60);
  // When it is time to look up a name again, so long is waited for the answer before the old addresses are used on.
  static constexpr Duration kLookupPatience = std::chrono::milliseconds(250);

  class Host {
   public:
    virtual const DialerConfig& settings() const = 0;
    virtual absl::StatusOr<EndpointDriver*> DriverFor(IpAddress::Family family) = 0;
    virtual std::shared_ptr<quic::ResumptionStore> resumption() = 0;
    // Whether the dialer's limit allows another session, counting those whose handshake is under way.
    virtual bool MayOpenSession() const = 0;
    // Registers a session that is established and returns its entry.
    virtual SlotHandle Register(EndpointDriver& driver, SessionHandle session, TargetState& target) = 0;
    virtual void OnTargetFailed(TargetState& target, const std::string& reason, const std::string& message) = 0;
    // The address that the system would send from; none: it cannot be told.
    virtual IpAddress SourceAddressTo(const SocketAddress& peer) = 0;

   protected:
    ~Host() = default;
  };

  // `host` and `target` outlive it.
  SessionPool(WorkerContext& context, Host& host, TargetState& target);
  // Requests are gone by then. Sessions are left to their driver.
  ~SessionPool();
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;

  // From now on min_sessions are kept.
  void KeepSessions();
  // The host's config has changed. `tls_changed`: what it says about TLS.
  void OnConfigChanged(bool tls_changed);
  // Keeps and begins nothing without being asked for any more; each session ends with its last stream.
  void BeginStop();
  // Ends every session in order and forgets it.
  void CloseSessions();
  // The system may send from other addresses now: sessions move along.
  void OnRoutesChanged();

  // Events of a driver. False: not of a session of this pool.
  [[nodiscard]] bool OnSessionOpened(EndpointDriver& driver, SessionHandle session);
  [[nodiscard]] bool OnSessionGone(EndpointDriver& driver, SessionHandle session);
  [[nodiscard]] bool OnStreamsAvailable(EndpointDriver& driver, SessionHandle session);
  // No stream is to be given on that session any more.
  [[nodiscard]] bool Forget(EndpointDriver& driver, SessionHandle session);

  [[nodiscard]] size_t session_count() const { return members_.size(); }
  [[nodiscard]] size_t handshake_count() const;
  // Sessions that take no new streams and are registered until those they carry have ended.
  [[nodiscard]] size_t draining_count() const { return draining_.size(); }
  [[nodiscard]] size_t waiting_count() const { return waiting_.size(); }
  [[nodiscard]] const Backoff& backoff() const { return backoff_; }

 private:
  friend class StreamRequest;

  // A session that takes streams.
  struct Member {
    SessionRace::Runner at;
    SlotHandle entry;
    IpAddress source;          // none: not known
    TimePoint proven_at = kInfiniteFuture;  // a peer that refuses us does it before (TLS 1.3 judges a client's certificate last)
    bool is_established = false;  // else it takes 0-RTT, and has no entry yet
    bool is_proven = false;
    bool is_kept = false;      // one of min_sessions
    bool has_given = false;    // a stream, ever
  };

  // StreamRequest's.
  void Add(StreamRequest& request);
  void Remove(StreamRequest& request);
  void OnDeadline(StreamRequest& request);

  void OnTimer(TimePoint now) override;
  void OnResolved(const NameRequest::Answer& answer) override;
  // SessionRace::Host.
  absl::StatusOr<EndpointDriver*> DriverFor(IpAddress::Family family) override { return host_.DriverFor(family); }
  quic::ConnectOptions OptionsFor(const SocketAddress& peer) override;
  void OnAttempt(const SocketAddress& peer) override;
  void OnRaceChanged() override { Consider(); }

  // Does whatever is to be done now: the one place where things begin and end.
  void Consider();
  void SettleRaces();
  void Adopt(SessionRace& race);
  void Serve();
  [[nodiscard]] bool Grant(StreamRequest& request);
  void KeepEnough();
  void BeginRaces();
  // False: none can begin now.
  [[nodiscard]] bool BeginRace(bool for_keeping);
  [[nodiscard]] bool HasAddresses();
  void LookUp();
  void AbortNeedlessRaces();
  void Arm();

  [[nodiscard]] size_t CountImpatient() const;
  [[nodiscard]] Duration Patience() const;
  // With no session left there is no credit to wait for.
  void EndPatience();
  [[nodiscard]] bool TakeKeepingPlace();
  void GiveKeepingPlace(bool& is_kept);
  void SetKept(Member& member, bool is_kept);
  void OnEstablished(Member& member);
  void Prove(Member& member);
  void Fail(const std::string& reason, const std::string& message);
  void FailWaiting(const std::string& reason, const std::string& message);
  void FollowSource(Member& member);
  void CleanUp();
  std::vector<Member>::iterator Find(EndpointDriver& driver, SessionHandle session);

  WorkerContext& context_;
  Host& host_;
  TargetState& target_;
  Timer timer_;
  NameRequest name_;
  std::vector<IpAddress> addresses_;
  TimePoint addresses_good_until_{};
  TimePoint resolve_overdue_at_ = kInfiniteFuture;  // a lost answer must not block the pool
  TimePoint lookup_patience_until_{};
  std::vector<Member> members_;
  std::vector<SessionRace::Runner> draining_;
  std::vector<std::unique_ptr<SessionRace>> races_;
  std::list<StreamRequest*> waiting_;  // oldest first
  uint32_t expected_streams_ = kFirstExpectedStreams;
  Backoff backoff_;
  SessionCounts::Count kept_everywhere_;
  TimePoint clean_up_at_ = kInfiniteFuture;
  bool keeps_sessions_ = false;
  bool is_stopping_ = false;
  bool is_considering_ = false;
  bool consider_again_ = false;
};

}  // namespace culvert::server
