#include "server/running_state.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
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

}  // namespace

// The table and what is in force have one order, so they are walked side by side: a search for each of ten thousand objects would take
// most of the time of a change.
template <typename Visit>
void RunningState::ForEach(const ObjectTable& table, const Visit& visit) const {
  auto known = configs_.begin();
  for (const auto& [key, entry] : table.entries()) {
    while (known != configs_.end() && known->first < key) ++known;
    const bool is_known = known != configs_.end() && known->second.entry == entry;
    visit(key, entry, is_known ? &known->second.config : nullptr);
  }
}

absl::StatusOr<RunningState::Prepared> RunningState::Prepare(const ChangePlan& plan, bool is_apply) {
  Prepared prepared;
  ForEach(plan.table, [&](const ObjectKey& key, const EntryPtr& entry, const Config* config) {
    if (config == nullptr) prepared.fresh.emplace_hint(prepared.fresh.end(), key, Cached{entry, {}});
  });
  for (const ChangeResult& result : plan.results) {
    if (result.key.kind != Kind::kListener || !prepared.fresh.contains(result.key)) continue;
    CULVERT_RETURN_IF_ERROR(PrepareListener(result.key.name, *result.after, BindField(plan, result.key.name, is_apply), prepared));
  }
  for (auto& [key, fresh] : prepared.fresh) {
    if (key.kind == Kind::kListener) CULVERT_RETURN_IF_ERROR(PrepareListener(key.name, *fresh.entry, "spec.bind", prepared));
    fresh.config = MakeConfig(key, *fresh.entry, prepared);
  }

  auto routing = std::make_shared<Routing>();
  routing->drain = drain_;
  ForEach(plan.table, [&](const ObjectKey& key, const EntryPtr&, const Config* known) {
    const Config& config = known != nullptr ? *known : prepared.fresh.at(key).config;
    switch (key.kind) {
      case Kind::kListener:
        routing->listeners.push_back(std::get<std::shared_ptr<const ListenerConfig>>(config));
        routing->own_addresses.push_back(routing->listeners.back()->bind);
        break;
      case Kind::kDialer: routing->dialers.push_back(std::get<std::shared_ptr<const DialerConfig>>(config)); break;
      case Kind::kForward: routing->forwards.push_back(std::get<std::shared_ptr<const ForwardConfig>>(config)); break;
    }
  });
  prepared.routing = std::move(routing);
  return prepared;
}

absl::Status RunningState::PrepareListener(const std::string& name, const Entry& entry, const std::string& field, Prepared& prepared) {
  if (prepared.sockets.contains(name)) return absl::OkStatus();
  const auto known = configs_.find({Kind::kListener, name});
  const bool is_running = known != configs_.end() && known->second.entry->incarnation == entry.incarnation;
  if (!is_running) prepared.new_listeners.push_back({name, entry.incarnation});
  // A listener of that name that was deleted is not in sockets_ any more, so what is there has the same address.
  if (const auto bound = sockets_.find(name); bound != sockets_.end()) {
    prepared.sockets[name] = bound->second;
    return absl::OkStatus();
  }
  auto made = binder_.Bind(entry.object.listener().spec(), workers_, field);
  if (!made.ok()) return std::move(made).status();
  prepared.sockets[name] = *std::move(made);
  return absl::OkStatus();
}

RunningState::Config RunningState::MakeConfig(const ObjectKey& key, const Entry& entry, const Prepared& prepared) {
  switch (key.kind) {
    case Kind::kListener: return ToListenerConfig(entry, prepared.sockets.at(key.name)->address());
    case Kind::kDialer: return ToDialerConfig(entry);
    case Kind::kForward: break;
  }
  return ToForwardConfig(entry);
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
  for (auto& [name, bound] : prepared.sockets) sockets_[name] = std::move(bound);
  for (const ObjectId& id : prepared.new_listeners) {
    const EntryPtr entry = plan.table.Find({Kind::kListener, id.name});
    sockets_.at(id.name)->Steer(entry->object.listener().spec());
  }
  const ObjectTable& table = plan.table;
  auto now = table.entries().begin();
  for (auto known = configs_.begin(); known != configs_.end();) {
    while (now != table.entries().end() && now->first < known->first) ++now;
    if (now != table.entries().end() && now->first == known->first) {
      ++known;
      continue;
    }
    carried_.erase(known->first);
    if (known->first.kind == Kind::kListener) sockets_.erase(known->first.name);
    known = configs_.erase(known);
  }
  for (auto& [key, fresh] : prepared.fresh) {
    const auto [known, is_new] = configs_.try_emplace(key, fresh);
    if (is_new) continue;
    if (known->second.entry->incarnation != fresh.entry->incarnation) {
      ObjectCounters counters = CountersIn(gone.listeners, gone.dialers, gone.forwards, key);
      counters.active = counters.udp_flows = counters.reverse_parked = 0;
      std::shared_ptr<const ObjectCounters>& carried = carried_[key];
      if (carried != nullptr) counters += *carried;
      carried = std::make_shared<const ObjectCounters>(counters);
    }
    known->second = std::move(fresh);
  }
}

std::optional<BoundAt> RunningState::BoundOf(const std::string& listener) const {
  const auto found = sockets_.find(listener);
  if (found == sockets_.end()) return std::nullopt;
  return BoundAt{found->second->address(), found->second->granted()};
}

ObjectView RunningState::ViewOf(const ObjectKey& key, EntryPtr entry, std::string reload_fault) const {
  ObjectView view;
  view.entry = std::move(entry);
  view.reload_fault = std::move(reload_fault);
  if (key.kind == Kind::kListener) view.bound = BoundOf(key.name);
  if (!carried_.empty()) {
    if (const auto carried = carried_.find(key); carried != carried_.end()) view.carried = carried->second;
  }
  return view;
}

v1::Object RunningState::FinalView(const Entry& entry, const WorkerReport& gone) {
  const ObjectKey key = KeyOf(entry.object);
  StatusInputs inputs;
  inputs.entry = &entry;
  inputs.now_unix_ns = io::UnixNanoseconds();
  inputs.counters = CountersIn(gone.listeners, gone.dialers, gone.forwards, key);
  if (const auto carried = carried_.find(key); carried != carried_.end()) inputs.counters += *carried->second;
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
