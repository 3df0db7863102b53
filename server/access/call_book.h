// CallBook: the unary calls under way, so that each is answered in time whatever becomes of what it waits for (reliability.md T53),
// and the answers of the last minutes to requests with an id, so that a request that is sent again does nothing again (T58).
// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "core/base/time.h"

namespace culvert::server {

// One call. It is answered once: by its handler or, when that takes too long, by Expire.
class PendingCall {
 public:
  explicit PendingCall(TimePoint deadline, std::function<void(absl::Status)> finish) : deadline_(deadline), finish_(std::move(finish)) {}

  // Whether the caller of this may answer now, and nobody else.
  [[nodiscard]] bool Claim() { return !is_claimed_.exchange(true); }
  // REQUIRES: claimed.
  void Finish(absl::Status status) { finish_(std::move(status)); }
  TimePoint deadline() const { return deadline_; }

 private:
  std::atomic<bool> is_claimed_{false};
  const TimePoint deadline_;
  const std::function<void(absl::Status)> finish_;
};

class CallBook {
 public:
  // A unary call gets an answer by then, whatever its client's deadline.
  static constexpr Duration kCallTimeout = std::chrono::seconds(30);
  // How long a request id is known, and how many at a time; when there are more the oldest are forgotten.
  static constexpr Duration kAnswerLifetime = std::chrono::minutes(10);
  static constexpr size_t kMaxAnswers = 4096;
  static constexpr size_t kMaxAnswerBytes = 16 << 20;  // of all of them
  static constexpr size_t kMaxOneAnswerBytes = 1 << 20;
  // Of one caller: beyond, the oldest of its own are forgotten, so that nobody pushes out what others may still ask for.
  static constexpr size_t kMaxAnswersOfOneCaller = kMaxAnswers / 4;
  static constexpr size_t kMaxAnswerBytesOfOneCaller = kMaxAnswerBytes / 4;

  CallBook() = default;
  CallBook(const CallBook&) = delete;
  CallBook& operator=(const CallBook&) = delete;

  // Of one caller: half of the changes that may wait (supervisor.h), so that there is room for another's.
  static constexpr size_t kMaxPendingOfOneCaller = 128;

  // False, and no effect: the caller has too many under way.
  [[nodiscard]] bool Add(std::shared_ptr<PendingCall> call, const std::string& principal);
  void Remove(const std::shared_ptr<PendingCall>& call);
  // Answers what is late with DEADLINE_EXCEEDED. Called every second or so.
  void Expire(TimePoint now);
  [[nodiscard]] size_t pending() const;

  // A request with an id, of one caller.
  struct RequestKey {
    std::string principal;
    std::string id;
    friend auto operator<=>(const RequestKey&, const RequestKey&) = default;
  };
  enum class Standing : uint8_t {
    kNew,       // now under way: End must follow
    kUnderWay,  // the same is being done
    kAnswered,  // see the answer
    kOther,     // the id was used with another request
  };
  struct Found {
    Standing standing = Standing::kNew;
    std::string answer;  // kAnswered: the encoded response
  };
  // `digest` is of the whole request.
  Found Begin(const RequestKey& key, const std::string& digest, TimePoint now);
  // nullopt: it failed, and may be tried again under its id.
  void End(const RequestKey& key, std::optional<std::string> answer, TimePoint now);

 private:
  struct Answer {
    RequestKey key;
    std::string digest;
    std::optional<std::string> response;  // nullopt: under way
    TimePoint expires{};
  };
  using Answers = std::list<Answer>;
  void Forget(Answers::iterator at);
  void Trim(TimePoint now);
  void TrimShare(const std::string& principal);

  mutable std::mutex mutex_;
  struct Pending {
    std::shared_ptr<PendingCall> call;
    std::string principal;
  };
  using Calls = std::map<PendingCall*, Pending>;
  Calls::iterator Drop(Calls::iterator at);

  Calls calls_;  // guarded by mutex_, like all below
  std::map<std::string, size_t> pending_of_;                    // by principal; none with 0
  Answers answers_;                                             // in the order of their beginning
  std::map<RequestKey, Answers::iterator> by_key_;
  size_t answer_bytes_ = 0;
  struct Share {
    size_t answers = 0;
    size_t bytes = 0;
  };
  std::map<std::string, Share> shares_;  // by principal; none with 0 answers
};

}  // namespace culvert::server
