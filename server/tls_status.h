// What status, conditions and warnings say of TLS.
// Thread: the control thread.
#pragma once

#include <string>
#include <vector>

#include "core/tls/tls_context.h"
#include "culvert/v1/types.pb.h"
#include "server/object_table.h"
#include "server/worker.h"

namespace culvert::server {

// A condition without its times.
struct TlsCondition {
  const char* type;
  v1::Condition::Status status;
  const char* reason;
  std::string message;
};

// `reload_fault`: why changed files were not taken, empty: they were. REQUIRES: the entry has TLS.
std::vector<TlsCondition> TlsConditions(const Entry& entry, const std::string& reload_fault, int64_t now_unix_ns);
// "Secure": who can tell the peer from an attacker, and by what. REQUIRES: the entry is of transport KCP or QUIC.
TlsCondition SecureCondition(const Entry& entry);
// "StateKept": whether certificate and keys of QUIC outlive the daemon. REQUIRES: a listener of transport QUIC.
TlsCondition StateKeptCondition(const Entry& entry);

v1::TlsStatus ToTlsStatus(const tls::TlsContext& context, const ObjectCounters& counters);

// One warning when our certificate is not valid now: CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID.
void WarnOfCertificate(const tls::TlsContext& context, const std::string& field, int64_t now_unix_ns,
                       std::vector<v1::Warning>& warnings);

}  // namespace culvert::server
