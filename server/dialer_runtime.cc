#include "server/dialer_runtime.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/io/monotonic_clock.h"
#include "core/io/source_address.h"
#include "core/kcp/endpoint.h"
#include "server/session_streams.h"
#include "server/socket_options.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

constexpr Duration kSkipAfterFailure = std::chrono::seconds(2);
// A session that we end ourselves counts as unanswered only if the peer had this long to answer: a few round trips of a bad
// path, and more than one repetition of the first segment.
constexpr Duration kAnswerTime = std::chrono::seconds(3);

}  // namespace

DialerRuntime::DialerRuntime(WorkerContext& context, std::shared_ptr<const DialerConfig> config)
    : context_(context), config_(std::move(config)) {
  tally_.everywhere = context_.session_counts->For("dialer", config_->id);
  for (const HostPort& target : config_->targets) targets_.push_back({.target = target});
}

DialerRuntime::~DialerRuntime() = default;

void DialerRuntime::set_config(std::shared_ptr<const DialerConfig> config) {
  const bool tls_changed = config->tls != config_->tls || config->tls_server_name != config_->tls_server_name;
  if (tls_changed) {
    tickets_ = std::make_shared<tls::SessionCache>();
    resumption_ = quic::CreateResumptionStore();
  }
  config_ = std::move(config);
  for (const auto& [target, pool] : pools_) pool->OnConfigChanged(tls_changed);
}

SessionPool& DialerRuntime::PoolFor(TargetState& target) {
  std::unique_ptr<SessionPool>& pool = pools_[&target];
  if (pool == nullptr) {
    pool = std::make_unique<SessionPool>(context_, static_cast<SessionPool::Host&>(*this), target);
    if (is_keeping_) pool->KeepSessions();
    if (is_stopping_) pool->BeginStop();
  }
  return *pool;
}

void DialerRuntime::KeepSessions() {
  if (config_->transport != Transport::kQuic) return;
  is_keeping_ = true;
  for (TargetState& target : targets_) static_cast<void>(PoolFor(target));
}

void DialerRuntime::BeginStop() {
  is_stopping_ = true;
  for (const auto& [target, pool] : pools_) pool->BeginStop();
}

void DialerRuntime::CloseSessions() {
  for (const auto& [target, pool] : pools_) pool->CloseSessions();
}

void DialerRuntime::ForgetSession(EndpointDriver& driver, SessionHandle session) {
  for (const auto& [target, pool] : pools_) {
    if (pool->Forget(driver, session)) return;
  }
}

void DialerRuntime::OnRoutesChanged() {
  for (const auto& [target, pool] : pools_) pool->OnRoutesChanged();
}

std::unique_ptr<TlsStream> DialerRuntime::WrapInTls(EndpointDriver& driver, std::unique_ptr<ByteStream> below,
                                                    const HostPort& target) {
  if (config_->tls == nullptr) return nullptr;
  TlsStream::Options options{config_->tls_server_name, tickets_};
  if (options.server_name.empty()) {
    options.server_name = target.host;
    // The dot of a fully qualified name stands in no certificate.
    if (options.server_name.ends_with('.')) options.server_name.pop_back();
  }
  return std::make_unique<TlsStream>(context_, std::move(below), config_->tls, std::move(options), driver);
}

bool DialerRuntime::MayDial() const {
  if (config_->transport == Transport::kQuic) return !config_->paused;
  return !config_->paused && tally_.everywhere->load(std::memory_order_relaxed) + dials_under_way_ < config_->max_sessions;
}

std::vector<TargetState*> DialerRuntime::NextTargets() {
  std::vector<TargetState*> order;
  for (size_t i = 0; i < targets_.size(); ++i) order.push_back(&targets_[(next_target_ + i) % targets_.size()]);
  next_target_ = (next_target_ + 1) % targets_.size();
  std::stable_partition(order.begin(), order.end(),
                        [this](const TargetState* target) { return target->skip_until <= context_.now; });
  return order;
}

void DialerRuntime::OnTargetFailed(TargetState& target, const std::string& reason, const std::string& message) {
  // A target that stays broken says so once, not for every stream.
  if (target.error_reason != reason) {
    Log(LogLevel::kWarning, "dialer", message, {{"dialer", config_->id.name}, {"target", target.target.ToString()}, {"reason", reason}});
  }
  target.error_reason = reason;
  target.error_message = message;
  target.skip_until = context_.now + kSkipAfterFailure;
}

absl::StatusOr<EndpointDriver*> DialerRuntime::DriverFor(IpAddress::Family family) {
  const bool is_v6 = family == IpAddress::Family::kV6;
  std::unique_ptr<EndpointDriver>& driver = drivers_[is_v6 ? 1 : 0];
  if (driver) return driver.get();

  IpAddress local = config_->socket.bind_address;
  if (local.family() == IpAddress::Family::kNone) {
    local = is_v6 ? IpAddress::AnyV6() : IpAddress::AnyV4();
  } else if (local.family() != family) {
    return absl::FailedPreconditionError(
        absl::StrCat("socket.bind_address ", local.ToString(), " cannot reach an ", is_v6 ? "IPv6" : "IPv4", " address"));
  }
  CULVERT_ASSIGN_OR_RETURN(io::UdpSocket socket,
                           io::UdpSocket::Bind({.bind = {local, 0}, .socket = ToIoOptions(config_->socket)}));
  CULVERT_ASSIGN_OR_RETURN(driver, OpenDriver(std::move(socket)));
  return driver.get();
}

