// What a view that goes on has seen: tells news from repetitions, however often all is looked at again.
// Thread: confined to its owner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/objects/resource.h"

namespace culvert::cli {

struct Change {
  enum class Type : uint8_t { kAdded, kModified, kDeleted };
  Type type = Type::kAdded;
  Resource resource;
};

// "ADDED"
std::string_view ToString(Change::Type type);

class Known {
 public:
  // Remembers the resource. nullopt: it is as it was, but for how long it has been idle and what held it up, which is always new.
  std::optional<Change> Put(Resource resource);
  // nullopt: it was not known.
  std::optional<Change> Remove(const Resource& resource);

  // Between the two everything there is of `kinds` is Put. What is not has gone; events have not, they are only forgotten.
  void BeginLook(const std::vector<Kind>& kinds);
  std::vector<Change> EndLook(const std::vector<Kind>& kinds);

  // By kind in the order of `kinds`, each in the order of names and at most `limit` of them; of events the latest, oldest first.
  [[nodiscard]] std::vector<Group> Groups(const std::vector<Kind>& kinds, size_t limit) const;
  [[nodiscard]] size_t size() const { return entries_.size(); }
  // Of all messages as they came over the wire.
  [[nodiscard]] size_t size_bytes() const { return size_bytes_; }

 private:
  struct Entry {
    Resource resource;
    size_t print = 0;   // a hash of what tells it from another state of itself
    bool seen = true;   // since the last BeginLook of its kind
    size_t bytes = 0;
  };
  using Key = std::pair<Kind, std::string>;

  std::map<Key, Entry> entries_;
  size_t size_bytes_ = 0;
};

}  // namespace culvert::cli
