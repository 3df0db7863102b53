// ReadMask: which fields of an answer a reader wants ("metadata.name,status.state"). Absent, or "*": all.
// Thread: parsing any; a mask is immutable and may be shared.
#pragma once

#include "absl/status/statusor.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"

namespace culvert::server {

class ReadMask {
 public:
  // Everything.
  ReadMask() = default;

  // Errors: INVALID_ARGUMENT, INVALID_FIELD for field "read_mask": a path that `type` does not have.
  static absl::StatusOr<ReadMask> Parse(const google::protobuf::FieldMask& mask, const google::protobuf::Descriptor& type);

  // Removes from `message` what the reader does not want.
  void Trim(google::protobuf::Message& message) const;

 private:
  google::protobuf::FieldMask mask_;  // empty: everything
};

}  // namespace culvert::server
