#include "server/access/tls_callers.h"

#include <grpc/grpc_security_constants.h>

#include <memory>
#include <string_view>
#include <utility>

namespace culvert::server {

Principals PrincipalsOf(const grpc::AuthContext& auth) {
  constexpr size_t kMaxPrincipals = 64;
  constexpr std::pair<const char*, const char*> kProperties[] = {{"peer_uri", "uri:"},
                                                                 {"peer_dns", "dns:"},
                                                                 {"peer_ip", "ip:"},
                                                                 {"peer_email", "email:"},
                                                                 {GRPC_X509_CN_PROPERTY_NAME, "cn:"}};
  Principals principals;
  bool is_too_many = false;
  for (const auto& [property, head] : kProperties) {
    for (const grpc::string_ref& value : auth.FindPropertyValues(property)) {
      const std::string text(value.data(), value.size());
      if (text.empty()) continue;
      is_too_many = is_too_many || principals.size() >= kMaxPrincipals;
      // Only a URI can be a SPIFFE id: whoever may choose another name must not be able to choose this one.
      const bool is_spiffe = std::string_view(head) == "uri:" && text.starts_with("spiffe://");
      principals.push_back(is_spiffe ? text : head + text);
    }
  }
  // Somebody who is not known as a whole could hide a name that a rule denies.
  return is_too_many ? Principals() : principals;
}

Caller CallerFrom(const grpc::AuthContext* auth, const AccessPolicy& policy) {
  Caller caller;
  caller.channel = v1::CONTROL_CHANNEL_TLS;
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return caller;
  caller.principals = PrincipalsOf(*auth);
  caller.role = policy.RoleOf(caller.principals);
  return caller;
}

Caller TlsCallers::CallerOf(const grpc::ServerContextBase& call) const { return CallerFrom(call.auth_context().get(), *book_.policy()); }

}  // namespace culvert::server
