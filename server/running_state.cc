#include "server/running_state.h"

#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/io/monotonic_clock.h"
#include "server/config_from_proto.h"

namespace culvert::server {
namespace {

// The field of the request that an address came from.
std::string BindField(const ChangePlan& plan, const std::string& listener, bool is_apply) {
  if (is_apply) {
    for (size_t i = 0; i < plan.results.size(); ++i) {
      const ObjectKey& key = plan.results[i].key;
      if (key.kind == Kind::kListener && key.name == listener) return absl::StrFormat("objects[%d].spec.bind", i);
    }
  }
  return "spec.bind";
}

// The listeners of the planned table, those of the request first and in its order.
std::vector<EntryPtr> ListenersInOrder(const ChangePlan& plan) {
  std::vector<EntryPtr> listeners;
  std::set<std::string> seen;
  const auto add = [&](const EntryPtr& entry) {
    if (seen.insert(MetadataOf(entry->object).name()).second) listeners.push_back(entry);
  };
  for (const ChangeResult& result : plan.results) {
    if (result.after != nullptr && result.key.kind == Kind::kListener) add(result.after);
  }
  for (const EntryPtr& entry : plan.table.OfKind(Kind::kListener)) add(entry);
  return listeners;
}

}  // namespace

ObjectCounters CountersIn(const std::map<std::string, ObjectCounters>& listeners,
                          const std::map<std::string, ObjectCounters>& dialers,
                          const std::map<std::string, ObjectCounters>& forwards, const ObjectKey& key) {
  const auto& counters = key.kind == Kind::kListener ? listeners : key.kind == Kind::kDialer ? dialers : forwards;
  const auto found = counters.find(key.name);
  return found == counters.end() ? ObjectCounters() : found->second;
}

absl::StatusOr<RunningState::Prepared> RunningState::Prepare(const ChangePlan& plan, bool is_apply) {
  Prepared prepared;
  for (const EntryPtr& entry : ListenersInOrder(plan)) {
    const v1::Listener& listener = entry->object.listener();
    const std::string& name = listener.metadata().name();
    const auto cached = configs_.find({Kind::kListener, name});
    const bool is_running = cached != configs_.end() && cached->second.entry->incarnation == entry->incarnation;
    if (!is_running) prepared.new_listeners.push_back({name, entry->incarnation});
    const auto bound = sockets_.find(name);
    // A listener of that name that was deleted is not in sockets_ any more, so what is there has the same address.
    if (bound != sockets_.end()) {
      prepared.sockets[name] = bound->second;
      continue;
    }
    auto made = binder_.Bind(listener.spec(), workers_, BindField(plan, name, is_apply));
    if (!made.ok()) return std::move(made).status();
    prepared.sockets[name] = *std::move(made);
  }
  prepared.routing = BuildRouting(plan.table, prepared);
  return prepared;
}

std::shared_ptr<const Routing> RunningState::BuildRouting(const ObjectTable& table, const Prepared& prepared) {
  auto routing = std::make_shared<Routing>();
  for (const auto& [name, bound] : prepared.sockets) routing->own_addresses.push_back(bound->address());
  for (const auto& [key, entry] : table.entries()) {
    const Cached* cached = nullptr;
    if (const auto found = configs_.find(key); found != configs_.end() && found->second.entry == entry) {
      cached = &found->second;
    }
    switch (key.kind) {
      case Kind::kListener:
        routing->listeners.push_back(cached != nullptr
                                         ? std::get<std::shared_ptr<const ListenerConfig>>(cached->config)
                                         : ToListenerConfig(*entry, prepared.sockets.at(key.name)->address()));
        break;
      case Kind::kDialer:
        routing->dialers.push_back(cached != nullptr ? std::get<std::shared_ptr<const DialerConfig>>(cached->config)
                                                     : ToDialerConfig(*entry));
        break;
      case Kind::kForward:
        routing->forwards.push_back(cached != nullptr ? std::get<std::shared_ptr<const ForwardConfig>>(cached->config)
                                                      : ToForwardConfig(*entry));
        break;
    }
  }
  return routing;
}

absl::StatusOr<std::vector<ListenerSocket>> RunningState::HandlesFor(const Prepared& prepared, size_t worker) {
  std::vector<ListenerSocket> handles;
  for (const ObjectId& id : prepared.new_listeners) {
    const BoundListener& bound = *prepared.sockets.at(id.name);
    absl::StatusOr<ListenerSocket> handle = bound.HandleFor(id, worker);
    if (!handle.ok()) return ErrorFromSocket(handle.status(), "spec.bind", bound.address().ToString());
    handles.push_back(*std::move(handle));
  }
  return handles;
}

void RunningState::Commit(const ChangePlan& plan, Prepared prepared, const WorkerReport& gone) {
  sockets_ = std::move(prepared.sockets);
  for (const ObjectId& id : prepared.new_listeners) {
    const EntryPtr entry = plan.table.Find({Kind::kListener, id.name});
    sockets_.at(id.name)->Steer(entry->object.listener().spec());
  }
  std::map<ObjectKey, Cached> configs;
  const auto keep = [&](Kind kind, const auto& list) {
    for (const auto& config : list) {
      const ObjectKey key{kind, config->id.name};
      configs[key] = {plan.table.Find(key), config};
    }
  };
  keep(Kind::kListener, prepared.routing->listeners);
  keep(Kind::kDialer, prepared.routing->dialers);
  keep(Kind::kForward, prepared.routing->forwards);
  for (const auto& [key, cached] : configs_) {
    const auto now = configs.find(key);
    if (now == configs.end()) {
      carried_.erase(key);
      conditions_.erase(key);
    } else if (now->second.entry->incarnation != cached.entry->incarnation) {
      ObjectCounters counters = CountersIn(gone.listeners, gone.dialers, gone.forwards, key);
      counters.active = counters.udp_flows = counters.reverse_parked = 0;
      carried_[key] += counters;
    }
  }
  configs_ = std::move(configs);
}

const BoundListener* RunningState::SocketsOf(const std::string& listener) const {
  const auto found = sockets_.find(listener);
  return found == sockets_.end() ? nullptr : found->second.get();
}

v1::Object RunningState::View(const Entry& entry, const MergedReport& report, const std::string& reload_fault) {
  const ObjectKey key = KeyOf(entry.object);
  StatusInputs inputs;
  inputs.entry = &entry;
  inputs.reload_fault = reload_fault;
  inputs.now_unix_ns = io::UnixNanoseconds();
  inputs.counters = CountersIn(report.listeners, report.dialers, report.forwards, key);
  if (const auto carried = carried_.find(key); carried != carried_.end()) inputs.counters += carried->second;
  if (key.kind == Kind::kListener) inputs.bound = SocketsOf(key.name);
  if (key.kind == Kind::kDialer) {
    if (const auto targets = report.targets.find(key.name); targets != report.targets.end()) inputs.targets = &targets->second;
    if (const auto socket = report.dialer_sockets.find(key.name); socket != report.dialer_sockets.end()) {
      inputs.socket = socket->second;
    }
  }
  return ObjectWithStatus(inputs, conditions_[key]);
}

v1::Object RunningState::FinalView(const Entry& entry, const WorkerReport& gone) {
  const ObjectKey key = KeyOf(entry.object);
  StatusInputs inputs;
  inputs.entry = &entry;
  inputs.now_unix_ns = io::UnixNanoseconds();
  inputs.counters = CountersIn(gone.listeners, gone.dialers, gone.forwards, key);
  if (const auto carried = carried_.find(key); carried != carried_.end()) inputs.counters += carried->second;
  inputs.counters.active = inputs.counters.udp_flows = inputs.counters.reverse_parked = 0;
  ConditionMemory memory;
  v1::Object object = ObjectWithStatus(inputs, memory);
  // Whatever it was able to do, it is gone now.
  if (object.has_listener()) object.mutable_listener()->mutable_status()->set_state(v1::STATE_CLOSED);
  if (object.has_dialer()) object.mutable_dialer()->mutable_status()->set_state(v1::STATE_CLOSED);
  if (object.has_forward()) object.mutable_forward()->mutable_status()->set_state(v1::STATE_CLOSED);
  return object;
}

}  // namespace culvert::server
