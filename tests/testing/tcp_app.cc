#include "tests/testing/tcp_app.h"

#include <array>
#include <thread>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/wire_integer.h"

namespace culvert::testing {
namespace {

constexpr size_t kRequestBytes = 25;
constexpr size_t kEchoChunkBytes = 64 * 1024;

void Echo(TcpStream& stream) {
  std::vector<uint8_t> buffer(kEchoChunkBytes);
  for (;;) {
    const absl::StatusOr<size_t> size = stream.Read(buffer);
    if (!size.ok() || *size == 0) return;
    if (!stream.Write(ByteView(buffer).first(*size)).ok()) return;
  }
}

void Exchange(TcpStream& stream) {
  std::array<uint8_t, kRequestBytes> head;
  // Long transfers are bounded by the client's limit, not by ours.
  stream.SetLimit(std::chrono::minutes(10));
  if (!stream.ReadExactly(head).ok()) return;
  const uint64_t seed = LoadU64(&head[16]);
  if (!stream.Transfer(LoadU64(&head[8]), seed + 1, LoadU64(&head[0]), seed).ok()) return;
  if (!stream.Write("K").ok()) return;
  if (head[24] == static_cast<uint8_t>(Closer::kClient)) (void)stream.ReadToEnd();
}

absl::StatusOr<TcpStream> Open(const ClientOptions& options, std::string_view mode) {
  CULVERT_ASSIGN_OR_RETURN(TcpStream stream, TcpStream::Connect(options.to, options.limit));
  stream.SetLimit(options.limit);
  if (options.chooses) CULVERT_RETURN_IF_ERROR(stream.Write(mode));
  return stream;
}

}  // namespace

TcpServer::Handler EchoHandler() { return Echo; }

TcpServer::Handler GreetingHandler(std::string greeting) {
  return [greeting = std::move(greeting)](TcpStream& stream) {
    if (stream.Write(greeting).ok()) Echo(stream);
  };
}

TcpServer::Handler SinkHandler() {
  return [](TcpStream& stream) { (void)stream.ReadToEnd(); };
}

TcpServer::Handler ExchangeHandler() { return Exchange; }

TcpServer::Handler ChoiceHandler() {
  return [](TcpStream& stream) {
    const absl::StatusOr<std::string> mode = stream.ReadText(1);
    if (!mode.ok()) return;
    if (*mode == kEchoMode) Echo(stream);
    if (*mode == kExchangeMode) Exchange(stream);
  };
}

absl::Status RunEcho(const ClientOptions& options, uint64_t bytes, uint64_t seed) {
  return RunEchoes(options, {bytes}, seed);
}

absl::Status RunEchoes(const ClientOptions& options, const std::vector<uint64_t>& sizes, uint64_t seed) {
  CULVERT_ASSIGN_OR_RETURN(TcpStream stream, Open(options, kEchoMode));
  for (const uint64_t size : sizes) {
    if (const absl::Status status = stream.Transfer(size, seed, size, seed); !status.ok()) {
      return absl::Status(status.code(), absl::StrFormat("echo of %u: %s", size, std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

absl::Status RunGreeted(const ClientOptions& options, const std::string& greeting) {
  CULVERT_ASSIGN_OR_RETURN(TcpStream stream, TcpStream::Connect(options.to, options.limit));
  stream.SetLimit(options.limit);
  CULVERT_ASSIGN_OR_RETURN(const std::string heard, stream.ReadText(greeting.size()));
  if (heard != greeting) return absl::DataLossError("the greeting differs");
  return stream.Transfer(1000, 5, 1000, 5);
}

absl::Status RunExchange(const ClientOptions& options, const ExchangeRequest& request) {
  CULVERT_ASSIGN_OR_RETURN(TcpStream stream, Open(options, kExchangeMode));
  std::array<uint8_t, kRequestBytes> head;
  StoreU64(&head[0], request.up_bytes);
  StoreU64(&head[8], request.down_bytes);
  StoreU64(&head[16], request.seed);
  head[24] = static_cast<uint8_t>(request.closer);
  CULVERT_RETURN_IF_ERROR(stream.Write(head));
  CULVERT_RETURN_IF_ERROR(stream.Transfer(request.up_bytes, request.seed, request.down_bytes, request.seed + 1));
  std::array<uint8_t, 1> confirmation{};
  CULVERT_RETURN_IF_ERROR(stream.ReadExactly(confirmation));
  if (confirmation[0] != 'K') return absl::DataLossError("the server did not confirm");
  if (request.closer == Closer::kClient) return absl::OkStatus();
  CULVERT_ASSIGN_OR_RETURN(const uint64_t more, stream.ReadToEnd());
  return more == 0 ? absl::OkStatus() : absl::DataLossError("bytes after the end");
}

absl::Status RunTogether(int count, const std::function<absl::Status(int number)>& client) {
  std::vector<absl::Status> results(static_cast<size_t>(count));
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] { results[static_cast<size_t>(i)] = client(i); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) {
      return absl::Status(results[i].code(),
                          absl::StrFormat("number %u of %d: %s", i, count, std::string(results[i].message())));
    }
  }
  return absl::OkStatus();
}

}  // namespace culvert::testing