absl::StatusOr<std::unique_ptr<EndpointDriver>> DialerRuntime::OpenDriver(io::UdpSocket socket) {
  if (config_->transport != Transport::kQuic) {
    auto endpoint = kcp::CreateEndpoint({.config = config_->kcp, .accepts = false}, *context_.random);
    return EndpointDriver::Create(context_, std::move(socket), std::move(endpoint), *this, /*filters_sources=*/false);
  }
  auto endpoint = quic::CreateEndpoint({.config = config_->quic,
                                        .worker = context_.index,
                                        .accepts = false,
                                        .keys = config_->quic_keys,
                                        .local = socket.local_address(),
                                        .unix_ns_at_epoch = io::UnixNanoseconds() - context_.now.time_since_epoch().count()},
                                       *context_.random);
  return EndpointDriver::CreateQuic(context_, std::move(socket), std::move(endpoint), *this, /*filters_sources=*/false);
}

void DialerRuntime::OnOpened(EndpointDriver& driver, StreamHandle stream, SessionHandle /*session*/) {
  // Nobody asked for it: an mKCP endpoint that does not accept reports none, a QUIC server may open some.
  driver.endpoint().Abort(context_.now, stream, CloseReason::kAborted);
  driver.MarkDirty();
}

void DialerRuntime::OnSessionOpened(EndpointDriver& driver, SessionHandle session) {
  for (const auto& [target, pool] : pools_) {
    if (pool->OnSessionOpened(driver, session)) return;
  }
  // Nobody waits for it any more, but it may carry streams that began before it was established (0-RTT).
  if (driver.quic()->OpenStreams(session) == 0) driver.endpoint().AbortSession(context_.now, session, CloseReason::kAborted);
  driver.MarkDirty();
}

void DialerRuntime::OnSessionGone(EndpointDriver& driver, SessionHandle session, CloseReason reason) {
  if (reason == CloseReason::kHandshakeFailed) ++tally_.counters.tls_failed;
  for (const auto& [target, pool] : pools_) {
    if (pool->OnSessionGone(driver, session)) return;
  }
}

void DialerRuntime::OnStreamsAvailable(EndpointDriver& driver, SessionHandle session) {
  for (const auto& [target, pool] : pools_) {
    if (pool->OnStreamsAvailable(driver, session)) return;
  }
}

bool DialerRuntime::MayOpenSession() const {
  uint64_t sessions = tally_.everywhere->load(std::memory_order_relaxed);
  uint64_t draining = 0;
  for (const auto& [target, pool] : pools_) {
    sessions += pool->handshake_count();
    draining += pool->draining_count();
  }
  // Sessions that only finish what they carry stand in nobody's way, or a renewed certificate would stop a dialer at its limit.
  return !config_->paused && sessions < config_->max_sessions + draining;
}

SlotHandle DialerRuntime::Register(EndpointDriver& driver, SessionHandle session, TargetState& target) {
  return OpenQuicSession(context_, driver, session, {.dialer = config_, .tally = &tally_, .target = &target});
}

IpAddress DialerRuntime::SourceAddressTo(const SocketAddress& peer) {
  const auto source = io::SourceAddressTo(peer, ToIoOptions(config_->socket));
  return source.ok() ? *source : IpAddress();
}

void DialerRuntime::OnSessionClosed(SlotHandle handle, CloseReason reason, const SessionStats& final_stats) {
  const Session* session = context_.sessions->Find(handle);
  if (session == nullptr || session->target == nullptr || session->transport == Transport::kQuic) return;
  if (final_stats.validated) {
    if (session->tls != nullptr) return;  // the relay knows more of how it went
    session->target->error_reason.clear();
    session->target->error_message.clear();
    return;
  }
  const bool ended_here = reason == CloseReason::kLocal || reason == CloseReason::kAborted || reason == CloseReason::kAdmin;
  if (ended_here && context_.now - final_stats.opened_at < kAnswerTime) return;
  tally_.OnFailed();
  OnTargetFailed(*session->target, "NO_ANSWER",
                 absl::StrCat("nothing came back from ", session->remote.ToString(), " (",
                              session->target->target.ToString(), "): is the seed the same there?"));
}

ObjectCounters DialerRuntime::Counters() const {
  ObjectCounters counters = tally_.counters;
  for (const auto& driver : drivers_) {
    if (driver) driver->AddCounters(counters);
  }
  return counters;
}

std::vector<TargetReport> DialerRuntime::ReportTargets() const {
  std::vector<TargetReport> reports;
  for (const TargetState& target : targets_) {
    if (target.addresses.empty() && target.sessions == 0 && target.error_reason.empty()) continue;
    reports.push_back({.target = target.target.ToString(),
                       .addresses = target.addresses,
                       .sessions = target.sessions,
                       .last_error_reason = target.error_reason,
                       .last_error_message = target.error_message});
  }
  return reports;
}

const io::UdpSocket::Granted* DialerRuntime::granted() const {
  for (const auto& driver : drivers_) {
    if (driver) return &driver->socket().granted();
  }
  return nullptr;
}

bool DialerRuntime::has_endpoint_sessions() const {
  return std::any_of(drivers_.begin(), drivers_.end(),
                     [](const auto& driver) { return driver && driver->endpoint().session_count() > 0; });
}

void DialerRuntime::Shutdown(CloseReason reason) {
  pools_.clear();  // who waited is gone; what they began is aborted below
  for (const auto& driver : drivers_) {
    if (driver) driver->Shutdown(reason);
  }
}

}  // namespace culvert::server
