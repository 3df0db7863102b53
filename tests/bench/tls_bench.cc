// What TLS costs: handshakes of both ends together, sealing and opening, and bytes held by an idle connection.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/tls/tls_connection.h"
#include "core/tls/tls_context.h"
#include "tests/testing/certificate_maker.h"

namespace culvert::tls {
namespace {

// Bytes from one end to the other, in memory that is reused.
struct Pipe {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(64 << 10);
  size_t begin = 0, end = 0;
};

class PipeEnd final : public Transport {
 public:
  PipeEnd(Pipe& in, Pipe& out) : in_(in), out_(out) {}
  size_t Read(ByteSpan out) override {
    const size_t size = std::min(out.size(), in_.end - in_.begin);
    std::copy_n(in_.bytes.data() + in_.begin, size, out.data());
    in_.begin += size;
    if (in_.begin == in_.end) in_.begin = in_.end = 0;
    return size;
  }
  size_t Write(ByteView bytes) override {
    const size_t size = std::min(bytes.size(), out_.bytes.size() - out_.end);
    std::copy_n(bytes.data(), size, out_.bytes.data() + out_.end);
    out_.end += size;
    return size;
  }
  bool AtEnd() const override { return false; }

 private:
  Pipe& in_;
  Pipe& out_;
};

struct Link {
  Link(const std::shared_ptr<const TlsContext>& client_context, const std::shared_ptr<const TlsContext>& server_context,
       SessionCache* cache)
      : client(client_context, {.server_name = "far.example", .cache = cache}, client_end),
        server(server_context, {}, server_end) {}
  bool Handshake() {
    for (int i = 0; i < 4; ++i) {
      if (client.Advance() == TlsConnection::Progress::kFailed) return false;
      if (server.Advance() == TlsConnection::Progress::kFailed) return false;
    }
    uint8_t byte;
    return client.Read({&byte, 1}) == 0 && client.failure() == TlsFailure::kNone;  // takes the tickets
  }

  Pipe up, down;
  PipeEnd client_end{down, up}, server_end{up, down};
  TlsConnection client, server;
};

struct Contexts {
  explicit Contexts(testing::KeyKind key = testing::KeyKind::kP256) {
    const testing::Certificate ca = testing::MakeCa("ca");
    const testing::Certificate leaf = testing::MakeCertificate({.names = {"far.example"}, .key = key}, &ca);
    TlsOptions options;
    options.trust_pem = ca.certificate_pem;
    client = *TlsContext::Create(options);
    options = {.role = Role::kServer};
    options.certificate_pem = leaf.chain_pem;
    options.private_key_pem = AsBytes(leaf.private_key_pem);
    server = *TlsContext::Create(options);
  }
  std::shared_ptr<const TlsContext> client, server;
};

// Argument: 0 P-256, 1 RSA 2048 for the server's key.
void TlsFullHandshake(benchmark::State& state) {
  const Contexts contexts(state.range(0) == 0 ? testing::KeyKind::kP256 : testing::KeyKind::kRsa2048);
  for (auto _ : state) {
    Link link(contexts.client, contexts.server, nullptr);
    if (!link.Handshake()) state.SkipWithError("no handshake");
  }
}
BENCHMARK(TlsFullHandshake)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

void TlsResumedHandshake(benchmark::State& state) {
  const Contexts contexts;
  SessionCache cache;
  Link first(contexts.client, contexts.server, &cache);
  if (!first.Handshake()) state.SkipWithError("no handshake");
  for (auto _ : state) {
    Link link(contexts.client, contexts.server, &cache);
    if (!link.Handshake() || !link.client.info().resumed) state.SkipWithError("not resumed");
  }
}
BENCHMARK(TlsResumedHandshake)->Unit(benchmark::kMicrosecond);

// Argument: bytes per record. Both ends on this thread, with one copy into and one out of the pipe.
void TlsSealAndOpen(benchmark::State& state) {
  const Contexts contexts;
  Link link(contexts.client, contexts.server, nullptr);
  if (!link.Handshake()) state.SkipWithError("no handshake");
  std::vector<uint8_t> in(static_cast<size_t>(state.range(0)), 'x'), out(in.size());
  for (auto _ : state) {
    if (link.client.Write(in) != in.size() || link.server.Read(out) != in.size()) state.SkipWithError("lost bytes");
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(TlsSealAndOpen)->Arg(64)->Arg(1200)->Arg(16384);

void TlsSeal(benchmark::State& state) {
  const Contexts contexts;
  Link link(contexts.client, contexts.server, nullptr);
  if (!link.Handshake()) state.SkipWithError("no handshake");
  const std::vector<uint8_t> in(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    if (link.client.Write(in) != in.size()) state.SkipWithError("did not seal");
    link.up.begin = link.up.end = 0;
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(TlsSeal)->Arg(1200)->Arg(16384);

// Of one end, after its handshake and some traffic, without what the transport keeps.
void TlsIdleBytes(benchmark::State& state) {
  const Contexts contexts;
  constexpr size_t kLinks = 200;
  size_t each = 0;
  for (auto _ : state) {
    std::vector<std::unique_ptr<Link>> links;
    links.reserve(kLinks);
    const size_t before = mallinfo2().uordblks;
    size_t pipes = 0;
    for (size_t i = 0; i < kLinks; ++i) {
      links.push_back(std::make_unique<Link>(contexts.client, contexts.server, nullptr));
      if (!links.back()->Handshake()) state.SkipWithError("no handshake");
      std::vector<uint8_t> bytes(16384);
      if (links.back()->client.Write(bytes) != links.back()->server.Read(bytes)) state.SkipWithError("lost bytes");
      for (Pipe* pipe : {&links.back()->up, &links.back()->down}) std::vector<uint8_t>().swap(pipe->bytes);
      pipes += sizeof(Link) - 2 * sizeof(TlsConnection);
    }
    each = (mallinfo2().uordblks - before - pipes) / (2 * kLinks);
  }
  state.counters["bytes"] = static_cast<double>(each);
}
BENCHMARK(TlsIdleBytes)->Iterations(1);

}  // namespace
}  // namespace culvert::tls
