#include "server/query/read_mask.h"

#include <google/protobuf/util/field_mask_util.h>

#include "server/error_builder.h"
#include "server/validate.h"

namespace culvert::server {

using google::protobuf::util::FieldMaskUtil;

absl::StatusOr<ReadMask> ReadMask::Parse(const google::protobuf::FieldMask& mask, const google::protobuf::Descriptor& type) {
  constexpr int kMaxPaths = 64;
  ReadMask read_mask;
  if (mask.paths_size() == 1 && mask.paths(0) == "*") return read_mask;
  if (mask.paths_size() > kMaxPaths) return InvalidField("read_mask", "has more than " + std::to_string(kMaxPaths) + " paths");
  for (const std::string& path : mask.paths()) {
    // FieldMaskUtil leaves out empty parts: an empty path would stand for all fields, and "spec..bind" for one.
    const bool has_empty_part = path.empty() || path.front() == '.' || path.back() == '.' || path.find("..") != std::string::npos;
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    if (has_empty_part || !FieldMaskUtil::GetFieldDescriptors(&type, path, &fields)) {
      return InvalidField("read_mask", QuotedValue(path) + " is no field of " + type.name());
    }
  }
  read_mask.mask_ = mask;
  return read_mask;
}

void ReadMask::Trim(google::protobuf::Message& message) const {
  if (mask_.paths_size() > 0) FieldMaskUtil::TrimMessage(mask_, &message);
}

}  // namespace culvert::server
