// What tells one list of a Routing from the one before it. Configurations of objects that did not change are the same in both, so that
// ten thousand of them cost ten thousand comparisons of pointers and not one of names.
#pragma once

#include <memory>
#include <vector>

namespace culvert::server {

template <typename Config>
struct RoutingDifference {
  using Ptr = std::shared_ptr<const Config>;
  std::vector<Ptr> gone;     // of the list before
  std::vector<Ptr> changed;  // of the new one: the object lives on (its id is the same) under another configuration
  std::vector<Ptr> fresh;    // of the new one: objects that were not there, or not under this id
};

// REQUIRES: both are sorted by name, and no two of one list have one name.
template <typename Config>
RoutingDifference<Config> DifferenceOf(const std::vector<std::shared_ptr<const Config>>& before,
                                       const std::vector<std::shared_ptr<const Config>>& after) {
  RoutingDifference<Config> difference;
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    if (old != before.end() && now != after.end() && *old == *now) {
      ++old;
      ++now;
      continue;
    }
    const bool is_gone = old != before.end() && (now == after.end() || (*old)->id.name < (*now)->id.name);
    const bool is_fresh = !is_gone && (old == before.end() || (*now)->id.name < (*old)->id.name);
    if (is_gone) {
      difference.gone.push_back(*old++);
    } else if (is_fresh) {
      difference.fresh.push_back(*now++);
    } else if ((*old)->id == (*now)->id) {
      difference.changed.push_back(*now++);
      ++old;
    } else {
      difference.gone.push_back(*old++);
      difference.fresh.push_back(*now++);
    }
  }
  return difference;
}

}  // namespace culvert::server
