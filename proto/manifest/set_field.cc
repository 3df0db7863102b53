#include "proto/manifest/set_field.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "proto/manifest/faults.h"
#include "proto/manifest/scalar.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::manifest {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::Status SetField(Message& message, std::string_view path, std::string_view value, std::string_view base_dir) {
  const std::vector<std::string> names = absl::StrSplit(std::string(path), '.');
  Message* at = &message;
  std::string done;
  for (size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field = FindField(at->GetDescriptor(), names[i]);
    done += (done.empty() ? "" : ".") + (field ? field->name() : Quotable(names[i]));
    const bool last = i + 1 == names.size();
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: unknown field%s", done, DidYouMean(names[i], FieldNames(at->GetDescriptor()))));
    }
    if (last == IsBlock(field) || field->is_map()) {
      return absl::InvalidArgumentError(
          absl::StrCat(done, last ? ": has fields of its own, name one of them" : ": has no fields of its own"));
    }
    if (!last) {
      at = at->GetReflection()->MutableMessage(at, field);
      continue;
    }
    std::vector<std::string> parts = {std::string(value)};
    if (field->is_repeated()) {
      at->GetReflection()->ClearField(at, field);
      parts = absl::StrSplit(std::string(value), ',', absl::SkipEmpty());
    }
    for (const std::string& part : parts) {
      if (const absl::Status status = SetScalar(*at, field, {part}, base_dir); !status.ok()) {
        return absl::InvalidArgumentError(absl::StrFormat("%s: %s", done, std::string(status.message())));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace culvert::manifest
