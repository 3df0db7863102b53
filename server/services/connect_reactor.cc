// DialerService.Connect: a stream or datagrams of a worker, carried by a call.
//
// Three parties share it: gRPC's threads, the worker behind the channel, and the control thread, which finds the worker. Whoever changed
// something pokes; one thread at a time then does what can be done (Pump): asks gRPC for the next message once the channel takes one,
// writes the next one once the last is on its way, and finishes once.
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "core/dispatch/destination.h"
#include "core/frontdoor/text.h"
#include "core/io/monotonic_clock.h"
#include "server/access/admission.h"
#include "server/access/standing_calls.h"
#include "server/error_builder.h"
#include "server/services/audit.h"
#include "server/services/declared_services.h"
#include "server/stats_proto.h"
#include "server/status_mapping.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxMessageBytes = 1 << 20;

absl::Status ToStatus(const ConnectChannel::Outcome& outcome) {
  if (outcome.is_ok) return absl::OkStatus();
  if (outcome.reason == "CANCELLED") return absl::CancelledError(outcome.message);
  if (outcome.reason == "SHUTTING_DOWN") return DaemonStopping();
  if (outcome.reason == "LIMIT_EXCEEDED" && !outcome.was_open) {
    return ErrorBuilder(absl::StatusCode::kResourceExhausted, outcome.reason, outcome.message).Build();
  }
  const absl::StatusCode code = outcome.was_open ? absl::StatusCode::kUnavailable : absl::StatusCode::kFailedPrecondition;
  return ErrorBuilder(code, outcome.reason, outcome.message).Build();
}

