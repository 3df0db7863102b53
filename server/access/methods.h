// The methods of the API as their protos describe them: what a caller must be allowed, and whether it is audited.
// Thread: any; no state. Descriptors live as long as the program.
#pragma once

#include <string>
#include <vector>

#include "culvert/v1/options.pb.h"
#include "google/protobuf/descriptor.h"

namespace culvert::server {

// The services of culvert.v1 that this daemon serves, each with its methods.
const std::vector<const google::protobuf::ServiceDescriptor*>& ApiServices();
// The method that takes requests of `request` type: no two take the same. nullptr: none does.
const google::protobuf::MethodDescriptor* MethodTaking(const google::protobuf::Descriptor& request);
const v1::MethodRules& RulesOf(const google::protobuf::MethodDescriptor& method);
// "culvert.v1.ListenerService/CreateListener".
std::string PathOf(const google::protobuf::MethodDescriptor& method);

// Whether who has `role` may call what needs `needed`. Nobody may call a method whose proto declares no role.
bool Suffices(v1::Role role, v1::Role needed);
// "viewer".
std::string RoleText(v1::Role role);

}  // namespace culvert::server
