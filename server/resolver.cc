#include "server/resolver.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "core/io/name_lookup.h"

namespace culvert::server {

struct Resolver::State {
  struct Cached {
    Addresses addresses;
    TimePoint good_until{};
  };

  Options options;  // not changed after construction
  std::mutex mutex;
  std::condition_variable work_or_stop;
  bool is_stopping = false;                                         // the rest is guarded by mutex
  std::deque<std::string> names;                                    // to be looked up
  std::unordered_map<std::string, std::vector<Callback>> waiting;   // by name: queued, or being looked up
  std::unordered_map<std::string, Cached> cache;
  std::vector<bool> is_busy;                                        // by thread
};

Resolver::Resolver(Options options) : state_(std::make_shared<State>()) {
  if (!options.lookup) options.lookup = io::LookUpHost;
  if (!options.clock) options.clock = io::Now;
  state_->options = std::move(options);
  state_->is_busy.resize(state_->options.threads);
  for (size_t i = 0; i < state_->options.threads; ++i) {
    threads_.emplace_back([state = state_, i] { RunThread(state, i); });
  }
}

Resolver::~Resolver() {
  std::vector<bool> is_busy;
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_stopping = true;
    is_busy = state_->is_busy;
  }
  state_->work_or_stop.notify_all();
  for (size_t i = 0; i < threads_.size(); ++i) {
    // A name server that does not answer must not hold up our end by half a minute.
    if (is_busy[i]) {
      threads_[i].detach();
    } else {
      threads_[i].join();
    }
  }
}

std::optional<Resolver::Addresses> Resolver::ResolveNow(const std::string& host, Duration max_age) {
  if (const auto address = IpAddress::Parse(host); address.ok()) return Addresses{*address};
  const TimePoint now = state_->options.clock();
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->cache.find(host);
  if (found == state_->cache.end()) return std::nullopt;
  if (now >= found->second.good_until) {
    state_->cache.erase(found);
    return std::nullopt;
  }
  const TimePoint looked_up_at = found->second.good_until - state_->options.cache_time;
  if (now - looked_up_at > max_age) return std::nullopt;
  return found->second.addresses;
}

bool Resolver::Resolve(const std::string& host, Callback done) {
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->waiting.find(host);
    if (found != state_->waiting.end()) {
      found->second.push_back(std::move(done));
      return true;
    }
    if (state_->waiting.size() >= state_->options.max_waiting_names) return false;
    state_->waiting[host].push_back(std::move(done));
    state_->names.push_back(host);
  }
  state_->work_or_stop.notify_one();
  return true;
}

void Resolver::RunThread(const std::shared_ptr<State>& state, size_t index) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->work_or_stop.wait(lock, [&state] { return state->is_stopping || !state->names.empty(); });
    if (state->is_stopping) return;
    const std::string name = std::move(state->names.front());
    state->names.pop_front();
    state->is_busy[index] = true;

    lock.unlock();
    const absl::StatusOr<Addresses> answer = state->options.lookup(name);
    const TimePoint now = state->options.clock();
    lock.lock();

    if (state->is_stopping) return;
    const std::vector<Callback> callbacks = std::move(state->waiting[name]);
    state->waiting.erase(name);
    if (answer.ok()) {
      // A full cache starts anew: which names are asked for changes rarely, and an attacker cannot choose them.
      if (state->cache.size() >= state->options.max_cached_names) state->cache.clear();
      state->cache[name] = {*answer, now + state->options.cache_time};
    }
    // Under the lock, so that none comes after the destructor has begun. They only post to a mailbox.
    for (const Callback& callback : callbacks) callback(answer);
    state->is_busy[index] = false;
  }
}

}  // namespace culvert::server