class ConnectCall final : public grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>,
                          public std::enable_shared_from_this<ConnectCall> {
 public:
  ConnectCall(Supervisor& supervisor, Caller caller) : supervisor_(supervisor), caller_(std::move(caller)) {}

  // As WriteStream's (stream_reactor.h).
  absl::Status Stand(const ServiceContext& context, const grpc::ServerContextBase& call) {
    auto ticket = context.standing->Enter(*context.callers, call, *v1::ConnectRequest::descriptor(), [weak = weak_from_this()](absl::Status why) {
      if (const auto connect = weak.lock()) connect->Revoke(std::move(why));
    });
    if (ticket.ok()) standing_ = *std::move(ticket);
    return ticket.status();
  }
  // `admitted`: not OK ends the call with it.
  void Begin(absl::Status admitted) {
    self_ = shared_from_this();
    if (!admitted.ok()) {
      error_ = std::move(admitted);
      return Pump();
    }
    channel_->SetCallerWake([weak = weak_from_this()] {
      if (const auto call = weak.lock()) call->Pump();
    });
    reading_ = true;
    StartRead(&request_);
  }

 private:
  // Nothing more passes from now on, in either direction.
  void Revoke(absl::Status why) {
    {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::move(why);
    }
    channel_->CallerAbort();
    Pump();
  }
  void OnReadDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      if (!ok) {
        reads_ended_ = true;
      } else {
        has_request_ = true;
      }
    }
    Pump();
  }
  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (!ok) is_gone_ = true;
    }
    if (!ok) channel_->CallerAbort();
    Pump();
  }
  void OnCancel() override {
    channel_->CallerAbort();
    const std::lock_guard lock(mutex_);
    is_gone_ = true;
  }
  void OnDone() override {
    channel_->CallerAbort();
    standing_ = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (is_begun_) {
        WriteAuditEnd(audit_, caller_, outcome_,
                      {.elapsed = io::Now() - began_at_, .bytes_from_caller = bytes_from_caller_, .bytes_to_caller = bytes_to_caller_});
      }
    }
    const std::shared_ptr<ConnectCall> last = std::move(self_);  // the object may end with this line
  }

  void Pump() {
    const auto keep = shared_from_this();
    std::unique_lock lock(mutex_);
    again_ = true;
    if (pumping_) return;
    pumping_ = true;
    while (again_ && !finished_) {
      again_ = false;
      if (has_request_ && TakeRequest()) has_request_ = false;
      if (reads_ended_ && is_begun_) channel_->CallerFinish();
      if (reads_ended_ && !is_begun_ && !error_) error_ = InvalidField("open", "the first message must have it");
      if (!writing_ && NextResponse()) {
        writing_ = true;
        lock.unlock();
        StartWrite(&response_);
        lock.lock();
        continue;
      }
      if (!reading_ && !has_request_ && !reads_ended_ && !error_) {
        reading_ = true;
        lock.unlock();
        StartRead(&request_);
        lock.lock();
      }
      MaybeFinish(lock);
    }
    pumping_ = false;
  }

  // Under the lock. False: the channel has no room for it yet.
  bool TakeRequest() {
    switch (request_.body_case()) {
      case v1::ConnectRequest::kOpen:
        TakeOpen();
        return true;
      case v1::ConnectRequest::kData:
        if (!is_begun_) {
          error_ = InvalidField("open", "the first message must have it");
          return true;
        }
        if (request_.data().size() > (is_udp_ ? dispatch::kMaxDatagramBytes : kMaxMessageBytes)) {
          error_ = InvalidField("data", is_udp_ ? "a datagram has at most 65507 bytes" : "a message has at most 1 MiB");
          return true;
        }
        if (!channel_->CallerMaySend()) return channel_->outcome().has_value();
        bytes_from_caller_ += request_.data().size();
        channel_->CallerSend(std::move(*request_.mutable_data()));
        return true;
      case v1::ConnectRequest::kFinish:
        channel_->CallerFinish();
        return true;
      case v1::ConnectRequest::BODY_NOT_SET:
        break;
    }
    error_ = InvalidField("body", "must be one of open, data, finish");
    return true;
  }

  void TakeOpen() {
    if (is_begun_) {
      error_ = InvalidField("open", "comes once, as the first message");
      return;
    }
    ConnectRequest request;
    request.dialer = StripCollection(request_.open().dialer(), KindInfo(Kind::kDialer).collection);
    request.udp = is_udp_ = request_.open().udp();
    if (request.dialer.empty()) {
      error_ = InvalidField("open.dialer", "must be set");
      return;
    }
    if (!request_.open().destination().empty()) {
      auto destination = HostPort::Parse(request_.open().destination());
      if (!destination.ok() || !frontdoor::IsHost(destination->host)) {
        error_ = InvalidField("open.destination", "is not HOST:PORT");
        return;
      }
      request.destination = *std::move(destination);
    }
    is_begun_ = true;
    began_at_ = io::Now();
    audit_ = AuditOf(request_);
    audit_.subject = SubjectText("dialer/" + request.dialer + (request.destination.host.empty() ? "" : " to " + request.destination.ToString()));
    WriteAudit(audit_, caller_, absl::OkStatus());
    supervisor_.Connect(std::move(request), channel_, [weak = weak_from_this()](const absl::Status& status) {
      const auto call = weak.lock();
      if (call == nullptr || status.ok()) return;
      {
        const std::lock_guard lock(call->mutex_);
        call->error_ = status;
      }
      call->Pump();
    });
  }

  // Under the lock: fills response_; false: there is nothing to say.
  bool NextResponse() {
    response_.Clear();
    if (const auto opened = channel_->TakeOpened()) {
      v1::ConnectResponse::Opened& message = *response_.mutable_opened();
      if (!opened->session_id.empty()) message.set_session("sessions/" + opened->session_id);
      *message.mutable_elapsed() = ToProto(opened->elapsed);
      return true;
    }
    std::string data;
    if (channel_->CallerReceive(data)) {
      bytes_to_caller_ += data.size();
      response_.set_data(std::move(data));
      return true;
    }
    if (channel_->TakeFarFinish()) {
      response_.set_finish(true);
      return true;
    }
    return false;
  }

  void MaybeFinish(std::unique_lock<std::mutex>& lock) {
    if (finished_ || writing_) return;
    std::optional<absl::Status> status;
    if (error_) {
      status = *error_;
    } else if (const auto outcome = channel_->outcome()) {
      status = ToStatus(*outcome);
    } else if (is_gone_) {
      status = absl::CancelledError("the caller is gone");
    }
    if (!status || again_) return;
    finished_ = true;
    outcome_ = OutcomeText(*status);
    lock.unlock();
    channel_->CallerAbort();
    Finish(ToGrpcStatus(*status));
    lock.lock();
  }

  Supervisor& supervisor_;
  const Caller caller_;
  std::unique_ptr<StandingCalls::Ticket> standing_;
  const std::shared_ptr<ConnectChannel> channel_ = std::make_shared<ConnectChannel>();
  std::mutex mutex_;  // guards all below
  v1::ConnectRequest request_;    // belongs to gRPC while reading_
  v1::ConnectResponse response_;  // belongs to gRPC while writing_
  std::optional<absl::Status> error_;
  AuditRecord audit_;  // of what has begun
  TimePoint began_at_{};
  uint64_t bytes_from_caller_ = 0;
  uint64_t bytes_to_caller_ = 0;
  std::string outcome_ = "CANCELLED";  // until there is another
  bool is_begun_ = false;
  bool is_udp_ = false;
  bool has_request_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool reads_ended_ = false;
  bool is_gone_ = false;
  bool finished_ = false;
  bool pumping_ = false;
  bool again_ = false;
  std::shared_ptr<ConnectCall> self_;
};

}  // namespace

grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* DialerService::Connect(Call* call) {
  absl::StatusOr<Caller> caller = AdmitTo(*context_.callers, *call, *v1::ConnectRequest::descriptor());
  const auto connect = std::make_shared<ConnectCall>(*context_.supervisor, caller.ok() ? *caller : Caller());
  connect->Begin(caller.ok() ? connect->Stand(context_, *call) : caller.status());
  return connect.get();
}

}  // namespace culvert::server
