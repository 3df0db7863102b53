// RunningState: what belongs to a table that is in force: sockets of listeners, configurations of workers, counters of
// earlier incarnations, memory of conditions.
// Thread: the control thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "server/change_plan.h"
#include "server/config.h"
#include "server/listener_sockets.h"
#include "server/object_table.h"
#include "server/report_collector.h"
#include "server/status_view.h"

namespace culvert::server {

class RunningState {
 public:
  // `binder` outlives it.
  RunningState(SocketBinder& binder, size_t workers) : binder_(binder), workers_(workers) {}

  // What a planned table needs before it can be in force. Dropping it undoes everything.
  struct Prepared {
    std::map<std::string, std::shared_ptr<BoundListener>> sockets;  // of every listener of the table
    std::vector<ObjectId> new_listeners;                            // whose sockets the workers do not have yet
    std::shared_ptr<const Routing> routing;
  };
  // Binds what is not bound, in the order of `plan.results` so that the error names the first address at fault.
  absl::StatusOr<Prepared> Prepare(const ChangePlan& plan, bool is_apply);
  // The handles of `prepared.new_listeners` for one worker.
  static absl::StatusOr<std::vector<ListenerSocket>> HandlesFor(const Prepared& prepared, size_t worker);
  // `plan` is in force; `gone` are the final counters of what went. An object that goes on under another incarnation keeps
  // what it had counted.
  void Commit(const ChangePlan& plan, Prepared prepared, const WorkerReport& gone);

  const BoundListener* SocketsOf(const std::string& listener) const;
  // Object with status; `report` may lack it, when it is new. `reload_fault`: see status_view.h.
  v1::Object View(const Entry& entry, const MergedReport& report, const std::string& reload_fault = "");
  // A deleted object as it was, with its final counters.
  v1::Object FinalView(const Entry& entry, const WorkerReport& gone);

 private:
  using Config = std::variant<std::shared_ptr<const ListenerConfig>, std::shared_ptr<const DialerConfig>,
                              std::shared_ptr<const ForwardConfig>>;
  struct Cached {
    EntryPtr entry;  // the configuration is that of this very entry
    Config config;
  };
  std::shared_ptr<const Routing> BuildRouting(const ObjectTable& table, const Prepared& prepared);

  SocketBinder& binder_;
  const size_t workers_;
  std::map<std::string, std::shared_ptr<BoundListener>> sockets_;  // by listener
  std::map<ObjectKey, Cached> configs_;
  std::map<ObjectKey, ObjectCounters> carried_;  // of earlier incarnations
  std::map<ObjectKey, ConditionMemory> conditions_;
};

// The counters of one object in a report; zeros when it is not there.
ObjectCounters CountersIn(const std::map<std::string, ObjectCounters>& listeners,
                          const std::map<std::string, ObjectCounters>& dialers,
                          const std::map<std::string, ObjectCounters>& forwards, const ObjectKey& key);

}  // namespace culvert::server
