#include "tests/unit/tls/tls_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace culvert::tls {

size_t WireEnd::Read(ByteSpan out) {
  const size_t size = std::min({out.size(), in_.size(), in_.max_read});
  std::copy_n(in_.bytes.begin() + static_cast<std::ptrdiff_t>(in_.read), size, out.begin());
  in_.read += size;
  if (in_.read == in_.bytes.size()) {
    in_.bytes.clear();
    in_.read = 0;
  }
  return size;
}

size_t WireEnd::Write(ByteView bytes) {
  const size_t room = out_.size() < out_.capacity ? out_.capacity - out_.size() : 0;
  const size_t size = std::min({bytes.size(), room, out_.max_write});
  out_.bytes.insert(out_.bytes.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  out_.written += size;
  return size;
}

ContextPtr MakeContext(const TlsOptions& options) {
  auto context = TlsContext::Create(options);
  EXPECT_TRUE(context.ok()) << context.status();
  CULVERT_CHECK(context.ok());
  return *context;
}

Identity::Identity() { leaf = testing::MakeLeaf(ca, {"far.example"}); }

void UseCertificate(TlsOptions& options, const testing::Certificate& from) {
  options.certificate_pem = from.chain_pem;
  options.private_key_pem = AsBytes(from.private_key_pem);
}

TlsOptions Identity::ServerOptions() const {
  TlsOptions options;
  options.role = Role::kServer;
  UseCertificate(options, leaf);
  return options;
}

TlsOptions Identity::ClientOptions() const {
  TlsOptions options;
  options.trust_pem = ca.certificate_pem;
  return options;
}

TlsPair::TlsPair(ContextPtr client_context, ContextPtr server_context, const TlsConnectionOptions& client_options,
                 const TlsConnectionOptions& server_options)
    : client(std::make_unique<TlsConnection>(std::move(client_context), client_options, client_end)),
      server(std::make_unique<TlsConnection>(std::move(server_context), server_options, server_end)) {}

TlsPair::State TlsPair::Now() const {
  return State{to_server.written, to_client.written, to_server.size(), to_client.size()};
}

bool TlsPair::Handshake() {
  using Progress = TlsConnection::Progress;
  while (true) {
    const State before = Now();
    const Progress at_client = client->Advance();
    const Progress at_server = server->Advance();
    if (Now() == before) return at_client == Progress::kDone && at_server == Progress::kDone;
  }
}

void TlsPair::MustConnect() {
  ASSERT_TRUE(Handshake()) << "client: " << client->failure_message() << "; server: " << server->failure_message();
}

bool TlsPair::Carries(TlsConnection& from, TlsConnection& to, const std::string& bytes) {
  std::string arrived;
  size_t sent = 0;
  while (arrived.size() < bytes.size()) {
    const State before = Now();
    sent += from.Write(AsBytes(bytes).subspan(sent));
    from.FlushWrites();
    const State written = Now();
    arrived += ReadAll(to);
    if (written == before && Now() == written) break;
  }
  return arrived == bytes;
}

std::string ReadAll(TlsConnection& connection) {
  std::string all;
  std::array<uint8_t, 20000> buffer;
  while (const size_t size = connection.Read(buffer)) all += AsText(ByteView(buffer).first(size));
  return all;
}

}  // namespace culvert::tls
