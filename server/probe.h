// ProbeRun: tries the targets of a dialer one after the other and tells what happens, without touching the dialer that runs.
// Over mKCP "answered" means that an authentic datagram came back; with TLS, that the handshake is done and the far side did not
// refuse us right after it (in TLS 1.3 it judges our certificate only then). Over QUIC the same, and no stream is opened: what lies
// behind the far side hears nothing of it.
// Thread: confined to one worker.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "server/dial.h"
#include "server/dialer_runtime.h"
#include "server/endpoint_stream.h"
#include "server/timer_queue.h"
#include "server/worker.h"

namespace culvert::server {

class ProbeRun final : private StreamObserver, private TimerHandler {
 public:
  ProbeRun(WorkerContext& context, ProbeRequest request, std::function<void(ProbeStep)> on_step);
  ~ProbeRun();
  ProbeRun(const ProbeRun&) = delete;
  ProbeRun& operator=(const ProbeRun&) = delete;

  // Looks what has come about; to be called in every iteration. True: finished, the last step was told.
  [[nodiscard]] bool Run();
  // Ends it with a last, failed step.
  void Cancel();

 private:
  void OnStreamReady() override {}  // Run looks anyway
  void OnTimer(TimePoint now) override;
  void BeginAttempt();
  void OnDialled();
  void LookAtTls();
  void OnSession(const Dial::Connection& connection);
  void LookAtSession();
  void OnReady(const SessionStats& stats);
  void TellStep(ProbeStep::Phase phase, const SocketAddress& address, TimePoint at);
  void EndAttempt(ProbeStep step);
  [[nodiscard]] bool IsLastAttempt() const;
  [[nodiscard]] ProbeStep NewStep(ProbeStep::Phase phase, const SocketAddress& address, TimePoint at) const;

  WorkerContext& context_;
  const ProbeRequest request_;
  const std::function<void(ProbeStep)> on_step_;
  DialerRuntime dialer_;  // of its own
  std::vector<TargetState*> targets_;
  Timer timer_;
  size_t target_ = 0;
  uint32_t attempt_ = 0;
  TimePoint attempt_began_{};
  std::optional<Dial> dial_;
  size_t told_steps_ = 0;
  // Over mKCP, while the first answer is awaited.
  EndpointDriver* driver_ = nullptr;
  StreamHandle stream_;
  SocketAddress remote_;
  std::unique_ptr<EndpointStream> object_;
  std::unique_ptr<TlsStream> tls_;  // while a refusal may still come
  // Over QUIC, likewise.
  SessionHandle carrier_;
  std::shared_ptr<const SessionTls> quic_tls_;
  bool is_overdue_ = false;
  bool is_done_ = false;
};

}  // namespace culvert::server
