// SessionCounts: how many sessions an object has on all workers together, for limits that a user sets for the whole. It is the
// one thing that workers share, and they touch it when a session begins or ends, never on the data path.
// Thread: any. A limit checked against a count may be exceeded by one session for each other worker that admits at that moment.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "server/config.h"

namespace culvert::server {

class SessionCounts {
 public:
  using Count = std::shared_ptr<std::atomic<uint64_t>>;

  // The count of one object of one kind, the same for all workers; it is forgotten with its last user.
  Count For(const std::string& kind, const ObjectId& id) {
    const std::lock_guard lock(mutex_);
    std::erase_if(counts_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<std::atomic<uint64_t>>& known = counts_[{kind, id.name, id.incarnation}];
    Count count = known.lock();
    if (count == nullptr) known = count = std::make_shared<std::atomic<uint64_t>>(0);
    return count;
  }

 private:
  std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, uint64_t>, std::weak_ptr<std::atomic<uint64_t>>> counts_;
};

}  // namespace culvert::server
