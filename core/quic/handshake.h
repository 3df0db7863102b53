// The TLS side of a QUIC connection: an SSL object whose secrets and handshake bytes go to an ngtcp2_conn (RFC 9001 section 4).
// For .cc files of this folder.
// Thread: owned by one worker.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <memory>
#include <string>

#include "core/tls/handshake_hooks.h"
#include "core/tls/tls_connection.h"

namespace culvert::quic {

class Handshake {
 public:
  struct Options {
    std::shared_ptr<const tls::TlsContext> context;
    std::string server_name;              // client
    tls::SessionCache* tickets = nullptr; // client
    int64_t (*wall_clock)() = nullptr;
    bool early_data = false;
    ByteView early_data_terms;            // server: what early data relies on; under others than these none is taken
    // Server with early data: whether a ClientHello with this random may bring some.
    bool (*admits_early_data)(void* owner, ByteView random) = nullptr;
    void* early_data_owner = nullptr;
  };

  explicit Handshake(const Options& options);
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // Makes this the TLS of `conn`, which must live as long.
  void AttachTo(ngtcp2_conn* conn);
  // Client: whether what it sends before the handshake is done will be 0-RTT, if the server agrees.
  [[nodiscard]] bool offers_early_data() const { return offers_early_data_; }
  [[nodiscard]] bool is_early_data_accepted() const { return SSL_early_data_accepted(ssl_.get()) != 0; }
  // Under which this connection's tickets are kept.
  [[nodiscard]] std::string ticket_key() const { return tls::TicketKey(state_); }

  // After the handshake: 0, or the alert with which a resumed client must be refused (then TakeLocalFailure says why).
  [[nodiscard]] uint8_t JudgeResumedClient() { return tls::JudgeResumedClient(ssl_.get(), state_); }
  [[nodiscard]] tls::TlsInfo Describe() const { return tls::DescribeHandshake(ssl_.get(), state_); }

  struct Failure {
    std::string reason;   // the API's
    std::string message;
  };
  // What our side found wrong; to be asked once, right after ngtcp2 said that the handshake failed.
  [[nodiscard]] Failure TakeLocalFailure();
  // What the peer's alert means.
  [[nodiscard]] static Failure FailureFromAlert(uint8_t alert);

 private:
  std::shared_ptr<const tls::TlsContext> context_;
  tls::HandshakeState state_;
  bssl::UniquePtr<SSL> ssl_;
  bool offers_early_data_ = false;
};

}  // namespace culvert::quic
