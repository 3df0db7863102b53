// Resolver: name lookups, which block, on a few threads of their own, so that one slow name holds up neither a worker nor
// the other names. Answers are kept for 30 s; who asks for a name that is being looked up shares its answer.
// Thread: any. Must outlive those who ask; callbacks that have not come when it goes never come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/base/time.h"

namespace culvert::server {

class Resolver {
 public:
  using Addresses = std::vector<IpAddress>;  // in the order of preference, not empty
  using Callback = std::function<void(absl::StatusOr<Addresses>)>;
  using Lookup = std::function<absl::StatusOr<Addresses>(const std::string& host)>;
  using Clock = std::function<TimePoint()>;

  struct Options {
    size_t threads = 4;
    size_t max_waiting_names = 1024;
    size_t max_cached_names = 1024;
    Duration cache_time = std::chrono::seconds(30);
    Lookup lookup;  // empty: the operating system's
    Clock clock;    // empty: the monotonic clock
  };

  Resolver() : Resolver(Options{}) {}
  explicit Resolver(Options options);
  // Lookups under way are left behind; they end when the operating system gives up.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // The answer if it needs no lookup: `host` is an address, or its name is cached and was looked up at most `max_age` ago.
  [[nodiscard]] std::optional<Addresses> ResolveNow(const std::string& host, Duration max_age = kInfiniteDuration);
  // Looks the name up; `done` is called on a thread of the resolver. False, and no effect: too many names wait.
  // Errors told to `done`: UNAVAILABLE "resolve db.example: name or service not known".
  [[nodiscard]] bool Resolve(const std::string& host, Callback done);

 private:
  struct State;
  static void RunThread(const std::shared_ptr<State>& state, size_t index);

  std::shared_ptr<State> state_;  // shared with the threads, which may be left behind
  std::vector<std::thread> threads_;
};

}  // namespace culvert::server
