// Flow: BeginTarget resolves → OnResolved → TryNextAddress connects → OnIo, OnHandshakeOver or OnTimer tells how that went →
// the next address, the next target, or the end. Over QUIC a pool does all of it: OnPoolAnswer.
#include "server/dial.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/socket_status.h"
#include "server/dialer_runtime.h"
#include "server/endpoint_driver.h"
#include "server/endpoint_stream.h"
#include "server/socket_options.h"
#include "server/worker_context.h"

namespace culvert::server {

using Phase = ProbeStep::Phase;

namespace {

constexpr ptrdiff_t kMaxAddresses = 16;  // of one name

}  // namespace

Dial::Dial(WorkerContext& context, DialPlan plan, StreamObserver& observer)
    : context_(context), plan_(std::move(plan)), observer_(observer), timer_(context.timers, *this), name_(context, *this, plan_.policy != nullptr) {
  if (plan_.dialer != nullptr) plan_.dialer->OnDialBegun();
}

Dial::~Dial() {
  Finish();
  // Nobody took it: who wanted it is gone, and an end in order would look like an empty stream that was whole.
  if (connection_) connection_->tcp.Reset();
  if (connection_ && connection_->driver != nullptr && connection_->tls == nullptr && connection_->carrier.is_null()) {
    connection_->driver->endpoint().Abort(context_.now, connection_->stream, CloseReason::kAborted);
    connection_->driver->MarkDirty();
  }
  if (plan_.dialer != nullptr) plan_.dialer->OnDialEnded();
}

void Dial::Start() {
  deadline_ = context_.now + plan_.timeout;
  BeginTarget();
  is_started_ = true;
}

void Dial::BeginTarget() {
  steps_.clear();
  if (plan_.transport == Transport::kQuic) {
    request_.emplace(plan_.dialer->PoolFor(target()), static_cast<StreamRequest::Owner&>(*this), ShareOfTime(),
                     plan_.wants_stream);
    request_->Start();
    if (request_->is_answered()) OnPoolAnswer();
    return;
  }
  if (const auto answer = name_.Start(target().target.host)) return OnResolved(*answer);
  timer_.Set(deadline_);  // the answer may be lost
}

void Dial::OnPoolStep(Phase phase, const SocketAddress& address) { steps_.push_back({phase, address, context_.now}); }

void Dial::OnPoolAnswer() {
  if (!request_->is_granted()) {
    const std::string reason = request_->error_reason();
    const Phase phase = reason == "RESOLVE_FAILED" ? Phase::kResolve : Phase::kHandshake;
    Fail(phase, reason, std::string(request_->error_message()));
    request_.reset();
    return FailTarget();
  }
  StreamRequest::Grant grant = std::move(request_->grant());
  request_.reset();
  steps_.push_back({Phase::kHandshake, grant.peer, context_.now});
  Succeed({.driver = grant.driver,
           .quic = std::move(grant.stream),
           .carrier = grant.carrier,
           .session = grant.session,
           .remote = grant.peer,
           .target = &target()});
}

void Dial::OnResolved(const NameRequest::Answer& addresses) {
  timer_.Cancel();
  if (!addresses.ok()) {
    Fail(Phase::kResolve, "RESOLVE_FAILED", std::string(addresses.status().message()));
    return FailTarget();
  }
  steps_.push_back({Phase::kResolve, {}, context_.now});
  addresses_.assign(addresses->begin(), addresses->begin() + std::min<ptrdiff_t>(std::ssize(*addresses), kMaxAddresses));
  next_address_ = 0;
  if (plan_.policy != nullptr) {
    // Judged anew for every lookup, so that a name cannot lead where its address may not (reliability T41).
    std::erase_if(addresses_, [this](const IpAddress& ip) {
      return !plan_.policy->AllowsAddress(target().target, {ip, target().target.port}, *context_.own_addresses);
    });
    if (addresses_.empty()) {
      Fail(Phase::kResolve, "DESTINATION_DENIED", absl::StrCat(target().target.ToString(), " may not be reached from here"));
      return FailTarget();
    }
  }
  target().addresses.clear();
  for (const IpAddress& address : addresses_) target().addresses.push_back(address.ToString());
  TryNextAddress();
}

void Dial::TryNextAddress() {
  if (next_address_ == addresses_.size()) return FailTarget();
  trying_ = {addresses_[next_address_++], target().target.port};
  if (plan_.transport == Transport::kKcp) return ConnectKcp(trying_);
  ConnectTcp(trying_);
}

void Dial::ConnectTcp(const SocketAddress& address) {
  auto socket = io::TcpSocket::Connect(address, plan_.socket.bind_address, ToIoOptions(plan_.socket));
  if (!socket.ok()) return FailAddress(Phase::kSocket, socket.status());
  const absl::Status watched = context_.reactor->Add(socket->fd(), io::kWritable, *this);
  if (!watched.ok()) return FailAddress(Phase::kSocket, watched);
  steps_.push_back({Phase::kSocket, address, context_.now});
  connecting_ = *std::move(socket);
  timer_.Set(ShareOfTime());
}

TimePoint Dial::ShareOfTime() const {
  // An address that swallows everything must leave time for those behind it.
  const auto left = static_cast<int64_t>(addresses_.size() - next_address_ + plan_.targets.size() - target_);
  return context_.now + (deadline_ - context_.now) / std::max<int64_t>(left, 1);
}

void Dial::ConnectKcp(const SocketAddress& address) {
  const auto driver = plan_.dialer->DriverFor(address.ip.family());
  if (!driver.ok()) return FailAddress(Phase::kSocket, driver.status());
  const auto stream = (*driver)->endpoint().Connect(context_.now, address);
  if (!stream.ok()) return FailAddress(Phase::kSocket, stream.status());
  steps_.push_back({Phase::kSocket, address, context_.now});
  (*driver)->MarkDirty();
  if (plan_.dialer->config()->tls != nullptr) {
    driver_ = *driver;
    stream_ = *stream;
    auto below = std::make_unique<EndpointStream>(context_, **driver, *stream, SlotHandle{});
    handshake_ = std::make_unique<TlsHandshake>(
        context_, plan_.dialer->WrapInTls(**driver, std::move(below), target().target), ShareOfTime(),
        static_cast<TlsHandshake::Owner&>(*this));
    return;
  }
  Succeed({.driver = *driver, .stream = *stream, .remote = address, .target = &target()});
}

void Dial::OnHandshakeOver(TlsHandshake& handshake) {
  const std::unique_ptr<TlsHandshake> over = std::move(handshake_);
  ObjectCounters& counters = plan_.dialer->tally().counters;
  if (handshake.error_reason().empty()) {
    std::unique_ptr<TlsStream> tls = handshake.TakeStream();
    ++counters.tls_handshakes;
    if (tls->session()->info.resumed) ++counters.tls_resumed;
    steps_.push_back({Phase::kHandshake, trying_, context_.now});
    return Succeed({.driver = driver_, .stream = stream_, .tls = std::move(tls), .remote = trying_, .target = &target()});
  }
  ++counters.tls_failed;
  // Whether our time was over first or that of mKCP.
  if (!handshake.stream().HasPeerAnswered()) {
    Fail(Phase::kHandshake, "NO_ANSWER",
         absl::StrCat("nothing came back from ", trying_.ToString(), " (", target().target.ToString(), "): is the seed the same there?"));
  } else {
    Fail(Phase::kHandshake, handshake.error_reason(),
         absl::StrCat("TLS with ", trying_.ToString(), ": ", handshake.error_message()));
  }
  TryNextAddress();
}

void Dial::OnIo(uint32_t /*ready*/) {
  context_.reactor->Remove(connecting_.fd());
  timer_.Cancel();
  const absl::Status status = connecting_.FinishConnect();
  if (!status.ok()) {
    connecting_ = {};
    return FailAddress(Phase::kHandshake, status);
  }
  target().error_reason.clear();
  target().error_message.clear();
  Succeed({.tcp = std::exchange(connecting_, {}), .remote = trying_, .target = &target()});
}

void Dial::OnTimer(TimePoint /*now*/) {
  if (name_.is_waiting()) {
    name_.Cancel();
    Fail(Phase::kResolve, "RESOLVE_FAILED", absl::StrCat("resolve ", target().target.host, ": no answer in time"));
    return FailTarget();
  }
  context_.reactor->Remove(connecting_.fd());
  connecting_.Reset();
  Fail(Phase::kHandshake, "CONNECT_TIMEOUT", absl::StrCat("connect ", trying_.ToString(), ": no answer in time"));
  TryNextAddress();
}

void Dial::Fail(Phase phase, const std::string& reason, const std::string& message) {
  error_phase_ = phase;
  error_reason_ = reason;
  error_message_ = message;
}

void Dial::FailAddress(Phase phase, const absl::Status& status) {
  const std::string reason = io::ReasonOf(status);
  Fail(phase, reason.empty() ? "SOCKET_FAILED" : reason, std::string(status.message()));
  TryNextAddress();
}

void Dial::FailTarget() {
  // Over QUIC the pool has judged the target, which may be sound though this stream found no place.
  const bool is_judged = plan_.transport == Transport::kQuic;
  if (plan_.dialer != nullptr && !is_judged) plan_.dialer->OnTargetFailed(target(), error_reason_, error_message_);
  if (target_ + 1 < plan_.targets.size() && context_.now < deadline_) {
    ++target_;
    return BeginTarget();
  }
  Finish();
  if (is_started_) observer_.OnStreamReady();
}

void Dial::Succeed(Connection connection) {
  connection_ = std::move(connection);
  Finish();
  if (is_started_) observer_.OnStreamReady();
}

void Dial::Finish() {
  is_done_ = true;
  handshake_.reset();
  request_.reset();
  timer_.Cancel();
  name_.Cancel();
  if (connecting_.is_open()) {
    context_.reactor->Remove(connecting_.fd());
    connecting_.Reset();
  }
}

}  // namespace culvert::server
