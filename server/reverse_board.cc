#include "server/reverse_board.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/worker_context.h"

namespace culvert::server {

class ReverseBoard::Offered final : private StreamObserver {
 public:
  Offered(ReverseBoard& board, std::string name, uint64_t session, SessionStream stream)
      : board_(board), name_(std::move(name)), session_(session), stream_(std::move(stream)) {
    stream_.stream->set_observer(this);
  }
  ~Offered() {
    if (stream_.stream) stream_.stream->set_observer(nullptr);
  }
  SessionStream Release() {
    stream_.stream->set_observer(nullptr);
    return std::move(stream_);
  }
  // Whoever offered it has taken it back, or speaks out of turn.
  [[nodiscard]] bool IsOver() {
    if (stream_.stream->IsBroken()) return true;
    ByteView view;
    if (stream_.stream->Peek(1, std::span(&view, 1)) > 0) {
      stream_.stream->Consume(0);
      return true;
    }
    return stream_.stream->AtEnd();
  }

 private:
  void OnStreamReady() override {
    if (IsOver()) board_.Remove(name_, session_, this);  // destroys it
  }

  ReverseBoard& board_;
  const std::string name_;
  const uint64_t session_;
  SessionStream stream_;
};

ReverseBoard::Waiter::Waiter(ReverseBoard& board, std::string name, Owner& owner)
    : board_(board), name_(std::move(name)), owner_(owner) {
  place_ = board_.waiting_.insert(board_.waiting_.end(), this);
}

ReverseBoard::Waiter::~Waiter() {
  board_.waiting_.erase(place_);
  // It may have been told of an offer that it did not take, or there may be more.
  board_.WakeNext(name_);
}

ReverseBoard::ReverseBoard(WorkerContext& context) : context_(context) {}

ReverseBoard::~ReverseBoard() = default;

const SessionCounts::Count& ReverseBoard::CountFor(const std::string& name, uint32_t worker) const {
  SessionCounts::Count& count = counts_[{name, worker}];
  if (count == nullptr) count = context_.session_counts->For("reverse", {name, worker});
  return count;
}

ReverseBoard::Name& ReverseBoard::At(const std::string& name) {
  Name& entry = names_[name];
  if (entry.everywhere == nullptr) entry.everywhere = CountFor(name, context_.index);
  return entry;
}

bool ReverseBoard::Offer(const std::string& name, SessionStream stream) {
  Name& entry = At(name);
  if (entry.count >= kMaxOffers) return false;
  const uint64_t session = stream.session.packed();
  entry.sessions[session].push_back(std::make_unique<Offered>(*this, name, session, std::move(stream)));
  ++entry.count;
  entry.everywhere->store(entry.count, std::memory_order_relaxed);
  WakeNext(name);
  return true;
}

void ReverseBoard::WakeNext(const std::string& name) {
  if (CountOf(name) == 0) return;
  for (Waiter* waiter : waiting_) {
    if (waiter->name_ != name) continue;
    waiter->owner_.OnOffered();  // it takes it a moment later
    return;
  }
}

std::optional<SessionStream> ReverseBoard::Take(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  Name& entry = found->second;
  while (entry.count > 0) {
    auto next = entry.sessions.upper_bound(entry.last_session);
    if (next == entry.sessions.end()) next = entry.sessions.begin();
    entry.last_session = next->first;
    std::unique_ptr<Offered> offered = std::move(next->second.front());
    next->second.pop_front();
    if (next->second.empty()) entry.sessions.erase(next);
    --entry.count;
    entry.everywhere->store(entry.count, std::memory_order_relaxed);
    if (!offered->IsOver()) return offered->Release();
  }
  return std::nullopt;
}

size_t ReverseBoard::CountOf(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? 0 : found->second.count;
}

std::optional<uint32_t> ReverseBoard::WorkerWithOffers(const std::string& name, uint32_t workers) const {
  if (CountOf(name) > 0) return std::nullopt;
  std::optional<uint32_t> best;
  uint64_t most = 0;
  for (uint32_t worker = 0; worker < workers; ++worker) {
    if (worker == context_.index) continue;
    const uint64_t count = CountFor(name, worker)->load(std::memory_order_relaxed);
    if (count > most) {
      most = count;
      best = worker;
    }
  }
  return best;
}

void ReverseBoard::Remove(const std::string& name, uint64_t session, const Offered* offered) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  const auto queue = found->second.sessions.find(session);
  if (queue == found->second.sessions.end()) return;
  const auto at = std::ranges::find_if(queue->second, [&](const auto& one) { return one.get() == offered; });
  if (at == queue->second.end()) return;
  --found->second.count;
  found->second.everywhere->store(found->second.count, std::memory_order_relaxed);
  const std::unique_ptr<Offered> last = std::move(*at);
  queue->second.erase(at);
  if (queue->second.empty()) found->second.sessions.erase(queue);
}

void ReverseBoard::EndAll(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  std::erase_if(counts_, [&](const auto& entry) { return entry.first.first == name && entry.first.second != context_.index; });
  found->second.sessions.clear();
  found->second.count = 0;
  found->second.everywhere->store(0, std::memory_order_relaxed);
}

}  // namespace culvert::server
