// Dial: the way from a list of targets to one connection. Each target is resolved and its addresses are tried in order, each
// with its share of the time that is left; the next target follows when all have failed. Over QUIC a target's pool does that and
// gives a stream of one of its sessions.
//
// It never calls its result back: the observer hears that something happened, and looks.
// Thread: confined to one worker.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/egress/destination_policy.h"
#include "core/io/reactor.h"
#include "core/io/tcp_socket.h"
#include "server/byte_stream.h"
#include "server/name_request.h"
#include "server/session_registry.h"
#include "server/stream_request.h"
#include "server/timer_queue.h"
#include "server/tls_handshake.h"
#include "server/worker.h"

namespace culvert::server {

class DialerRuntime;
class EndpointDriver;
struct WorkerContext;

struct DialPlan {
  Transport transport = Transport::kTcp;
  std::vector<TargetState*> targets;  // not empty when the dial begins; outlive it
  // Somebody else named the target: only the addresses that these rules admit are tried. nullptr: all are.
  std::shared_ptr<const egress::DestinationPolicy> policy;
  DialerRuntime* dialer = nullptr;    // outlives the dial; nullptr: a direct destination, over TCP
  SocketOptions socket;
  Duration timeout{};                 // for everything together
  bool wants_stream = true;           // over QUIC; else an established session is all
};

class Dial final : private io::IoHandler,
                   private TimerHandler,
                   private TlsHandshake::Owner,
                   private NameRequest::Owner,
                   private StreamRequest::Owner {
 public:
  // What was reached so far: a phase and when. Failure names the phase it happened in.
  struct Step {
    ProbeStep::Phase phase;
    SocketAddress address;  // none in kResolve
    TimePoint at{};
  };
  // Exactly one of `tcp` and `driver` is set; over mKCP perhaps `tls`, over QUIC `carrier`, `session` and perhaps `quic`.
  struct Connection {
    io::TcpSocket tcp;                 // connected
    EndpointDriver* driver = nullptr;
    StreamHandle stream;               // usable at once; whether anybody answers will be seen, unless there is `tls`
    std::unique_ptr<TlsStream> tls;    // its handshake went well
    std::unique_ptr<EndpointStream> quic;
    SessionHandle carrier;             // of the driver's endpoint
    SlotHandle session;                // its entry in the registry
    SocketAddress remote;
    TargetState* target = nullptr;
  };

  // `observer` must outlive the dial.
  Dial(WorkerContext& context, DialPlan plan, StreamObserver& observer);
  ~Dial();
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  // May be done when it returns.
  void Start();
  [[nodiscard]] bool is_done() const { return is_done_; }
  // REQUIRES: is_done. nullopt: it failed.
  [[nodiscard]] std::optional<Connection> TakeConnection() { return std::exchange(connection_, std::nullopt); }
  // The last failure: RESOLVE_FAILED, DESTINATION_DENIED, CONNECT_REFUSED, CONNECT_TIMEOUT, UNREACHABLE, with TLS NO_ANSWER and those of
  // tls_handshake.h, over QUIC those of a StreamRequest, or the reason of a socket that could not be made (socket_status.h; SOCKET_FAILED when that has none).
  [[nodiscard]] const std::string& error_reason() const { return error_reason_; }
  [[nodiscard]] const std::string& error_message() const { return error_message_; }
  [[nodiscard]] ProbeStep::Phase error_phase() const { return error_phase_; }
  // Of the target tried last.
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }

 private:
  void OnIo(uint32_t ready) override;
  void OnTimer(TimePoint now) override;
  void BeginTarget();
  void OnResolved(const NameRequest::Answer& addresses) override;
  void OnPoolStep(ProbeStep::Phase phase, const SocketAddress& address) override;
  void OnPoolAnswer() override;
  void TryNextAddress();
  void ConnectTcp(const SocketAddress& address);
  void ConnectKcp(const SocketAddress& address);
  // The end of what is left, shared with the addresses that are still to be tried.
  [[nodiscard]] TimePoint ShareOfTime() const;
  void OnHandshakeOver(TlsHandshake& handshake) override;
  void Fail(ProbeStep::Phase phase, const std::string& reason, const std::string& message);
  void FailAddress(ProbeStep::Phase phase, const absl::Status& status);
  void FailTarget();
  void Succeed(Connection connection);
  void Finish();
  TargetState& target() { return *plan_.targets[target_]; }

  WorkerContext& context_;
  const DialPlan plan_;
  StreamObserver& observer_;
  Timer timer_;
  TimePoint deadline_{};
  size_t target_ = 0;
  NameRequest name_;
  std::optional<StreamRequest> request_;  // over QUIC
  Resolver::Addresses addresses_;
  size_t next_address_ = 0;
  SocketAddress trying_;
  io::TcpSocket connecting_;
  // While a handshake is under way.
  std::unique_ptr<TlsHandshake> handshake_;
  EndpointDriver* driver_ = nullptr;
  StreamHandle stream_;
  bool is_started_ = false;
  bool is_done_ = false;
  std::optional<Connection> connection_;
  std::string error_reason_;
  std::string error_message_;
  ProbeStep::Phase error_phase_ = ProbeStep::Phase::kResolve;
  std::vector<Step> steps_;
};

}  // namespace culvert::server
