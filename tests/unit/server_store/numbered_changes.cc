#include "tests/unit/server_store/numbered_changes.h"

#include <algorithm>
#include <cstdlib>

namespace culvert::server {
namespace {

constexpr int kKept = 5;  // objects of their own that the last changes left

v1::Object Made(const std::string& name, int number) {
  v1::Object object;
  object.mutable_listener()->mutable_metadata()->set_name(name);
  // Large enough for a row to take more than a page now and then.
  (*object.mutable_listener()->mutable_metadata()->mutable_annotations())["x"] = std::string(static_cast<size_t>(number * 37 % 6000), 'x');
  object.mutable_listener()->mutable_spec()->set_bind("[::]:" + std::to_string(number));
  return object;
}

int PortOf(const v1::Object& object) { return std::atoi(object.listener().spec().bind().c_str() + 5); }

}  // namespace

std::vector<StoreChange> NumberedChange(int number) {
  std::vector<StoreChange> changes;
  const std::string own = "own-";
  for (const std::string& name : {std::string("x"), std::string("y"), std::string("z"), own + std::to_string(number)}) {
    const v1::Object object = Made(name, number);
    changes.emplace_back(StoreChange{KeyOf(object), object});
  }
  ObjectKey deleted{Kind::kListener, own + std::to_string(number - kKept)};
  changes.emplace_back(StoreChange{std::move(deleted), std::nullopt});
  return changes;
}

int NumberOf(const std::vector<v1::Object>& objects) {
  if (objects.empty()) return 0;
  const int number = PortOf(objects.back());  // z
  std::vector<std::string> expected = {"x", "y", "z"};
  for (int own = std::max(1, number - kKept + 1); own <= number; ++own) expected.push_back("own-" + std::to_string(own));
  std::sort(expected.begin(), expected.end());
  if (objects.size() != expected.size()) return -1;
  for (size_t i = 0; i < objects.size(); ++i) {
    const std::string& name = objects[i].listener().metadata().name();
    if (name != expected[i]) return -1;
    const int port = PortOf(objects[i]);
    if (port != (name.size() == 1 ? number : std::atoi(name.c_str() + 4))) return -1;
    if (objects[i].SerializeAsString() != Made(name, port).SerializeAsString()) return -1;
  }
  return number;
}

}  // namespace culvert::server
