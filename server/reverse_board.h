// ReverseBoard: streams that private sides have offered for reverse forwards, on one worker, and who waits for one. A stream that is offered
// is accepted and then silent; whoever takes it sends a StreamOpen of its own.
//
// Sessions that offer the same name take turns, so that several private sides share what comes. How many offers each worker has is known
// to all (SessionCounts), so that a connection can be handed to one that has some.
// Thread: confined to one worker.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/session_counts.h"
#include "server/session_streams.h"

namespace culvert::server {

struct WorkerContext;

class ReverseBoard {
 public:
  // Somebody who waits for an offer. With it its place is gone.
  class Waiter {
   public:
    class Owner {
     public:
      // There may be an offer now: Take.
      virtual void OnOffered() = 0;

     protected:
      ~Owner() = default;
    };
    Waiter(ReverseBoard& board, std::string name, Owner& owner);
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   private:
    friend class ReverseBoard;
    ReverseBoard& board_;
    const std::string name_;
    Owner& owner_;
    std::list<Waiter*>::iterator place_;
  };

  explicit ReverseBoard(WorkerContext& context);
  ~ReverseBoard();
  ReverseBoard(const ReverseBoard&) = delete;
  ReverseBoard& operator=(const ReverseBoard&) = delete;

  static constexpr size_t kMaxOffers = 4096;  // of one name

  // False: there are too many.
  [[nodiscard]] bool Offer(const std::string& name, SessionStream stream);
  // An offer for `name`, of the session whose turn it is.
  [[nodiscard]] std::optional<SessionStream> Take(const std::string& name);
  [[nodiscard]] size_t CountOf(const std::string& name) const;
  // The worker with the most offers for `name`, if it is another one and this one has none.
  [[nodiscard]] std::optional<uint32_t> WorkerWithOffers(const std::string& name, uint32_t workers) const;
  // Ends the offers for names that `keeps` does not want any more.
  template <typename Keeps>
  void Prune(Keeps&& keeps) {
    for (auto& [name, board] : names_) {
      if (!keeps(name)) EndAll(name);
    }
  }
  void EndAll(const std::string& name);

 private:
  // One offer: it watches its stream, and goes when that does.
  class Offered;
  struct Name {
    std::map<uint64_t, std::deque<std::unique_ptr<Offered>>> sessions;  // by packed handle of the session
    uint64_t last_session = 0;                                          // who was taken from last
    size_t count = 0;
    SessionCounts::Count everywhere;                                    // of this worker, for the others to see
  };
  Name& At(const std::string& name);
  // Tells who waits longest, if there is an offer.
  void WakeNext(const std::string& name);
  const SessionCounts::Count& CountFor(const std::string& name, uint32_t worker) const;
  void Remove(const std::string& name, uint64_t session, const Offered* offered);

  WorkerContext& context_;
  std::map<std::string, Name> names_;
  mutable std::map<std::pair<std::string, uint32_t>, SessionCounts::Count> counts_;  // by name and worker, so that asking takes no lock
  std::list<Waiter*> waiting_;  // oldest first
};

}  // namespace culvert::server
