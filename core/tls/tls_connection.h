// TlsConnection: one end of a TLS 1.3 connection over any ordered byte transport. It starts no thread, reads no socket and never
// waits: each call does what the bytes at hand allow, taking sealed bytes from a Transport and giving it others.
//
//   handshake   Advance until it says kDone or kFailed, again whenever the transport has become readable or writable
//   then        Read and Write; Finish says that we send no more, which the peer learns (close_notify), while Read goes on
//   the end     AtEnd: the peer finished in order. IsTruncated: its transport ended without that, so bytes may be missing
//
// The clock for certificates is the system's wall clock, read once per handshake by `WallClock` of the options.
// Thread: owned by one worker.
// Source: RFC 8446; half-close as in section 6.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/tls/session_cache.h"
#include "core/tls/tls_context.h"

namespace culvert::tls {

// The ordered, sealed bytes below.
class Transport {
 public:
  // Fills a prefix of `out` and returns its length; 0: nothing now.
  [[nodiscard]] virtual size_t Read(ByteSpan out) = 0;
  // Takes a prefix of `bytes` and returns its length; 0: full now.
  [[nodiscard]] virtual size_t Write(ByteView bytes) = 0;
  // No byte will come any more.
  [[nodiscard]] virtual bool AtEnd() const = 0;

 protected:
  ~Transport() = default;
};

// Why a connection failed. The names are the API's reasons.
enum class TlsFailure : uint8_t {
  kNone,
  kAlert,             // TLS_ALERT: the peer refused us; the message holds the alert's name
  kPeerRejected,      // PEER_IDENTITY_REJECTED: we refused the peer's certificate: unknown CA, wrong name, expired, not pinned, missing
  kProtocol,          // TLS_PROTOCOL: what came is not TLS 1.3, has no common ALPN, or is damaged
  kTruncated,         // TLS_TRUNCATED: the transport ended inside the handshake
};
std::string_view TlsFailureName(TlsFailure failure);  // "TLS_ALERT", ...

struct TlsConnectionOptions {
  // Client: SNI (not sent for an IP address) and the name to verify; may be an IP address. REQUIRED unless nothing is verified.
  std::string server_name;
  SessionCache* cache = nullptr;     // client: resumes from it and stores into it; must outlive the connection. nullptr: no resumption
  int64_t (*wall_clock)() = nullptr;  // Unix seconds, for validity; nullptr: the system's
  // Records sealed with one key before the next key is used (RFC 8446 section 5.5 allows AES-GCM 2^24.5 full ones). At least 1.
  uint64_t records_per_key = uint64_t{1} << 24;
};

struct TlsInfo {
  std::string_view version;          // "TLSv1.3", static storage
  std::string_view cipher;           // "TLS_AES_128_GCM_SHA256", ..., static storage
  std::string alpn;                  // empty: none agreed
  std::string server_name;           // as asked for by the client
  bool resumed = false;
  std::string peer_name;             // subject of the peer's leaf; empty: it showed none
};

class TlsConnection {
 public:
  enum class Progress : uint8_t { kWaiting, kDone, kFailed };

  // `transport` must outlive the connection; it may move no bytes before the first Advance.
  TlsConnection(std::shared_ptr<const TlsContext> context, const TlsConnectionOptions& options, Transport& transport);
  ~TlsConnection();
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;

  // Goes on with the handshake; afterwards it only answers kDone. A failure has offered the transport its alert.
  [[nodiscard]] Progress Advance();
  // kNone: it has not failed.
  [[nodiscard]] TlsFailure failure() const;
  // For people: what failed and why, in one line, free of control characters and secrets.
  [[nodiscard]] const std::string& failure_message() const;
  // REQUIRES: the handshake is done.
  [[nodiscard]] const TlsInfo& info() const;

  // Also what tickets and a refusal after the handshake come by (a server judges a client's certificate after the client is done),
  // so call it whenever the transport is readable, with room for a byte at least.
  // Opens what has come, into a prefix of `out`, several records if they fit; returns its length. 0: nothing now, see AtEnd,
  // IsTruncated and failure.
  [[nodiscard]] size_t Read(ByteSpan out);
  // The peer finished in order and everything was read.
  [[nodiscard]] bool AtEnd() const;
  // The transport ended before the peer had finished, or the connection failed after its handshake (see failure): bytes may be
  // missing. Everything that could be opened was read.
  [[nodiscard]] bool IsTruncated() const;

  // Seals and sends a prefix of `bytes` and returns its length. 0: the transport is full; call FlushWrites, or this, when it has room.
  // Whatever was taken is sealed; what the transport did not take of that is kept here, less than two records.
  [[nodiscard]] size_t Write(ByteView bytes);
  // Offers the transport what is kept. True: nothing is left.
  bool FlushWrites();
  [[nodiscard]] bool HasPendingWrites() const;
  // No more Write: sends close_notify, after the handshake if that still goes on. The other direction goes on. A client that
  // finishes before it has read the server's tickets gets none.
  void Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::tls
