// Objects with exactly one fault each, made systematically: every field of valid objects is broken in every way that its type and the
// rules of its proto make wrong. What would be legitimate is not made.
#pragma once

#include <string>
#include <vector>

#include "server/object_kind.h"

namespace culvert::server {

struct Hostile {
  v1::Object object;
  std::string path;      // where the fault must be told: "spec.kcp.mtu_bytes"
  std::string why;       // for who reads a failure
  bool in_files = true;  // a file can say it too
};

// Valid objects of the kind, one for every transport and protocol. Names end in `suffix` and ports begin at `port`, so that they
// stand beside others of theirs. References are to "in", "proxied", "addressed", "far" and "private".
std::vector<v1::Object> ValidObjects(Kind kind, const std::string& suffix, int port);
// What those refer to.
std::vector<v1::Object> ReferredObjects();

std::vector<Hostile> HostileVariants(const v1::Object& valid);

// Paths of all fields below `type`, blocks included, and the fields.
struct FieldAt {
  std::string path;
  const google::protobuf::FieldDescriptor* field = nullptr;
};
std::vector<FieldAt> AllFields(const google::protobuf::Descriptor& type);

}  // namespace culvert::server
