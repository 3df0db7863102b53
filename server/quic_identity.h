// QuicIdentity: what all QUIC listeners and dialers of the daemon share and no object declares, kept in the state directory:
//
//   quic-certificate.pem   key and self-signed certificate for listeners without a tls block; its pin stays for good
//   quic-keys              reset key and token keys (core/quic/endpoint_keys.h)
//
// A file that is damaged is set aside, said so, and made anew. What cannot be kept is held in memory, and shared() says why.
// Thread: the control thread, once that runs; what shared() returns may go anywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/base/random.h"
#include "core/quic/endpoint_keys.h"
#include "core/tls/tls_context.h"
#include "server/state_dir.h"

namespace culvert::server {

// Immutable; another one takes its place when something changes.
struct QuicShared {
  std::shared_ptr<quic::EndpointKeys> keys;
  std::shared_ptr<const tls::TlsContext> server_tls;
  std::string why_not_kept;  // why the state ends with this daemon; empty: it is kept
};

class QuicIdentity {
 public:
  static constexpr int64_t kCertificateDays = 3652;  // ten years
  static constexpr int64_t kRenewBeforeDays = 365;
  static constexpr char kCertificateFile[] = "quic-certificate.pem";
  static constexpr char kKeysFile[] = "quic-keys";

  // `state`: nullptr: in memory, for the reason `why_in_memory`. `random` must outlive it. Errors: INTERNAL when no certificate can
  // be made.
  static absl::StatusOr<std::unique_ptr<QuicIdentity>> Create(std::unique_ptr<StateDir> state, std::string why_in_memory,
                                                              RandomSource& random, int64_t unix_seconds);
  ~QuicIdentity();

  // Never null.
  const std::shared_ptr<const QuicShared>& shared() const { return shared_; }
  // To be called every hour or so: turns token keys over, renews the certificate long before it expires, and tries again to keep
  // what could not be kept before.
  void Renew(int64_t unix_seconds);

 private:
  // A file of the state directory that holds what is in memory, or does not, for a reason.
  struct Kept {
    const char* const name;
    bool is_saved = true;
    std::string why_not;
  };

  QuicIdentity(std::unique_ptr<StateDir> state, std::string why_in_memory, RandomSource& random)
      : state_(std::move(state)), why_in_memory_(std::move(why_in_memory)), random_(random) {}

  absl::Status LoadCertificate(int64_t unix_seconds);
  absl::Status MakeCertificate(int64_t unix_seconds);
  void LoadKeys(int64_t unix_seconds);
  void SaveCertificate();
  void SaveKeys();
  // The file's content; empty: it is missing or was set aside, or the folder cannot be read and is not used any more.
  std::string ReadOrSetAside(const char* name, size_t max_bytes);
  void SetAside(const char* name, const std::string& why);
  void Save(Kept& kept, ByteView content);
  void Publish();

  std::unique_ptr<StateDir> state_;
  std::string why_in_memory_;
  RandomSource& random_;
  Kept certificate_file_{kCertificateFile};
  Kept keys_file_{kKeysFile};
  std::string private_key_pem_;
  std::string certificate_pem_;
  std::shared_ptr<const tls::TlsContext> server_tls_;
  std::shared_ptr<quic::EndpointKeys> keys_;
  std::shared_ptr<const QuicShared> shared_;
};

}  // namespace culvert::server
