#include "core/tls/session_cache.h"

#include "core/tls/session_cache_impl.h"

namespace culvert::tls {

void SessionCache::Impl::Put(std::string key, bssl::UniquePtr<SSL_SESSION> session) {
  if (capacity == 0) return;
  if (tickets.size() == capacity) tickets.pop_front();
  tickets.push_back({std::move(key), std::move(session)});
}

bssl::UniquePtr<SSL_SESSION> SessionCache::Impl::Take(std::string_view key) {
  for (size_t i = tickets.size(); i-- > 0;) {
    if (tickets[i].key != key) continue;
    bssl::UniquePtr<SSL_SESSION> session = std::move(tickets[i].session);
    tickets.erase(tickets.begin() + static_cast<std::ptrdiff_t>(i));
    return session;
  }
  return nullptr;
}

SessionCache::SessionCache(size_t capacity) : impl_(std::make_unique<Impl>()) { impl_->capacity = capacity; }
SessionCache::~SessionCache() = default;

void SessionCache::Clear() { impl_->tickets.clear(); }

size_t SessionCache::size() const { return impl_->tickets.size(); }

}  // namespace culvert::tls
