#include "server/access/call_book.h"

#include <vector>

#include "server/error_builder.h"

namespace culvert::server {

bool CallBook::Add(std::shared_ptr<PendingCall> call, const std::string& principal) {
  const std::lock_guard lock(mutex_);
  size_t& of_caller = pending_of_[principal];
  if (of_caller >= kMaxPendingOfOneCaller) return false;
  ++of_caller;
  PendingCall* key = call.get();
  calls_.emplace(key, Pending{std::move(call), principal});
  return true;
}

CallBook::Calls::iterator CallBook::Drop(Calls::iterator at) {
  if (const auto of_caller = pending_of_.find(at->second.principal); --of_caller->second == 0) pending_of_.erase(of_caller);
  return calls_.erase(at);
}

void CallBook::Remove(const std::shared_ptr<PendingCall>& call) {
  const std::lock_guard lock(mutex_);
  if (const auto at = calls_.find(call.get()); at != calls_.end()) Drop(at);
}

void CallBook::Expire(TimePoint now) {
  std::vector<std::shared_ptr<PendingCall>> late;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = calls_.begin(); at != calls_.end();) {
      if (at->second.call->deadline() > now) {
        ++at;
        continue;
      }
      late.push_back(std::move(at->second.call));
      at = Drop(at);
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
  ++shares_[key.principal].answers;
  TrimShare(key.principal);
  return {};
}

void CallBook::End(const RequestKey& key, std::optional<std::string> answer, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto at = by_key_.find(key);
  if (at == by_key_.end()) return;  // pushed out by newer ones
  // A large one is not worth the memory: what is that large (an Apply) does nothing when it is sent again.
  if (!answer || answer->size() > kMaxOneAnswerBytes) return Forget(at->second);
  answer_bytes_ += answer->size();
  shares_[key.principal].bytes += answer->size();
  at->second->response = std::move(answer);
  TrimShare(key.principal);
  Trim(now);
}

void CallBook::Forget(Answers::iterator at) {
  const size_t bytes = at->response ? at->response->size() : 0;
  answer_bytes_ -= bytes;
  const auto share = shares_.find(at->key.principal);
  share->second.bytes -= bytes;
  if (--share->second.answers == 0) shares_.erase(share);
  by_key_.erase(at->key);
  answers_.erase(at);
}

void CallBook::TrimShare(const std::string& principal) {
  for (auto at = answers_.begin(); at != answers_.end();) {
    const auto share = shares_.find(principal);
    const bool has_too_much =
        share != shares_.end() && (share->second.answers > kMaxAnswersOfOneCaller || share->second.bytes > kMaxAnswerBytesOfOneCaller);
    if (!has_too_much) return;
    const auto next = std::next(at);
    if (at->key.principal == principal && at->response) Forget(at);
    at = next;
  }
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
