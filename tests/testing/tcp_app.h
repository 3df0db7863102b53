// Both ends of the conversations that tests hold through a tunnel: handlers for TcpServer, and the client's half.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/base/address.h"
#include "core/base/time.h"
#include "tests/testing/tcp_server.h"

namespace culvert::testing {

// Sends back what it gets until the client finishes, then ends.
TcpServer::Handler EchoHandler();
// Speaks first, then echoes.
TcpServer::Handler GreetingHandler(std::string greeting);
// Reads everything and answers nothing.
TcpServer::Handler SinkHandler();

// Exchange: the client says how many bytes go each way, both go at the same time, each side checks what it gets, and the
// server confirms. Then one of them ends the connection.
//   client: | up bytes 8 | down bytes 8 | seed 8 | closer 1 |  then `up` bytes of pattern seed
//   server: `down` bytes of pattern seed + 1, then "K"
enum class Closer : uint8_t { kClient, kServer };
struct ExchangeRequest {
  uint64_t up_bytes = 0;
  uint64_t down_bytes = 0;
  uint64_t seed = 1;
  Closer closer = Closer::kClient;
};
TcpServer::Handler ExchangeHandler();
// Both in one, as a tunnel has one destination: the client's first byte chooses, kEchoMode or kExchangeMode.
TcpServer::Handler ChoiceHandler();
inline constexpr std::string_view kEchoMode = "E";
inline constexpr std::string_view kExchangeMode = "X";

struct ClientOptions {
  SocketAddress to;
  bool chooses = false;                       // the server is a ChoiceHandler
  Duration limit = TcpStream::kDefaultLimit;  // of each call that waits
};
// Sends `bytes` of pattern, reads them back and checks them, ends.
absl::Status RunEcho(const ClientOptions& options, uint64_t bytes, uint64_t seed);
// Several sizes one after the other over one connection.
absl::Status RunEchoes(const ClientOptions& options, const std::vector<uint64_t>& sizes, uint64_t seed);
// Waits for the greeting without saying anything, then echoes a little.
absl::Status RunGreeted(const ClientOptions& options, const std::string& greeting);
absl::Status RunExchange(const ClientOptions& options, const ExchangeRequest& request);

// Runs `client` `count` times at the same time, numbered from 0. The first error, with its number.
absl::Status RunTogether(int count, const std::function<absl::Status(int number)>& client);

}  // namespace culvert::testing
