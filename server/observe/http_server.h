// HttpServer: a few pages over HTTP/1.1 without TLS, for probes and for who scrapes metrics. GET only; every answer closes its connection, so
// that nobody keeps one of the few threads.
// Thread: pages are called on its own threads, several at once.
// Limits: kThreads requests at a time, kMaxWaiting connections beside them, then the kernel's queue; kMostSeconds for a request or an answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/observe/http_answer.h"

namespace culvert::server {

class HttpServer {
 public:
  static constexpr size_t kThreads = 8;
  static constexpr size_t kMaxWaiting = 32;
  static constexpr int kMostSeconds = 2;

  using Page = std::function<HttpAnswer()>;
  // `address`: "HOST:PORT", "[HOST]:PORT" or ":PORT" (all addresses); port 0: any. `pages` by their paths.
  // Errors: INVALID_ARGUMENT: no such address; FAILED_PRECONDITION: it cannot be bound.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address, std::map<std::string, Page> pages);

  virtual ~HttpServer() = default;  // requests under way are answered
  [[nodiscard]] virtual int port() const = 0;
};

}  // namespace culvert::server
