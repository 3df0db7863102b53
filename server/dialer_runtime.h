// DialerRuntime: a dialer on one worker. It decides which targets to try in which order, remembers how they fare, and for mKCP
// and QUIC owns a UDP socket with its endpoint per address family, made when first needed, through which all its sessions go. Over
// QUIC each target has a pool of sessions.
// Thread: confined to one worker.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config.h"
#include "server/endpoint_driver.h"
#include "server/object_tally.h"
#include "server/session_pool.h"
#include "server/session_registry.h"
#include "server/tls_stream.h"
#include "server/worker.h"

namespace culvert::server {

class DialerRuntime final : private EndpointDriver::Owner, private SessionPool::Host {
 public:
  DialerRuntime(WorkerContext& context, std::shared_ptr<const DialerConfig> config);
  ~DialerRuntime();
  DialerRuntime(const DialerRuntime&) = delete;
  DialerRuntime& operator=(const DialerRuntime&) = delete;

  [[nodiscard]] const std::shared_ptr<const DialerConfig>& config() const { return config_; }
  // REQUIRES: the same id. Tickets that were got under other TLS settings are forgotten.
  void set_config(std::shared_ptr<const DialerConfig> config);

  // Brings `below`, a stream to `target`, under TLS. nullptr: the dialer has none.
  [[nodiscard]] std::unique_ptr<TlsStream> WrapInTls(EndpointDriver& driver, std::unique_ptr<ByteStream> below,
                                                     const HostPort& target);

  // Whether another stream may be opened now: not paused, not at max_sessions. Over QUIC streams share sessions, and the pool keeps
  // to max_sessions.
  [[nodiscard]] bool MayDial() const;
  // The targets to try for one stream: in turn, those that failed a moment ago last.
  [[nodiscard]] std::vector<TargetState*> NextTargets();
  // A target could not be reached. Kept for reports; others are tried first for a while.
  void OnTargetFailed(TargetState& target, const std::string& reason, const std::string& message) override;

  // The endpoint for peers of `family`. Errors: those of UdpSocket::Bind, FAILED_PRECONDITION when bind_address is of
  // another family. REQUIRES: transport kKcp or kQuic.
  [[nodiscard]] absl::StatusOr<EndpointDriver*> DriverFor(IpAddress::Family family) override;

  // QUIC: the sessions to one of its targets.
  [[nodiscard]] SessionPool& PoolFor(TargetState& target);
  // QUIC: begins to keep min_sessions.
  void KeepSessions();
  // QUIC: begins nothing without being asked for any more; each session ends with its last stream.
  void BeginStop();
  // QUIC: ends all sessions in order, as after a probe.
  void CloseSessions();
  // QUIC: gives no stream on that session any more.
  void ForgetSession(EndpointDriver& driver, SessionHandle session);
  // QUIC: sessions move to the address that the system would send from now.
  void OnRoutesChanged();

  [[nodiscard]] ObjectTally& tally() { return tally_; }
  void OnDialBegun() { ++dials_under_way_; }
  void OnDialEnded() { --dials_under_way_; }

  // Tally and endpoints, without live sessions.
  [[nodiscard]] ObjectCounters Counters() const;
  // Of those there is something to say of.
  [[nodiscard]] std::vector<TargetReport> ReportTargets() const;
  // What was granted to its sockets; nullptr: it has none yet.
  [[nodiscard]] const io::UdpSocket::Granted* granted() const;
  // Whether an endpoint still has connections, those included that are over for us.
  [[nodiscard]] bool has_endpoint_sessions() const;
  // Ends every session; see EndpointDriver::Shutdown.
  void Shutdown(CloseReason reason);

 private:
  void OnOpened(EndpointDriver& driver, StreamHandle stream, SessionHandle session) override;
  void OnSessionClosed(SlotHandle session, CloseReason reason, const SessionStats& final_stats) override;
  void OnSessionOpened(EndpointDriver& driver, SessionHandle session) override;
  void OnSessionGone(EndpointDriver& driver, SessionHandle session, CloseReason reason) override;
  void OnStreamsAvailable(EndpointDriver& driver, SessionHandle session) override;
  absl::StatusOr<std::unique_ptr<EndpointDriver>> OpenDriver(io::UdpSocket socket);

  // SessionPool::Host; more above.
  const DialerConfig& settings() const override { return *config_; }
  std::shared_ptr<quic::ResumptionStore> resumption() override { return resumption_; }
  bool MayOpenSession() const override;
  SlotHandle Register(EndpointDriver& driver, SessionHandle session, TargetState& target) override;
  IpAddress SourceAddressTo(const SocketAddress& peer) override;

  WorkerContext& context_;
  std::shared_ptr<const DialerConfig> config_;
  ObjectTally tally_;
  std::deque<TargetState> targets_;  // addresses are stable: sessions point at theirs
  size_t next_target_ = 0;
  uint32_t dials_under_way_ = 0;
  // Connections hold it too: one that began under earlier settings must not leave its tickets to later ones.
  std::shared_ptr<tls::SessionCache> tickets_ = std::make_shared<tls::SessionCache>();
  std::shared_ptr<quic::ResumptionStore> resumption_ = quic::CreateResumptionStore();  // likewise
  std::array<std::unique_ptr<EndpointDriver>, 2> drivers_;  // IPv4, IPv6
  bool is_keeping_ = false;
  bool is_stopping_ = false;
  std::map<const TargetState*, std::unique_ptr<SessionPool>> pools_;  // QUIC; their sessions are the drivers'
};

}  // namespace culvert::server
