// Enum values as people write them. Thread: any; no state.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/generated_enum_reflection.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {

// "KCP" for TRANSPORT_KCP; empty for the unspecified value; a number where it is newer than we are.
template <typename Enum>
std::string EnumName(Enum value) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(static_cast<int>(value));
  if (descriptor == nullptr) return absl::StrCat(static_cast<int>(value));
  return descriptor->number() == 0 ? "" : manifest::ShortName(descriptor);
}

}  // namespace culvert::cli
