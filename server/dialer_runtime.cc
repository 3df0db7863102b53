#include "server/dialer_runtime.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/kcp/endpoint.h"
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
  if (config->tls != config_->tls) tickets_ = std::make_shared<tls::SessionCache>();
  config_ = std::move(config);
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
  auto endpoint = kcp::CreateEndpoint({.config = config_->kcp, .accepts = false}, *context_.random);
  CULVERT_ASSIGN_OR_RETURN(driver, EndpointDriver::Create(context_, std::move(socket), std::move(endpoint), *this,
                                                          /*filters_sources=*/false));
  return driver.get();
}

void DialerRuntime::OnOpened(EndpointDriver& driver, StreamHandle stream) {
  // An endpoint that does not accept reports none; should one appear, it is refused.
  driver.endpoint().Abort(context_.now, stream, CloseReason::kAborted);
}

void DialerRuntime::OnSessionClosed(SlotHandle handle, CloseReason reason, const SessionStats& final_stats) {
  const Session* session = context_.sessions->Find(handle);
  if (session == nullptr || session->target == nullptr) return;
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
  for (const auto& driver : drivers_) {
    if (driver) driver->Shutdown(reason);
  }
}

}  // namespace culvert::server
