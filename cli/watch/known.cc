#include "cli/watch/known.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"

namespace culvert::cli {
namespace {

// An event that repeats gets another revision: it is the same by what it says.
std::string KeyOf(const Resource& resource) {
  const auto* event = std::get_if<v1::Event>(&resource);
  if (event == nullptr) return NameOf(resource);
  return absl::StrCat(static_cast<int>(event->type()), "\n", event->subject(), "\n", event->reason(), "\n", event->message());
}

std::string SteadyPart(const Resource& resource) {
  if (const auto* stream = std::get_if<v1::Stream>(&resource)) {
    v1::Stream steady = *stream;
    steady.clear_idle_time();
    steady.clear_time_in_limit();
    steady.clear_far_time_in_limit();
    return steady.SerializeAsString();
  }
  if (const auto* flow = std::get_if<v1::UdpFlow>(&resource)) {
    v1::UdpFlow steady = *flow;
    steady.clear_idle_time();
    return steady.SerializeAsString();
  }
  return MessageOf(resource).SerializeAsString();
}

bool Has(const std::vector<Kind>& kinds, Kind kind) { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); }

}  // namespace

std::string_view ToString(Change::Type type) {
  switch (type) {
    case Change::Type::kAdded:
      return "ADDED";
    case Change::Type::kModified:
      return "MODIFIED";
    case Change::Type::kDeleted:
      break;
  }
  return "DELETED";
}

std::optional<Change> Known::Put(Resource resource) {
  const std::string steady = SteadyPart(resource);
  const size_t print = std::hash<std::string>()(steady);
  auto [entry, is_new] = entries_.try_emplace({KindOf(resource), KeyOf(resource)});
  entry->second.seen = true;
  const bool is_same = !is_new && entry->second.print == print;
  size_bytes_ -= entry->second.bytes;
  entry->second.bytes = steady.size() + entry->first.second.size();
  size_bytes_ += entry->second.bytes;
  entry->second.print = print;
  entry->second.resource = std::move(resource);
  if (is_same) return std::nullopt;
  return Change{is_new ? Change::Type::kAdded : Change::Type::kModified, entry->second.resource};
}

std::optional<Change> Known::Remove(const Resource& resource) {
  const auto entry = entries_.find({KindOf(resource), KeyOf(resource)});
  if (entry == entries_.end()) return std::nullopt;
  size_bytes_ -= entry->second.bytes;
  entries_.erase(entry);
  return Change{Change::Type::kDeleted, resource};
}

void Known::BeginLook(const std::vector<Kind>& kinds) {
  for (auto& [key, entry] : entries_) {
    if (Has(kinds, key.first)) entry.seen = false;
  }
}

std::vector<Change> Known::EndLook(const std::vector<Kind>& kinds) {
  std::vector<Change> gone;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool is_gone = !entry->second.seen && Has(kinds, entry->first.first) && entry->first.first != Kind::kEvent;
    if (!is_gone) {
      ++entry;
      continue;
    }
    size_bytes_ -= entry->second.bytes;
    gone.push_back({Change::Type::kDeleted, std::move(entry->second.resource)});
    entry = entries_.erase(entry);
  }
  return gone;
}

std::vector<Group> Known::Groups(const std::vector<Kind>& kinds, size_t limit) const {
  std::vector<Group> groups;
  for (const Kind kind : kinds) {
    std::vector<const Resource*> all;
    for (auto entry = entries_.lower_bound({kind, ""}); entry != entries_.end() && entry->first.first == kind; ++entry) {
      all.push_back(&entry->second.resource);
    }
    if (kind == Kind::kEvent) {
      std::sort(all.begin(), all.end(), [](const Resource* left, const Resource* right) {
        return std::get<v1::Event>(*left).revision() < std::get<v1::Event>(*right).revision();
      });
      if (all.size() > limit) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(limit));
    }
    all.resize(std::min(all.size(), limit));
    Group& group = groups.emplace_back(Group{kind, {}});
    for (const Resource* resource : all) group.items.push_back(*resource);
  }
  return groups;
}

}  // namespace culvert::cli
