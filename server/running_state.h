// RunningState: what belongs to a table that is in force: sockets of listeners, configurations of workers, counters of
// earlier incarnations.
// Thread: the control thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "server/change_plan.h"
#include "server/config.h"
#include "server/listener_sockets.h"
#include "server/object_table.h"
#include "server/report_collector.h"
#include "server/status_view.h"

namespace culvert::server {

class RunningState {
  using Config = std::variant<std::shared_ptr<const ListenerConfig>, std::shared_ptr<const DialerConfig>,
                              std::shared_ptr<const ForwardConfig>>;
  struct Cached {
    EntryPtr entry;  // the configuration is that of this very entry
    Config config;
  };

 public:
  // `binder` outlives it.
  RunningState(SocketBinder& binder, size_t workers) : binder_(binder), workers_(workers) {}

  // What a planned table needs before it can be in force. Dropping it undoes everything.
  struct Prepared {
    std::map<std::string, std::shared_ptr<BoundListener>> sockets;  // of listeners that are new or changed
    std::vector<ObjectId> new_listeners;                            // whose sockets the workers do not have yet
    std::map<ObjectKey, Cached> fresh;                              // configurations that are not in force yet
    std::shared_ptr<const Routing> routing;
  };
  // What workers are to refuse from the next routing on.
  void set_drain(DrainMode drain) { drain_ = drain; }
  // Binds what is not bound, in the order of `plan.results` so that the error names the first address at fault.
  absl::StatusOr<Prepared> Prepare(const ChangePlan& plan, bool is_apply);
  // The handles of `prepared.new_listeners` for one worker.
  static absl::StatusOr<std::vector<ListenerSocket>> HandlesFor(const Prepared& prepared, size_t worker);
  // `plan` is in force; `gone` are the final counters of what went. An object that goes on under another incarnation keeps
  // what it had counted.
  void Commit(const ChangePlan& plan, Prepared prepared, const WorkerReport& gone);

  std::optional<BoundAt> BoundOf(const std::string& listener) const;
  // What a message with status is made of. `reload_fault`: see status_view.h.
  ObjectView ViewOf(const ObjectKey& key, EntryPtr entry, std::string reload_fault = "") const;
  // A deleted object as it was, with its final counters.
  v1::Object FinalView(const Entry& entry, const WorkerReport& gone);

 private:
  // Calls `visit(key, entry, config)` for each of the table; config: nullptr when this very entry is not in force.
  template <typename Visit>
  void ForEach(const ObjectTable& table, const Visit& visit) const;
  absl::Status PrepareListener(const std::string& name, const Entry& entry, const std::string& field, Prepared& prepared);
  static Config MakeConfig(const ObjectKey& key, const Entry& entry, const Prepared& prepared);

  SocketBinder& binder_;
  const size_t workers_;
  DrainMode drain_ = DrainMode::kNone;
  std::map<std::string, std::shared_ptr<BoundListener>> sockets_;  // by listener
  absl::btree_map<ObjectKey, Cached> configs_;
  std::map<ObjectKey, std::shared_ptr<const ObjectCounters>> carried_;  // of earlier incarnations
};

}  // namespace culvert::server
