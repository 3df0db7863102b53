#include "server/access/control_credentials.h"

#include <string>
#include <string_view>

#include "core/base/status_macros.h"
#include "core/crypto/secret.h"
#include "core/tls/tls_context.h"
#include "server/seed_file.h"
#include "server/tls_files.h"

namespace culvert::server {
namespace {

struct Part {
  const char* flag;
  const std::string& file;
  std::string_view name;  // that core/tls gives it
};

}  // namespace

absl::Status JudgeControlCredentials(const Options::ControlTcp& tcp) {
  const Part parts[] = {{"--control-cert", tcp.certificate_file, "certificate_pem"},
                        {"--control-key", tcp.private_key_file, "private_key_pem"},
                        {"--control-trust", tcp.trust_file, "trust_pem"}};
  TlsFiles files;
  std::string* const contents[] = {&files.certificate, &files.private_key, &files.trust};
  for (size_t i = 0; i < std::size(parts); ++i) {
    CULVERT_ASSIGN_OR_RETURN(*contents[i], ReadCredentialFile(parts[i].file, parts[i].flag, kMaxTlsFileBytes));
    if (contents[i]->empty()) return absl::InvalidArgumentError(std::string(parts[i].flag) + ": " + parts[i].file + ": the file is empty");
  }
  tls::TlsOptions options;
  options.role = tls::Role::kServer;
  options.certificate_pem = files.certificate;
  options.private_key_pem = AsBytes(files.private_key);
  options.trust_pem = files.trust;
  options.require_peer_certificate = true;
  options.alpn = {"h2"};
  const absl::Status status = tls::TlsContext::Create(options).status();
  if (status.ok()) return status;
  const std::string message(status.message());
  for (const Part& part : parts) {
    const std::string head = std::string(part.name) + ": ";
    if (!message.starts_with(head)) continue;
    return absl::InvalidArgumentError(std::string(part.flag) + ": " + part.file + ": " + message.substr(head.size()));
  }
  return absl::InvalidArgumentError("--control-tcp: " + message);
}

}  // namespace culvert::server
