// ObserveService.Watch: one reader's stream. What it is given are records that all readers share; they are made messages and filtered
// here, on gRPC's threads.
#include <google/protobuf/util/time_util.h>

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "core/base/status_macros.h"
#include "server/access/admission.h"
#include "server/error_builder.h"
#include "server/query/filter.h"
#include "server/services/observe_service.h"
#include "server/services/stream_reactor.h"
#include "server/stats_proto.h"
#include "server/supervisor.h"
#include "server/watch/watch_hub.h"

namespace culvert::server {
namespace {

using Change = v1::WatchResponse::Change;

constexpr Duration kDefaultBookmarkInterval = std::chrono::seconds(30);
constexpr Duration kRetryAfter = std::chrono::seconds(1);

const google::protobuf::Descriptor& TypeOf(v1::WatchKind kind) {
  switch (kind) {
    case v1::WATCH_KIND_DIALER: return *v1::Dialer::descriptor();
    case v1::WATCH_KIND_FORWARD: return *v1::Forward::descriptor();
    case v1::WATCH_KIND_SESSION: return *v1::Session::descriptor();
    case v1::WATCH_KIND_EVENT: return *v1::Event::descriptor();
    default: return *v1::Listener::descriptor();
  }
}

v1::WatchKind KindOf(const WatchedSubject& subject) {
  switch (subject.subject_case()) {
    case WatchedSubject::kSession: return v1::WATCH_KIND_SESSION;
    case WatchedSubject::kEvent: return v1::WATCH_KIND_EVENT;
    default: break;
  }
  if (subject.object().has_dialer()) return v1::WATCH_KIND_DIALER;
  return subject.object().has_forward() ? v1::WATCH_KIND_FORWARD : v1::WATCH_KIND_LISTENER;
}

const google::protobuf::Message& BodyOf(const WatchedSubject& subject) {
  switch (subject.subject_case()) {
    case WatchedSubject::kSession: return subject.session();
    case WatchedSubject::kEvent: return subject.event();
    default: return server::BodyOf(subject.object());
  }
}

class WatchStream final : public WriteStream<v1::WatchResponse>, public WatchReader {
 public:
  explicit WatchStream(WatchHub& hub) : hub_(hub) {}

  // Before Begin. Errors: INVALID_ARGUMENT.
  absl::Status Parse(const v1::WatchRequest& request) {
    for (const int kind : request.kinds()) {
      if (!v1::WatchKind_IsValid(kind) || kind == v1::WATCH_KIND_UNSPECIFIED) {
        return InvalidField("kinds", std::to_string(kind) + " is no kind that can be watched");
      }
      hub_request_.kinds |= 1u << static_cast<unsigned>(kind);
    }
    if (hub_request_.kinds == 0) {
      for (const v1::WatchKind kind : {v1::WATCH_KIND_LISTENER, v1::WATCH_KIND_DIALER, v1::WATCH_KIND_FORWARD}) {
        hub_request_.kinds |= 1u << static_cast<unsigned>(kind);
      }
    }
    if (request.resume_revision() < 0) return InvalidField("resume_revision", "must not be negative");
    hub_request_.resume_revision = request.resume_revision();
    hub_request_.bookmark_interval =
        request.has_bookmark_interval() ? Duration(google::protobuf::util::TimeUtil::DurationToNanoseconds(request.bookmark_interval()))
                                        : kDefaultBookmarkInterval;
    if (request.filter().empty()) return absl::OkStatus();
    for (int kind = v1::WatchKind_MIN; kind <= v1::WatchKind_MAX; ++kind) {
      if ((hub_request_.kinds >> kind & 1) == 0) continue;
      const auto watched = static_cast<v1::WatchKind>(kind);
      CULVERT_ASSIGN_OR_RETURN(filters_[watched], Filter::Parse(request.filter(), TypeOf(watched)));
    }
    return absl::OkStatus();
  }

  void Begin() { hub_.Add(Self(), hub_request_); }

