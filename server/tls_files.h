// The files of a tls block and what they amount to: a context for handshakes.
// Thread: the control thread; it waits for a local disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/crypto/keyed_hash.h"
#include "core/tls/tls_context.h"
#include "culvert/v1/config.pb.h"

namespace culvert::server {

inline constexpr size_t kMaxTlsFileBytes = 4 << 20;  // a bundle of all public roots has about 250 KiB

// As ReadCredentialFile (seed_file.h).
using ReadFile = std::function<absl::StatusOr<std::string>(const std::string& path, const std::string& field, size_t max_bytes)>;

// Which end a tls block belongs to.
struct TlsUse {
  tls::Role role = tls::Role::kServer;
  bool insecure = false;           // the spec's flag; of meaning to a dialer only
  std::string path = "spec.tls";   // of the block, in errors
};

// REQUIRES: the object is a listener or dialer.
TlsUse TlsUseOf(const v1::Object& object, std::string path);

// Contents. Erased with the object.
class TlsFiles {
 public:
  TlsFiles() = default;
  TlsFiles(TlsFiles&&) noexcept = default;
  TlsFiles& operator=(TlsFiles&&) noexcept = delete;
  ~TlsFiles();

  std::string certificate;
  std::string private_key;
  std::string trust;
  // Keyed hash of all of them.
  uint64_t fingerprint = 0;
};

// The bundle of the system's roots: $SSL_CERT_FILE, or where Debian keeps it.
std::string SystemTrustFile();
// Whether the system's roots vouch for the peer.
bool UsesSystemTrust(const v1::TlsSpec& spec, const TlsUse& use);

// Reads the files that `spec` names, and the system's roots when they are what it trusts.
// Errors: those of `read`, naming the field.
absl::StatusOr<TlsFiles> ReadTlsFiles(const v1::TlsSpec& spec, const TlsUse& use, const ReadFile& read, const KeyedHash& hash);

// What TlsFiles::fingerprint would be, from hashes of single files: `hash_of` hashes the content of one. Errors: those of
// `hash_of`.
// An empty path stands for no file and hashes as an empty one.
using HashFile = std::function<absl::StatusOr<uint64_t>(const std::string& path, const std::string& field)>;
absl::StatusOr<uint64_t> FingerprintOf(const v1::TlsSpec& spec, const TlsUse& use, const HashFile& hash_of, const KeyedHash& hash);

// A fault of what stands in the files or the block.
struct TlsFault {
  std::string path;         // "spec.tls.private_key_file"
  std::string description;  // never a byte of a file
};

// The context for new handshakes, or what is wrong.
struct TlsResult {
  std::shared_ptr<const tls::TlsContext> context;
  std::optional<TlsFault> fault;
};
TlsResult MakeTlsContext(const v1::TlsSpec& spec, const TlsUse& use, const TlsFiles& files);

}  // namespace culvert::server
