// Objects with TLS for tests, and the files they name, held in memory.
#pragma once

#include <map>
#include <string>

#include "server/error_builder.h"
#include "server/tls_files.h"
#include "tests/testing/certificate_maker.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {

inline v1::Object TlsListener(const std::string& name, const std::string& tls, const std::string& more = "") {
  return ParseObject("listener { metadata { name: '" + name + "' } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:4000' " + more +
                     " tls { " + tls + " } } }");
}
inline v1::Object TlsDialer(const std::string& name, const std::string& tls, const std::string& more = "") {
  return ParseObject("dialer { metadata { name: '" + name +
                     "' } spec { transport: TRANSPORT_KCP targets: 'far.example:4000' " + more + " tls { " + tls + " } } }");
}
inline constexpr char kShows[] = "certificate_file: '/c' private_key_file: '/k' ";

struct MemoryFiles {
  std::map<std::string, std::string> content;
  int reads = 0;

  ReadFile Reader() {
    return [this](const std::string& path, const std::string& field, size_t) -> absl::StatusOr<std::string> {
      ++reads;
      if (const auto found = content.find(path); found != content.end()) return found->second;
      return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "CREDENTIAL_UNREADABLE", field + ": " + path + ": none").Build();
    };
  }
  void Put(const culvert::testing::Certificate& certificate) {
    content["/c"] = certificate.chain_pem;
    content["/k"] = certificate.private_key_pem;
  }
};

}  // namespace culvert::server
