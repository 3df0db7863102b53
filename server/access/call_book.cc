#include "server/access/call_book.h"

#include <vector>

#include "server/error_builder.h"

namespace culvert::server {

void CallBook::Add(std::shared_ptr<PendingCall> call) {
  const std::lock_guard lock(mutex_);
  PendingCall* key = call.get();
  calls_.emplace(key, std::move(call));
}

void CallBook::Remove(const std::shared_ptr<PendingCall>& call) {
  const std::lock_guard lock(mutex_);
  calls_.erase(call.get());
}

void CallBook::Expire(TimePoint now) {
  std::vector<std::shared_ptr<PendingCall>> late;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = calls_.begin(); at != calls_.end();) {
      if (at->second->deadline() > now) {
        ++at;
        continue;
      }
      late.push_back(std::move(at->second));
      at = calls_.erase(at);
    }
    Trim(now);
  }
  for (const std::shared_ptr<PendingCall>& call : late) {
    if (call->Claim()) call->Finish(CallTimedOut());
  }
}

size_t CallBook::pending() const {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

CallBook::Found CallBook::Begin(const RequestKey& key, const std::string& digest, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Trim(now);
  if (const auto at = by_key_.find(key); at != by_key_.end()) {
    const Answer& known = *at->second;
    if (known.digest != digest) return {Standing::kOther, ""};
    if (!known.response) return {Standing::kUnderWay, ""};
    return {Standing::kAnswered, *known.response};
  }
  answers_.push_back({key, digest, std::nullopt, now + kAnswerLifetime});
  by_key_.emplace(key, std::prev(answers_.end()));
  return {};
}

void CallBook::End(const RequestKey& key, std::optional<std::string> answer, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto at = by_key_.find(key);
  if (at == by_key_.end()) return;  // pushed out by newer ones
  // A large one is not worth the memory: what is that large (an Apply) does nothing when it is sent again.
  if (!answer || answer->size() > kMaxOneAnswerBytes) return Forget(at->second);
  answer_bytes_ += answer->size();
  at->second->response = std::move(answer);
  Trim(now);
}

void CallBook::Forget(Answers::iterator at) {
  if (at->response) answer_bytes_ -= at->response->size();
  by_key_.erase(at->key);
  answers_.erase(at);
}

void CallBook::Trim(TimePoint now) {
  for (auto at = answers_.begin(); at != answers_.end();) {
    const bool must_go = at->expires <= now || answers_.size() > kMaxAnswers || answer_bytes_ > kMaxAnswerBytes;
    if (!must_go) return;
    const auto next = std::next(at);
    // What is under way is known until it ends, however many there are.
    if (at->response || at->expires <= now) Forget(at);
    at = next;
  }
}

}  // namespace culvert::server
