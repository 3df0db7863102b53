#include "server/entry_resolver.h"

#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/crypto/secret.h"
#include "server/config_from_proto.h"
#include "server/message_walk.h"
#include "server/tls_status.h"
#include "server/validate_object.h"
#include "server/validate_quic.h"

namespace culvert::server {
namespace {

// Of a QUIC dialer without a tls block, which needs insecure: true: it takes any peer, as v2ray does (spec/quic.md section 2).
std::shared_ptr<const tls::TlsContext> UnverifyingTls() {
  const TlsUse use{.role = tls::Role::kClient, .insecure = true, .path = ""};
  TlsResult made = MakeTlsContext(v1::TlsSpec(), use, TlsFiles());
  CULVERT_CHECK(made.context != nullptr);  // nothing in it comes from outside
  return std::move(made.context);
}

// A full table without comments.
constexpr size_t kMaxUsersFileBytes = frontdoor::UserTable::kMaxUsers * (2 * frontdoor::UserTable::kMaxNameBytes + 3);

class EntryResolver {
 public:
  EntryResolver(const v1::Object& object, const std::string& prefix, const PlanContext& context, Entry& entry,
                std::vector<v1::Warning>& warnings, Violations& violations)
      : object_(object), prefix_(prefix), context_(context), entry_(entry), warnings_(warnings), violations_(violations) {}

  absl::Status Run() {
    CULVERT_RETURN_IF_ERROR(ResolveKcp());
    CULVERT_RETURN_IF_ERROR(ResolveQuic());
    CULVERT_RETURN_IF_ERROR(ResolveTls());
    return ResolveUsers();
  }

 private:
  absl::Status ResolveKcp();
  absl::Status ResolveQuic();
  absl::StatusOr<std::optional<std::string>> ReadSecretFile(const std::string& path, const std::string& field, const char* what);
  absl::Status ResolveTls();
  absl::Status ResolveUsers();