  void OnItems(std::vector<WatchItem> items) override {
    {
      const std::lock_guard lock(mutex_);
      for (WatchItem& item : items) items_.push_back(std::move(item));
      has_pulled_ = false;
    }
    Poke();
  }
  void OnEnd(absl::Status why, const std::string& closing) override {
    const bool is_failure = closing.empty();
    if (!is_failure) {
      const std::lock_guard lock(mutex_);
      items_.clear();
      closing_ = closing;
    }
    End(is_failure ? std::move(why) : absl::OkStatus(), /*discard=*/is_failure);
  }
  void OnStuck() override { Cancel(); }

 private:
  std::shared_ptr<WatchReader> Self() { return std::static_pointer_cast<WatchStream>(shared_from_this()); }

  bool Next(v1::WatchResponse& message) override {
    std::unique_lock lock(mutex_);
    if (closing_) {
      message.mutable_closing()->set_reason(*std::exchange(closing_, std::nullopt));
      *message.mutable_closing()->mutable_retry_after() = ToProto(kRetryAfter);
      has_closed_ = true;
      return true;
    }
    if (has_closed_) return false;
    while (!items_.empty()) {
      const WatchItem item = std::move(items_.front());
      items_.pop_front();
      lock.unlock();
      if (Fill(item, message)) return true;
      lock.lock();
    }
    const bool pulls = !std::exchange(has_pulled_, true);
    lock.unlock();
    if (pulls) hub_.Pull(Self());
    return false;
  }

  bool Matches(const WatchedSubject& subject) const {
    if (filters_.empty()) return true;
    const auto filter = filters_.find(KindOf(subject));
    return filter != filters_.end() && filter->second.Matches(BodyOf(subject));
  }

  // False: it is not for this reader; `message` is anything then.
  bool Fill(const WatchItem& item, v1::WatchResponse& message) const {
    message.set_revision(item.revision);
    switch (item.kind) {
      case WatchItem::Kind::kSnapshotComplete: message.mutable_bookmark()->set_snapshot_complete(true); return true;
      case WatchItem::Kind::kBookmark: message.mutable_bookmark(); return true;
      case WatchItem::Kind::kInitial:
        item.subject->ReadInto(*message.mutable_change());
        if (!Matches(message.change())) return false;
        message.mutable_change()->set_type(Change::TYPE_ADDED);
        message.mutable_change()->set_initial(true);
        return true;
      case WatchItem::Kind::kChange: break;
    }
    const WatchRecord& record = *item.record;
    record.subject->ReadInto(*message.mutable_change());
    const bool matched = record.before != nullptr && (filters_.empty() || Matches(record.before->Read()));
    const bool matches = !record.is_gone && Matches(message.change());
    if (!matched && !matches) return false;
    message.mutable_change()->set_type(!matches ? Change::TYPE_DELETED : matched ? Change::TYPE_MODIFIED : Change::TYPE_ADDED);
    return true;
  }

  void OnGone() override { hub_.Remove(Self()); }

  WatchHub& hub_;
  WatchHub::Request hub_request_;
  std::map<v1::WatchKind, Filter> filters_;  // empty: everything matches
  std::mutex mutex_;
  std::deque<WatchItem> items_;         // guarded by mutex_, like all below
  std::optional<std::string> closing_;  // to be said
  bool has_closed_ = false;
  bool has_pulled_ = true;  // being added is asking for more
};

}  // namespace

grpc::ServerWriteReactor<v1::WatchResponse>* ObserveService::Watch(grpc::CallbackServerContext* call, const v1::WatchRequest* request) {
  const auto stream = std::make_shared<WatchStream>(context_.supervisor->watches());
  stream->KeepAlive(call);
  absl::Status fault = Admit(*context_.callers, *call, *request).status();
  if (fault.ok()) fault = stream->Stand(context_, *request->GetDescriptor());
  if (fault.ok()) fault = stream->Parse(*request);
  if (fault.ok()) {
    stream->Begin();
  } else {
    stream->OnEnd(std::move(fault), "");
  }
  return stream.get();
}

}  // namespace culvert::server
