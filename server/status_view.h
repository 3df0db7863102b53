// The status of a declared object: from what was declared, what the kernel granted and what the workers count. What it takes is gathered
// on the control thread in no time (RunningState::ViewOf); making messages of ten thousand objects takes a good part of a second, and any
// thread can do it.
// Thread: any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/v1/daemon.pb.h"
#include "server/listener_sockets.h"
#include "server/object_table.h"
#include "server/report_collector.h"

namespace culvert::server {

// Remembers when each condition of an object last changed its status.
class ConditionMemory {
 public:
  // The time of the last change: `now` when `status` differs from the one seen before.
  int64_t TransitionTime(std::string_view type, v1::Condition::Status status, int64_t now_unix_ns);

 private:
  struct Seen {
    std::string type;
    v1::Condition::Status status;
    int64_t since_unix_ns;
  };
  std::mutex mutex_;
  std::vector<Seen> seen_;  // a handful; guarded by mutex_
};

// What there is to say of a listener's sockets. The sockets themselves are no part of a view: who reads a list must not keep a port that was
// let go of meanwhile.
struct BoundAt {
  SocketAddress address;  // with the real port
  std::optional<io::UdpSocket::Granted> granted;
};

// An object at a moment, with all that its status is made of but for the report of that moment.
struct ObjectView {
  EntryPtr entry;
  std::optional<BoundAt> bound;                      // listeners
  std::shared_ptr<const ObjectCounters> carried;     // of earlier incarnations; nullptr: there were none
  std::string reload_fault;                          // why changed files of TLS were not taken; empty: they were

  // A copy of the object without secrets and with its status. `report` may lack it, when it is new.
  [[nodiscard]] v1::Object In(const MergedReport& report) const;
  // The same in place, which saves moving it, and where `object` or `body` is on an arena, most of what making it takes.
  // REQUIRES: empty; `body` is of the kind of the entry.
  void FillInto(const MergedReport& report, v1::Object& object) const;
  void FillInto(const MergedReport& report, v1::Listener& body) const;
  void FillInto(const MergedReport& report, v1::Dialer& body) const;
  void FillInto(const MergedReport& report, v1::Forward& body) const;
};

// The counters of one object in a report; zeros when it is not there.
ObjectCounters CountersIn(const std::map<std::string, ObjectCounters>& listeners, const std::map<std::string, ObjectCounters>& dialers,
                          const std::map<std::string, ObjectCounters>& forwards, const ObjectKey& key);

struct StatusInputs {
  const Entry* entry = nullptr;
  std::optional<BoundAt> bound;                   // listeners
  ObjectCounters counters;                        // all workers, since the object was created
  const std::vector<TargetReport>* targets = nullptr;  // dialers; nullptr: none tried yet
  std::optional<io::UdpSocket::Granted> socket;   // dialers, once they have one
  std::string reload_fault;                       // why changed files of TLS were not taken; empty: they were
  int64_t now_unix_ns = 0;
};

// A copy of the object without secrets and with its status.
v1::Object ObjectWithStatus(const StatusInputs& inputs, ConditionMemory& memory);

// What the conditions of the daemon itself are made of.
struct DaemonState {
  bool has_store = false;
  absl::Status store_health;
  bool has_config_dirs = false;
  std::string rejected_message;  // of changed files; empty: what is in force is what they hold
  size_t pending = 0;            // kept objects that are not in force
  int64_t now_unix_ns = 0;
};
void AddConditions(const DaemonState& state, ConditionMemory& memory, v1::Daemon& daemon);

// What an operator should know about an object, for the daemon's list of warnings: insecure settings, open proxies, certificates that are not
// valid or not taken, buffers below what was asked for.
void AppendWarnings(const Entry& entry, const std::optional<BoundAt>& bound, const std::string& reload_fault, int64_t now_unix_ns,
                    std::vector<v1::Warning>& warnings);

}  // namespace culvert::server
