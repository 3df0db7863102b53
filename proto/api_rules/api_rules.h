// What the protos of the control API must declare, looked at in every build before anything is compiled of them. What is forgotten here
// would be found at run time only, by who may suddenly do too much or reads what was to be kept from him.
//
//   a method       declares the role that may call it; where that is more than viewer it changes something, and is audited
//   a request      is that of one method: the daemon finds the method, and with it the role, by the type of the request
//   a text field   that is named like a secret is marked as one, so that it is redacted wherever it would be shown
//
// Pure: descriptors in, faults out. The options are read through the descriptors of the same set, not through generated code.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.pb.h"

namespace culvert::api_rules {

struct Fault {
  std::string file;
  int line = 0;         // 0: the set was written without positions in the source
  std::string subject;  // full name of the method or field
  std::string what;

  // "culvert/v1/listener.proto:88: culvert.v1.ListenerService.CreateListener: ..."
  [[nodiscard]] std::string ToString() const;
};

// Of all files whose package begins with "culvert.", in the order of the set, which holds every file behind those it imports.
// Errors: INVALID_ARGUMENT when the set does not hold together, or has no culvert/v1/options.proto.
absl::StatusOr<std::vector<Fault>> FindFaults(const google::protobuf::FileDescriptorSet& set);

}  // namespace culvert::api_rules
