// WriteStream: the part of a server stream that is easy to get wrong, written once. Messages are asked for one at a time, when
// the one before is on its way; the stream is finished exactly once; the object lives until gRPC is done with it and
// nobody else holds it.
// Thread: Poke, End and gRPC's reactions from any thread; Next is never called twice at a time.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "server/access/standing_calls.h"
#include "server/services/service_context.h"
#include "server/status_mapping.h"

namespace culvert::server {

template <typename Response>
class WriteStream : public grpc::ServerWriteReactor<Response>,
                    public std::enable_shared_from_this<WriteStream<Response>> {
 public:
  // After construction, before the handler returns.
  void KeepAlive(grpc::CallbackServerContext* call) {
    self_ = this->shared_from_this();
    call_ = call;
  }

  // After KeepAlive, of a stream that was admitted with a message of `request`: it ends when its caller loses the role for it.
  // Errors: the caller has lost it already.
  absl::Status Stand(const ServiceContext& context, const google::protobuf::Descriptor& request) {
    auto ticket = context.standing->Enter(*context.callers, *call_, request, [weak = this->weak_from_this()](absl::Status why) {
      if (const auto stream = weak.lock()) stream->End(std::move(why), /*discard=*/true);
    });
    if (ticket.ok()) standing_ = *std::move(ticket);
    return ticket.status();
  }
  // There may be something for Next to give.
  void Poke() { Pump(); }
  // Ends a stream that is ended already, but waits for a message that its reader does not take.
  void Cancel() {
    const std::lock_guard lock(mutex_);
    if (writing_ && !finished_ && !done_) call_->TryCancel();
  }
  // Finishes with `status` after what Next still has, or at once when `discard`.
  void End(absl::Status status, bool discard) {
    {
      const std::lock_guard lock(mutex_);
      if (!end_) end_ = std::move(status);
      discard_ = discard_ || discard;
    }
    Pump();
  }

 protected:
  // Fills the next message; false: there is none now.
  virtual bool Next(Response& message) = 0;
  // gRPC is done with the stream: the reader is gone or it was finished.
  virtual void OnGone() = 0;

 private:
  // One thread at a time runs the loop, and outside the lock it only calls gRPC and Next: a reaction that gRPC runs right
  // away on the same thread finds `pumping_` or `writing_` set and leaves the work to us.
  void Pump() {
    const auto keep = this->shared_from_this();  // after Finish gRPC may let go of us at any moment
    std::unique_lock lock(mutex_);
    again_ = true;
    if (pumping_) return;
    pumping_ = true;
    while (again_) {
      again_ = false;
      if (writing_ || finished_) continue;
      if (!discard_) {
        lock.unlock();
        message_.Clear();
        const bool has_message = Next(message_);
        lock.lock();
        if (has_message) {
          writing_ = true;
          lock.unlock();
          this->StartWrite(&message_);
          lock.lock();
          continue;
        }
        if (again_) continue;  // something came while we looked
      }
      if (end_) {
        finished_ = true;
        lock.unlock();
        this->Finish(ToGrpcStatus(*end_));
        lock.lock();
      }
    }
    pumping_ = false;
  }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (!ok) {
        discard_ = true;
        if (!end_) end_ = absl::OkStatus();  // nobody reads it any more
      }
    }
    Pump();
  }
  void OnCancel() override { End(absl::OkStatus(), /*discard=*/true); }
  void OnDone() override {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    standing_ = nullptr;
    OnGone();
    const std::shared_ptr<WriteStream> last = std::move(self_);  // the object may end with this line
  }

  std::mutex mutex_;
  Response message_;              // belongs to gRPC while writing_, to Pump else
  std::optional<absl::Status> end_;  // set once, then constant
  bool discard_ = false;
  bool writing_ = false;
  bool finished_ = false;
  bool done_ = false;  // gRPC's call is gone
  bool pumping_ = false;
  bool again_ = false;
  grpc::CallbackServerContext* call_ = nullptr;
  std::unique_ptr<StandingCalls::Ticket> standing_;
  std::shared_ptr<WriteStream> self_;
};

}  // namespace culvert::server
