#include "proto/manifest/manifest.h"

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "proto/manifest/identity.h"
#include "proto/manifest/message.h"

namespace culvert::manifest {

std::string SourceObject::Where(std::string_view path) const {
  const std::string where = WhereIn(file, lines, path);
  if (where != file) return where;
  return absl::StrFormat("%s:%d", file, line);
}

std::string_view KindOf(const v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kListener:
      return "Listener";
    case v1::Object::kDialer:
      return "Dialer";
    case v1::Object::kForward:
      return "Forward";
    case v1::Object::KIND_NOT_SET:
      break;
  }
  return "";
}

const v1::Metadata& MetadataOf(const v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kListener:
      return object.listener().metadata();
    case v1::Object::kDialer:
      return object.dialer().metadata();
    case v1::Object::kForward:
      return object.forward().metadata();
    case v1::Object::KIND_NOT_SET:
      break;
  }
  return v1::Metadata::default_instance();
}

std::string DisplayName(const v1::Object& object) {
  std::string kind(KindOf(object));
  absl::AsciiStrToLower(&kind);
  return kind + "/" + MetadataOf(object).name();
}

void FindDuplicates(const std::vector<SourceObject>& objects, Faults& faults) {
  std::map<std::string, const SourceObject*> first;
  for (const SourceObject& source : objects) {
    const std::string name = DisplayName(source.object);
    const auto [at, is_new] = first.emplace(name, &source);
    if (is_new) continue;
    faults.AddLine(absl::StrFormat("%s: metadata.name: %s stands at %s already", source.Where("metadata.name"), QuotableName(name),
                                   at->second->Where("metadata.name")));
  }
}

}  // namespace culvert::manifest
