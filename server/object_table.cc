#include "server/object_table.h"

#include <set>
#include <utility>

#include "server/message_walk.h"

namespace culvert::server {

EntryPtr ObjectTable::Find(const ObjectKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second;
}

void ObjectTable::Put(EntryPtr entry) {
  const ObjectKey key = KeyOf(entry->object);
  entries_[key] = std::move(entry);
}

size_t ObjectTable::CountOf(Kind kind) const {
  size_t count = 0;
  for (auto at = entries_.lower_bound({kind, ""}); at != entries_.end() && at->first.kind == kind; ++at) ++count;
  return count;
}

std::vector<EntryPtr> ObjectTable::OfKind(Kind kind) const {
  std::vector<EntryPtr> found;
  for (auto at = entries_.lower_bound({kind, ""}); at != entries_.end() && at->first.kind == kind; ++at) {
    found.push_back(at->second);
  }
  return found;
}

std::vector<ObjectKey> ObjectTable::ReferrersOf(const ObjectKey& key) const {
  std::vector<ObjectKey> referrers;
  for (const EntryPtr& entry : OfKind(Kind::kForward)) {
    const v1::ForwardSpec& spec = entry->object.forward().spec();
    const bool refers = key.kind == Kind::kListener
                            ? spec.listener() == key.name || spec.reverse_listener() == key.name
                            : key.kind == Kind::kDialer && spec.dialer() == key.name;
    if (refers) referrers.push_back(KeyOf(entry->object));
  }
  return referrers;
}

std::map<ObjectKey, std::vector<ObjectKey>> ObjectTable::Referrers() const {
  std::map<ObjectKey, std::vector<ObjectKey>> referrers;
  for (const EntryPtr& entry : OfKind(Kind::kForward)) {
    const v1::ForwardSpec& spec = entry->object.forward().spec();
    const ObjectKey forward = KeyOf(entry->object);
    for (const std::string& listener : std::set<std::string>{spec.listener(), spec.reverse_listener()}) {
      if (!listener.empty()) referrers[{Kind::kListener, listener}].push_back(forward);
    }
    if (!spec.dialer().empty()) referrers[{Kind::kDialer, spec.dialer()}].push_back(forward);
  }
  return referrers;
}

bool IsInsecure(const Entry& entry) {
  if (entry.tls != nullptr) return entry.object.has_dialer() && entry.object.dialer().spec().insecure();
  return entry.kcp != nullptr && entry.kcp->is_unkeyed();
}

v1::Object RedactedObject(const Entry& entry) {
  v1::Object object = entry.object;
  RedactSecrets(object);
  return object;
}

}  // namespace culvert::server
