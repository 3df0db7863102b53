// StandingCalls: the streams under way over TCP and what each needs. A call is judged when it begins, and a unary one ends soon; a stream
// may go on for an hour, and who loses the role that it needs must not go on reading it, or sending through it, until then. On the Unix
// socket callers are sent away as a whole (unix_door.h).
// Thread: any.
#pragma once

#include <grpcpp/server_context.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>

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

  // Of a stream that was admitted with a message of `request`. Its caller is judged once more, so that no change of the policy falls
  // between the two. Errors: those of AdmitTo.
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

  std::mutex mutex_;
  std::list<Standing> all_;  // guarded by mutex_
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
