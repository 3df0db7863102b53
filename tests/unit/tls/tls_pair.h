// Two TLS connections in one process, joined by a transport whose size, chunks and faults a test decides.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/tls/tls_connection.h"
#include "core/tls/tls_context.h"
#include "tests/testing/certificate_maker.h"

namespace culvert::tls {

// Bytes on their way in one direction.
struct Wire {
  std::vector<uint8_t> bytes;
  size_t read = 0;     // of `bytes`
  size_t written = 0;  // in all
  bool ended = false;
  size_t capacity = std::numeric_limits<size_t>::max();
  size_t max_write = std::numeric_limits<size_t>::max();  // taken by one call
  size_t max_read = std::numeric_limits<size_t>::max();   // given by one call

  size_t size() const { return bytes.size() - read; }
};

class WireEnd final : public Transport {
 public:
  WireEnd(Wire& in, Wire& out) : in_(in), out_(out) {}
  size_t Read(ByteSpan out) override;
  size_t Write(ByteView bytes) override;
  bool AtEnd() const override { return in_.ended && in_.size() == 0; }

 private:
  Wire& in_;
  Wire& out_;
};

using ContextPtr = std::shared_ptr<const TlsContext>;

// The context, or a failed test and a program that ends: for options that are right.
ContextPtr MakeContext(const TlsOptions& options);

// A CA and a server certificate for far.example with it; options that fit one another.
struct Identity {
  Identity();
  testing::Certificate ca = testing::MakeCa("test CA");
  testing::Certificate leaf;

  TlsOptions ServerOptions() const;
  TlsOptions ClientOptions() const;
};
// The certificate and key of a server or a client. `from` must outlive the options.
void UseCertificate(TlsOptions& options, const testing::Certificate& from);

class TlsPair {
 public:
  TlsPair(ContextPtr client, ContextPtr server,
          const TlsConnectionOptions& client_options = {.server_name = "far.example"},
          const TlsConnectionOptions& server_options = {});

  // Lets both go on until neither can. True: both are done.
  bool Handshake();
  // As Handshake, and the test fails if it does.
  void MustConnect();

  // Writes all of `bytes` at one end and reads it at the other; true: it arrived as it was.
  bool Carries(TlsConnection& from, TlsConnection& to, const std::string& bytes);

  Wire to_server, to_client;
  WireEnd client_end{to_client, to_server};
  WireEnd server_end{to_server, to_client};
  std::unique_ptr<TlsConnection> client, server;

 private:
  // Written and waiting in both directions: what changes when anything happens.
  using State = std::array<size_t, 4>;
  State Now() const;
};

// Everything `connection` can read now.
std::string ReadAll(TlsConnection& connection);

}  // namespace culvert::tls
