#include "cli/watch/feed.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/objects/fetch.h"
#include "cli/objects/kind_types.h"
#include "culvert/v1/observe.grpc.pb.h"

namespace culvert::cli {
namespace {

constexpr auto kPollInterval = std::chrono::seconds(1);
constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(2);
constexpr auto kLongestWatch = std::chrono::hours(24 * 7);  // a stream has no natural end; a week is one all the same

std::optional<Resource> SubjectOf(v1::WatchResponse::Change& change) {
  if (change.has_session()) return std::move(*change.mutable_session());
  if (change.has_event()) return std::move(*change.mutable_event());
  const bool is_known = change.has_object() && change.object().kind_case() != v1::Object::KIND_NOT_SET;
  if (is_known) return std::move(*change.mutable_object());
  return std::nullopt;  // of a kind that is newer than we are
}

// What another attempt may mend: the daemon is away, or no longer has what was to be resumed.
bool IsPassing(const grpc::Status& status) {
  return status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::OUT_OF_RANGE;
}

}  // namespace

bool FeedQueue::Push(FeedItem item) {
  const size_t bytes = item.resource ? MessageOf(*item.resource).ByteSizeLong() : 0;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || items_.empty() || (items_.size() < kMaxItems && bytes_ + bytes <= kMaxBytes); });
  if (closed_) return false;
  items_.emplace_back(std::move(item), bytes);
  bytes_ += bytes;
  changed_.notify_all();
  return true;
}

std::optional<FeedItem> FeedQueue::Pop(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return closed_ || !items_.empty(); });
  if (closed_ || items_.empty()) return std::nullopt;
  FeedItem item = std::move(items_.front().first);
  bytes_ -= items_.front().second;
  items_.pop_front();
  changed_.notify_all();
  return item;
}

void FeedQueue::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool FeedQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool FeedQueue::Sleep(Duration time) const {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [this] { return closed_; });
}

bool IsWatched(Kind kind) { return WatchKindOf(kind) != v1::WATCH_KIND_UNSPECIFIED; }

Feed::Feed(Client& client, FeedQueue& queue, Options options)
    : client_(client), queue_(queue), options_(std::move(options)), thread_([this] { Run(); }) {}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (call_) call_->TryCancel();
  }
  thread_.join();
}

void Feed::Run() {
  Duration pause = kFirstPause;
  bool was_ever_there = false;
  bool is_lost = false;
  while (!queue_.closed()) {
    bool was_there = false;
    Outcome ended = IsWatched(options_.kinds[0]) ? Watch(was_there) : Poll(was_there);
    if (queue_.closed()) return;
    was_ever_there = was_ever_there || was_there;
    if (was_there) pause = kFirstPause;
    const bool may_return = !ended || ended->code == ExitCode::kUnreachable;
    if (!may_return || !options_.reconnect || !was_ever_there) {
      if (!ended) ended = Fail(ExitCode::kUnreachable, "culvertd ended the stream");
      queue_.Push({.type = FeedItem::Type::kFailed, .failure = std::move(ended)});
      return;
    }
    if (was_there || !is_lost) {
      const std::string why = ended && !ended->faults.empty() ? ended->faults[0] : "culvertd ended the stream";
      queue_.Push({.type = FeedItem::Type::kRemark, .remark = why + "; trying again"});
      is_lost = true;
    }
    if (!queue_.Sleep(pause)) return;
    pause = std::min<Duration>(2 * pause, kLongestPause);
  }
}

grpc::ClientContext* Feed::NewCall() {
  const std::lock_guard lock(mutex_);
  call_ = std::make_unique<grpc::ClientContext>();
  Client::SetDeadline(*call_, kLongestWatch);
  if (stopped_) call_->TryCancel();
  return call_.get();
}

Outcome Feed::Watch(bool& was_there) {
  v1::WatchRequest request;
  for (const Kind kind : options_.kinds) request.add_kinds(WatchKindOf(kind));
  request.set_filter(options_.filter);
  const auto stub = v1::ObserveService::NewStub(client_.channel());
  const auto reader = stub->Watch(NewCall(), request);
  v1::WatchResponse response;
  bool go_on = true;
  while (go_on && reader->Read(&response)) {
    if (!std::exchange(was_there, true)) go_on = queue_.Push({.type = FeedItem::Type::kBeginLook, .kinds = options_.kinds});
    go_on = go_on && Take(response);
  }
  if (!go_on) call_->TryCancel();
  const grpc::Status status = reader->Finish();
  // A status that is passing is one of being unreachable, whatever the daemon calls it.
  Outcome ended;
  if (!status.ok()) ended = client_.Explain(status);
  if (ended && IsPassing(status)) ended->code = ExitCode::kUnreachable;
  return ended;
}

bool Feed::Take(v1::WatchResponse& response) {
  if (response.has_bookmark()) {
    return !response.bookmark().snapshot_complete() || queue_.Push({.type = FeedItem::Type::kEndLook, .kinds = options_.kinds});
  }
  if (!response.has_change()) return true;  // closing: the end of the stream says the rest
  std::optional<Resource> subject = SubjectOf(*response.mutable_change());
  if (!subject) return true;
  const bool is_gone = response.change().type() == v1::WatchResponse::Change::TYPE_DELETED;
  return queue_.Push({.type = is_gone ? FeedItem::Type::kRemove : FeedItem::Type::kPut, .resource = std::move(subject)});
}

Outcome Feed::Poll(bool& was_there) {
  while (true) {
    std::vector<Resource> all;
    uint64_t missed = 0;
    for (const Kind kind : options_.kinds) {
      if (Outcome failed = List(client_, kind, {.filter = options_.filter}, all, missed)) return failed;
    }
    was_there = true;
    if (!queue_.Push({.type = FeedItem::Type::kBeginLook, .kinds = options_.kinds})) return std::nullopt;
    for (Resource& one : all) {
      if (!queue_.Push({.type = FeedItem::Type::kPut, .resource = std::move(one)})) return std::nullopt;
    }
    if (!queue_.Push({.type = FeedItem::Type::kEndLook, .kinds = options_.kinds})) return std::nullopt;
    if (!queue_.Sleep(kPollInterval)) return std::nullopt;
  }
}

}  // namespace culvert::cli
