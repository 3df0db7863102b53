#include "server/query/field_path.h"

#include <optional>
#include <utility>

#include "proto/manifest/suggest.h"
#include "server/message_walk.h"

namespace culvert::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Where a shortened name is looked for.
constexpr const char* kContainers[] = {"metadata", "spec", "status", "counters", "path"};
constexpr size_t kMaxSteps = 8;

// What people write for a field that has a longer name.
constexpr std::pair<std::string_view, const char*> kShortNames[] = {
    {"remote", "remote_address"}, {"local", "local_address"}, {"label", "labels"}, {"rtt", "smoothed_rtt"}};

bool IsStructure(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated() &&
         field.message_type()->file()->package() != "google.protobuf";
}

const FieldDescriptor* FieldNamed(const Descriptor& type, std::string_view name) {
  const FieldDescriptor* field = type.FindFieldByName(std::string(name));
  if (field == nullptr) field = type.FindFieldByCamelcaseName(std::string(name));
  return field != nullptr && !RulesOf(*field).secret() ? field : nullptr;
}

// The steps to the first field called `name`, nearest container first; empty: there is none.
bool Descend(const Descriptor& type, std::string_view name, std::vector<const FieldDescriptor*>& steps) {
  if (const FieldDescriptor* field = FieldNamed(type, name)) {
    steps.push_back(field);
    return true;
  }
  for (const char* container : kContainers) {
    const FieldDescriptor* inside = FieldNamed(type, container);
    if (inside == nullptr || !IsStructure(*inside) || steps.size() >= kMaxSteps) continue;
    steps.push_back(inside);
    if (Descend(*inside->message_type(), name, steps)) return true;
    steps.pop_back();
  }
  return false;
}

void CollectNames(const Descriptor& type, size_t depth, std::vector<std::string>& names) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (RulesOf(field).secret()) continue;
    names.push_back(field.name());
    if (IsStructure(field) && depth < kMaxSteps) CollectNames(*field.message_type(), depth + 1, names);
  }
}

absl::Status NoSuchField(const Descriptor& type, std::string_view name, std::string_view part) {
  std::vector<std::string> names;
  CollectNames(type, 0, names);
  std::string text = "\"" + std::string(part.substr(0, 64)) + "\" is no field of " + type.name();
  if (part.size() != name.size()) text += " in \"" + std::string(name.substr(0, 64)) + "\"";
  return absl::InvalidArgumentError(text + manifest::DidYouMean(part, names));
}

// Takes the first part off `rest`.
std::string_view TakePart(std::string_view& rest) {
  const size_t dot = rest.find('.');
  const std::string_view part = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  return part;
}

}  // namespace

const Message& FieldPath::OwnerIn(const Message& message) const {
  const Message* owner = &message;
  for (size_t i = 0; i + 1 < steps.size(); ++i) owner = &owner->GetReflection()->GetMessage(*owner, steps[i]);
  return *owner;
}

absl::StatusOr<FieldPath> FindField(const Descriptor& type, std::string_view name) {
  FieldPath path;
  std::string_view rest = name;
  std::string_view part = TakePart(rest);
  if (part.empty()) return absl::InvalidArgumentError("a field name is expected");
  for (const auto& [shorter, full] : kShortNames) {
    if (part == shorter && FieldNamed(type, part) == nullptr) part = full;
  }
  if (!Descend(type, part, path.steps)) return NoSuchField(type, name, part);
  while (!rest.empty()) {
    const FieldDescriptor& field = path.field();
    if (field.is_map()) {
      path.map_key = rest;
      if (path.map_key.size() >= 2 && path.map_key.front() == '"' && path.map_key.back() == '"') {
        path.map_key = path.map_key.substr(1, path.map_key.size() - 2);
      }
      return path;
    }
    if (!IsStructure(field)) {
      return absl::InvalidArgumentError("\"" + field.name() + "\" has no fields of its own, so \"" +
                                        std::string(name.substr(0, 64)) + "\" names nothing");
    }
    part = TakePart(rest);
    const FieldDescriptor* next = FieldNamed(*field.message_type(), part);
    if (next == nullptr) return NoSuchField(*field.message_type(), name, part);
    if (path.steps.size() >= kMaxSteps) return absl::InvalidArgumentError("the name has too many parts");
    path.steps.push_back(next);
  }
  return path;
}

bool IsDurationField(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field.message_type()->full_name() == "google.protobuf.Duration";
}

bool IsTimestampField(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field.message_type()->full_name() == "google.protobuf.Timestamp";
}

}  // namespace culvert::server
