#include "server/access/methods.h"

#include <map>

#include "absl/strings/ascii.h"
#include "culvert/v1/access.pb.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/daemon.pb.h"
#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/forward.pb.h"
#include "culvert/v1/listener.pb.h"
#include "culvert/v1/observe.pb.h"
#include "culvert/v1/session.pb.h"

namespace culvert::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

std::map<const Descriptor*, const MethodDescriptor*> IndexMethods() {
  std::map<const Descriptor*, const MethodDescriptor*> index;
  for (const ServiceDescriptor* service : ApiServices()) {
    for (int i = 0; i < service->method_count(); ++i) index.emplace(service->method(i)->input_type(), service->method(i));
  }
  return index;
}

}  // namespace

const std::vector<const ServiceDescriptor*>& ApiServices() {
  static const auto* const services = [] {
    auto* found = new std::vector<const ServiceDescriptor*>;  // for the rest of the process, like the descriptors
    for (const FileDescriptor* file :
         {v1::Listener::descriptor()->file(), v1::Dialer::descriptor()->file(), v1::Forward::descriptor()->file(),
          v1::Session::descriptor()->file(), v1::WatchStatsRequest::descriptor()->file(), v1::Object::descriptor()->file(),
          v1::Daemon::descriptor()->file(), v1::AccessPolicy::descriptor()->file()}) {
      for (int i = 0; i < file->service_count(); ++i) found->push_back(file->service(i));
    }
    return found;
  }();
  return *services;
}

const MethodDescriptor* MethodTaking(const Descriptor& request) {
  static const auto* const index = new std::map<const Descriptor*, const MethodDescriptor*>(IndexMethods());
  const auto at = index->find(&request);
  return at != index->end() ? at->second : nullptr;
}

const v1::MethodRules& RulesOf(const MethodDescriptor& method) { return method.options().GetExtension(v1::method_rules); }

std::string PathOf(const MethodDescriptor& method) { return method.service()->full_name() + "/" + method.name(); }

bool Suffices(v1::Role role, v1::Role needed) { return needed != v1::ROLE_UNSPECIFIED && role >= needed; }

std::string RoleText(v1::Role role) {
  constexpr size_t kPrefix = sizeof "ROLE_" - 1;
  return role == v1::ROLE_UNSPECIFIED ? "none" : absl::AsciiStrToLower(v1::Role_Name(role).substr(kPrefix));
}

}  // namespace culvert::server
