// The control plane of one fuzz input: the services, their supervisor and a channel to them within the process, with workers and
// sockets that are stand-ins. Everything is new for every input, so that a finding needs nothing but its bytes.
// Thread: the fuzzer's.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/access/call_book.h"
#include "server/access/caller.h"
#include "server/access/standing_calls.h"
#include "server/page.h"
#include "server/services/service_context.h"
#include "server/stats_hub.h"
#include "server/supervisor.h"
#include "tests/unit/server/fakes.h"

namespace culvert::fuzz {

// All that a call may change, as a reader of the API sees it and as it is below.
struct Snapshot {
  std::vector<v1::Object> objects;  // what Export gives; the end of a lease that a ttl says is left out, as every renewal moves it
  std::string bytes;                // of those, and of what is bound, connected and logged
  int64_t revision = 0;

  [[nodiscard]] std::string Text() const;  // for people
};

struct Answer {
  grpc::Status status;
  std::vector<std::string> messages;
  bool is_given_up = false;  // by us, as a stream may go on for ever
};

class ApiWorld {
 public:
  explicit ApiWorld(v1::Role role);
  ~ApiWorld();
  ApiWorld(const ApiWorld&) = delete;
  ApiWorld& operator=(const ApiWorld&) = delete;

  // One call with these requests, of any kind. REQUIRES: at least one request.
  Answer Call(const std::string& method, const std::vector<std::string>& requests);
  Snapshot Take();

 private:
  struct Services;

  bool Wait();

  server::FakeWorker worker_{0};
  server::FakeBinder binder_;
  SeededRandom random_{1};
  const server::PageTokens tokens_{random_};
  server::LogBook logs_;
  server::ControlThread thread_;
  const server::FixedCaller caller_;
  server::StandingCalls standing_;
  std::unique_ptr<server::Supervisor> supervisor_;
  std::unique_ptr<server::StatsHub> hub_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::CompletionQueue queue_;
};

}  // namespace culvert::fuzz
