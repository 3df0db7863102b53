#include "server/services/access_service.h"

#include <vector>

#include "server/services/unary_call.h"

namespace culvert::server {
namespace {

using google::protobuf::MethodDescriptor;

std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const google::protobuf::ServiceDescriptor* service : ApiServices()) {
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

// "culvert.v1.ListenerService/CreateListener", with or without a slash before it; nullptr: there is none.
const MethodDescriptor* MethodAt(std::string path) {
  if (!path.empty() && path.front() == '/') path.erase(0, 1);
  for (const MethodDescriptor* method : AllMethods()) {
    if (PathOf(*method) == path) return method;
  }
  return nullptr;
}

}  // namespace

grpc::ServerUnaryReactor* AccessService::WhoAmI(Call* call, const v1::WhoAmIRequest* request, v1::WhoAmIResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::WhoAmIResponse>& answer) {
    answer.Answer(absl::OkStatus(), [&](v1::WhoAmIResponse& out) {
      for (const std::string& principal : answer.caller().principals) out.add_principals(principal);
      out.set_role(answer.caller().role);
      out.set_channel(answer.caller().channel);
    });
  });
}

grpc::ServerUnaryReactor* AccessService::TestPermissions(Call* call, const v1::TestPermissionsRequest* request,
                                                         v1::TestPermissionsResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::TestPermissionsResponse>& answer) {
    answer.Answer(absl::OkStatus(), [&](v1::TestPermissionsResponse& out) {
      const auto add_if_allowed = [&](const MethodDescriptor* method, const std::string& text) {
        if (method != nullptr && Suffices(answer.caller().role, RulesOf(*method).role())) out.add_allowed(text);
      };
      for (const std::string& asked : request->methods()) add_if_allowed(MethodAt(asked), asked);
      if (request->methods().empty()) {
        for (const MethodDescriptor* method : AllMethods()) add_if_allowed(method, PathOf(*method));
      }
    });
  });
}

}  // namespace culvert::server