  const v1::Object& object_;
  const std::string& prefix_;
  const PlanContext& context_;
  Entry& entry_;
  std::vector<v1::Warning>& warnings_;
  Violations& violations_;
};

// The content of a file with a seed or key, of which the entry gets the fingerprint; nullopt: none is named, or it is empty, which is a
// violation.
absl::StatusOr<std::optional<std::string>> EntryResolver::ReadSecretFile(const std::string& path, const std::string& field,
                                                                   const char* what) {
  if (path.empty()) return std::nullopt;
  absl::StatusOr<std::string> content = context_.read_seed_file(path, field);
  if (!content.ok()) return std::move(content).status();
  if (content->empty()) {
    violations_.push_back({field, absl::StrFormat("the file holds no %s", what)});
    return std::nullopt;
  }
  entry_.secret_file_fingerprint = (*context_.hash)(AsBytes(*content));
  return *std::move(content);
}

// Reads the seed file, if any, and makes the KCP settings.
absl::Status EntryResolver::ResolveKcp() {
  if (TransportOf(object_) != v1::TRANSPORT_KCP) return absl::OkStatus();
  const v1::KcpSpec* spec = KcpOf(object_);
  std::optional<std::string> file_seed;
  if (spec != nullptr && !spec->seed_file().empty()) {
    const std::string field = JoinPath(prefix_, "spec.kcp.seed_file");
    CULVERT_ASSIGN_OR_RETURN(file_seed, ReadSecretFile(spec->seed_file(), field, "seed"));
    if (!file_seed) return absl::OkStatus();
    WarnOfShortSeed(file_seed->size(), field, warnings_);
  }
  absl::StatusOr<std::shared_ptr<const kcp::KcpConfig>> config =
      ToKcpConfig(spec != nullptr ? *spec : v1::KcpSpec(), file_seed);
  if (file_seed) SecureErase({reinterpret_cast<uint8_t*>(file_seed->data()), file_seed->size()});
  if (!config.ok()) {
    violations_.push_back({JoinPath(prefix_, "spec.kcp"), std::string(config.status().message())});
    return absl::OkStatus();
  }
  entry_.kcp = *std::move(config);
  return absl::OkStatus();
}

// Reads the key file, if any, and makes the QUIC settings.
absl::Status EntryResolver::ResolveQuic() {
  if (TransportOf(object_) != v1::TRANSPORT_QUIC) return absl::OkStatus();
  CULVERT_CHECK(context_.quic_shared != nullptr);
  entry_.quic_shared = context_.quic_shared;
  const v1::QuicSpec* declared = QuicOf(object_);
  const v1::QuicSpec& spec = declared != nullptr ? *declared : v1::QuicSpec::default_instance();
  std::optional<std::string> file_key;
  if (!spec.outer().key_file().empty()) {
    const std::string field = JoinPath(prefix_, "spec.quic.outer.key_file");
    CULVERT_ASSIGN_OR_RETURN(file_key, ReadSecretFile(spec.outer().key_file(), field, "key"));
    if (!file_key) return absl::OkStatus();
    WarnOfShortKey(file_key->size(), field, warnings_);
  }
  absl::StatusOr<std::shared_ptr<const quic::QuicConfig>> config = ToQuicConfig(spec, file_key);
  if (file_key) SecureErase({reinterpret_cast<uint8_t*>(file_key->data()), file_key->size()});
  if (!config.ok()) {
    violations_.push_back({JoinPath(prefix_, "spec.quic"), std::string(config.status().message())});
    return absl::OkStatus();
  }
  entry_.quic = *std::move(config);
  return absl::OkStatus();
}

// Reads the files of keys and certificates, if any, and makes the context.
absl::Status EntryResolver::ResolveTls() {
  const v1::TlsSpec* spec = TlsOf(object_);
  if (spec == nullptr) {
    if (TransportOf(object_) != v1::TRANSPORT_QUIC) return absl::OkStatus();
    entry_.tls = object_.has_listener() ? entry_.quic_shared->server_tls : UnverifyingTls();
    return absl::OkStatus();
  }
  const TlsUse use = TlsUseOf(object_, JoinPath(prefix_, "spec.tls"));
  absl::StatusOr<TlsFiles> files = ReadTlsFiles(*spec, use, context_.read_file, *context_.hash);
  if (!files.ok()) return std::move(files).status();
  TlsResult made = MakeTlsContext(*spec, use, *files);
  if (made.fault) {
    violations_.push_back({made.fault->path, made.fault->description});
    return absl::OkStatus();
  }
  entry_.tls = std::move(made.context);
  entry_.tls_fingerprint = files->fingerprint;
  WarnOfCertificate(*entry_.tls, JoinPath(use.path, "certificate_file"), context_.now_unix_ns, warnings_);
  return absl::OkStatus();
}

// Reads the file of users, if any.
absl::Status EntryResolver::ResolveUsers() {
  const std::string& file = object_.listener().spec().users_file();
  if (file.empty()) return absl::OkStatus();
  const std::string field = JoinPath(prefix_, "spec.users_file");
  absl::StatusOr<std::string> content = context_.read_file(file, field, kMaxUsersFileBytes);
  if (!content.ok()) return std::move(content).status();
  entry_.users_fingerprint = (*context_.hash)(AsBytes(*content));
  auto users = frontdoor::UserTable::Parse(*content, *context_.random);
  SecureErase({reinterpret_cast<uint8_t*>(content->data()), content->size()});
  if (!users.ok()) {
    violations_.push_back({field, std::string(users.status().message())});
    return absl::OkStatus();
  }
  if ((*users)->size() == 0) {
    v1::Warning& warning = warnings_.emplace_back();
    warning.set_field(field);
    warning.set_reason("NO_USERS");
    warning.set_message("the file has no users: nobody can use the port");
  }
  entry_.users = *std::move(users);
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveEntry(const v1::Object& object, const std::string& prefix, const PlanContext& context, Entry& entry,
                          std::vector<v1::Warning>& warnings, Violations& violations) {
  return EntryResolver(object, prefix, context, entry, warnings, violations).Run();
}

}  // namespace culvert::server
