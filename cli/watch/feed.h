// Feeds: what changes, as it changes, for views that go on. A feed runs on a thread of its own and puts what it finds into a queue
// that the view empties. Declared kinds, sessions and events are watched; streams and UDP flows, which the API does not watch, are
// looked at once a second.
// A feed survives a daemon that restarts or forgets, unless it is told not to: it says so in the queue and looks at all again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/objects/kinds.h"
#include "cli/objects/resource.h"
#include "cli/target/client.h"
#include "grpcpp/client_context.h"

namespace culvert::cli {

struct FeedItem {
  enum class Type : uint8_t {
    kBeginLook,  // everything there is of `kinds` comes now as kPut, until
    kEndLook,
    kPut,
    kRemove,
    kRemark,  // something to tell who looks
    kFailed,  // the last one
  };
  Type type = Type::kPut;
  std::vector<Kind> kinds;
  std::optional<Resource> resource;
  std::string remark;
  Outcome failure;
};

// Between feeds and their view. A view that is slow holds the feeds back, and they the daemon, which conflates. Thread: any.
class FeedQueue {
 public:
  // Waits for room. false: closed, nothing more is wanted.
  bool Push(FeedItem item);
  // Waits until something comes, at most until `deadline`. nullopt: nothing came, or closed.
  std::optional<FeedItem> Pop(std::chrono::steady_clock::time_point deadline);
  void Close();
  [[nodiscard]] bool closed() const;
  // Waits that long. false: closed meanwhile.
  bool Sleep(Duration time) const;

 private:
  static constexpr size_t kMaxItems = 1024;
  static constexpr size_t kMaxBytes = 4u << 20;  // of messages; one may be larger
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<std::pair<FeedItem, size_t>> items_;  // with the bytes of each
  size_t bytes_ = 0;
  bool closed_ = false;
};

// Whether the API watches the kind.
bool IsWatched(Kind kind);

class Feed {
 public:
  struct Options {
    std::vector<Kind> kinds;  // all watched, or none
    std::string filter;
    bool reconnect = true;
  };
  // REQUIRES: client.Connect() went well. `client` and `queue` outlive the feed.
  Feed(Client& client, FeedQueue& queue, Options options);
  // Ends the call that is under way. REQUIRES: the queue is closed.
  ~Feed();

 private:
  void Run();
  // One stream or look after another until one fails; what ended it.
  Outcome Watch(bool& was_there);
  Outcome Poll(bool& was_there);
  bool Take(v1::WatchResponse& response);
  grpc::ClientContext* NewCall();

  Client& client_;
  FeedQueue& queue_;
  const Options options_;
  std::mutex mutex_;
  std::unique_ptr<grpc::ClientContext> call_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace culvert::cli
