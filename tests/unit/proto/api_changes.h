// What a client that was built with one version of the API would trip over in another. Compared are the descriptors: what is on the wire,
// what generated code is named, and what a caller must be allowed.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace culvert::testing {

struct ApiChanges {
  std::vector<std::string> breaking;   // a line each: full name and what became of it
  std::vector<std::string> additions;  // full names of what only `now` has
};

// `before` are the files of the API as it was; `now` has the files of the same names, as far as there still are any.
// Breaking is: a file, message, field, enum, value, service, method or option that is gone, renamed or in another file; another number,
// type, label, presence or oneof of a field; another request or response of a method, or another direction that streams; another role, or
// an audit that is gone; a reserved number or name that is free again.
ApiChanges CompareApis(const std::vector<const google::protobuf::FileDescriptor*>& before, const google::protobuf::DescriptorPool& now);

}  // namespace culvert::testing
