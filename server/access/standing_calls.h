// StandingCalls: the streams under way and what each needs. A call is judged when it begins, and a unary one ends soon; a stream may go on
// for an hour, and who loses the role that it needs must not go on reading it, or sending through it, until then. On the Unix socket
// callers are sent away as a whole (unix_door.h).
//
// Of each method a caller has its share of streams, so that one who takes all that it gets leaves some for the others.
// Thread: any.
// Limits: MostOfOneCaller.
#pragma once

#include <grpcpp/server_context.h>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "server/access/caller.h"

namespace culvert::server {

class StandingCalls {
 public:
  // Ends the stream with the status. May be called more than once, and on any thread; never while a lock of ours is held.
  using Revoke = std::function<void(absl::Status)>;

  // A stream's place in the book, which it leaves with this.
  class Ticket;

  StandingCalls() = default;
  StandingCalls(const StandingCalls&) = delete;
  StandingCalls& operator=(const StandingCalls&) = delete;

  // How many streams of the method that takes `request` one caller may have at a time.
  [[nodiscard]] static size_t MostOfOneCaller(const google::protobuf::Descriptor& request);

  // Of a stream that was admitted with a message of `request`. Its caller is judged once more, so that no change of the policy falls
  // between the two. Errors: those of AdmitTo; RESOURCE_EXHAUSTED (LIMIT_EXCEEDED).
  absl::StatusOr<std::unique_ptr<Ticket>> Enter(const CallerSource& source, const grpc::ServerContextBase& call,
                                                const google::protobuf::Descriptor& request, Revoke revoke);
  // The policy is another one.
  void LookAgain(const AccessPolicy& policy);

 private:
  struct Standing {
    Caller caller;
    const google::protobuf::Descriptor* request = nullptr;
    Revoke revoke;
  };

  // By a caller's name.
  using Share = std::pair<std::string, const google::protobuf::Descriptor*>;
  static Share ShareOf(const Standing& one) { return {one.caller.Name(), one.request}; }

  std::mutex mutex_;
  std::list<Standing> all_;         // guarded by mutex_, like all below
  std::map<Share, size_t> counts_;  // none with 0
};

// Ends before its book.
class StandingCalls::Ticket {
 public:
  Ticket(StandingCalls& book, std::list<Standing>::iterator at) : book_(book), at_(at) {}
  ~Ticket();
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

 private:
  StandingCalls& book_;
  const std::list<Standing>::iterator at_;
};

}  // namespace culvert::server
