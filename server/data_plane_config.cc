// Changes of the configuration, and reports.
#include <string>
#include <utility>

#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/data_plane.h"

namespace culvert::server {
namespace {

// The config in `wanted` with the id of `current`, which lives on under it; nullptr: there is none.
template <typename Config>
std::shared_ptr<const Config> Successor(const std::vector<std::shared_ptr<const Config>>& wanted, const ObjectId& current) {
  for (const auto& config : wanted) {
    if (config->id == current) return config;
  }
  return nullptr;
}

}  // namespace

WorkerReport DataPlane::Update(const Routing& routing, std::vector<ListenerSocket> sockets) {
  WorkerReport gone;
  gone.worker = context_.index;
  gone.taken_at = context_.now;
  context_.own_addresses = std::make_shared<const std::vector<SocketAddress>>(routing.own_addresses);
  UpdateListeners(routing, std::move(sockets), gone);
  UpdateDialers(routing, gone);
  UpdateForwards(routing, gone);
  UpdateOffers();
  return gone;
}

void DataPlane::RemoveForward(ForwardRuntime& forward, WorkerReport& gone) {
  EndParties(/*in_order=*/false, [&](const RelayParties& parties) { return parties.forward == &forward; });
  gone.forwards[forward.config->id.name] += forward.tally.counters;
}

void DataPlane::RemoveDialer(DialerRuntime& dialer, WorkerReport& gone) {
  EndParties(/*in_order=*/false, [&](const RelayParties& parties) { return parties.dialer == &dialer; });
  EndOwned(&dialer);
  for (const auto& [name, offers] : offers_) {
    if (offers->forward().config->dialer == dialer.config()->id.name) offers->EndAll();
  }
  connects_.ForEach([&](SlotHandle handle, ConnectRun& run) {
    if (run.dialer() != &dialer) return;
    run.Cancel("the dialer was removed or changed");
    connects_.Erase(handle);
  });
  dialer.Shutdown(CloseReason::kAdmin);
  gone.dialers[dialer.config()->id.name] += dialer.Counters();
  removed_ += dialer.Counters();
}

void DataPlane::RemoveListener(ListenerRuntime& listener, WorkerReport& gone) {
  EndParties(/*in_order=*/false, [&](const RelayParties& parties) { return parties.listener == &listener; });
  EndOwned(&listener);
  listener.Shutdown(CloseReason::kAdmin);
  gone.listeners[listener.config()->id.name] += listener.Counters();
  removed_ += listener.Counters();
}

void DataPlane::UpdateForwards(const Routing& routing, WorkerReport& gone) {
  forward_of_listener_.clear();
  for (auto it = forwards_.begin(); it != forwards_.end();) {
    ForwardRuntime& forward = *it->second;
    if (const auto config = Successor(routing.forwards, forward.config->id)) {
      // Flows go on for days; what they may reach, and how, is what the forward says now.
      const auto& before = forward.config->allowed;
      const bool allows_the_same = config->allowed == before || (config->allowed && before && config->allowed->IsSameAs(*before));
      const bool leads_elsewhere = !allows_the_same || config->dialer != forward.config->dialer ||
                                   config->destination != forward.config->destination || config->reverse != forward.config->reverse ||
                                   config->listener != forward.config->listener;
      if (leads_elsewhere) EndUdpRelays([&](const UdpRelay& relay) { return relay.parties().forward == &forward; });
      forward.config = config;
      forward.destination.target = config->destination;
      ++it;
    } else {
      offers_.erase(it->first);
      RemoveForward(forward, gone);
      it = forwards_.erase(it);
    }
  }
  for (const auto& config : routing.forwards) {
    std::unique_ptr<ForwardRuntime>& forward = forwards_[config->id.name];
    if (!forward) {
      forward = std::make_unique<ForwardRuntime>();
      forward->config = config;
      forward->destination.target = config->destination;
    }
    if (!config->listener.empty()) forward_of_listener_[config->listener] = forward.get();
  }
}

void DataPlane::UpdateDialers(const Routing& routing, WorkerReport& gone) {
  for (auto it = dialers_.begin(); it != dialers_.end();) {
    if (auto config = Successor(routing.dialers, it->second->config()->id)) {
      it->second->set_config(std::move(config));
      ++it;
    } else {
      RemoveDialer(*it->second, gone);
      it = dialers_.erase(it);
    }
  }
  for (const auto& config : routing.dialers) {
    std::unique_ptr<DialerRuntime>& dialer = dialers_[config->id.name];
    if (dialer) continue;
    dialer = std::make_unique<DialerRuntime>(context_, config);
    dialer->KeepSessions();
  }
}

void DataPlane::UpdateListeners(const Routing& routing, std::vector<ListenerSocket> sockets, WorkerReport& gone) {
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    if (auto config = Successor(routing.listeners, it->second->config()->id)) {
      it->second->set_config(std::move(config));
      ++it;
    } else {
      RemoveListener(*it->second, gone);
      it = listeners_.erase(it);
    }
  }
  for (const auto& config : routing.listeners) {
    if (listeners_.contains(config->id.name)) continue;
    ListenerSocket socket;
    for (ListenerSocket& candidate : sockets) {
      if (candidate.listener == config->id) socket = std::move(candidate);
    }
    auto listener = ListenerRuntime::Create(context_, *this, config, std::move(socket));
    if (listener.ok()) {
      listeners_[config->id.name] = *std::move(listener);
    } else {
      Log(LogLevel::kError, "worker", "a listener cannot run here",
          {{"listener", config->id.name}, {"error", std::string(listener.status().message())}});
    }
  }
}

WorkerReport DataPlane::Report(bool with_sessions) {
  WorkerReport report;
  report.worker = context_.index;
  report.taken_at = context_.now;
  report.cpu_time = io::ThreadCpuTime();
  udp_relays_.ForEach([](SlotHandle, UdpRelay& relay) { relay.AddDrops(); });
  for (const auto& [name, listener] : listeners_) report.listeners[name] = listener->Counters();
  for (const auto& [name, dialer] : dialers_) report.dialers[name] = dialer->Counters();
  for (const auto& [name, forward] : forwards_) report.forwards[name] = forward->tally.counters;
  ObjectCounters direct = direct_.counters;

  sessions_.ForEach([&](SlotHandle handle, Session& session) {
    const SessionStats stats = SessionRegistry::StatsOf(session, context_.now);
    ObjectCounters& owner = session.listener ? report.listeners[session.listener->id.name]
                            : session.dialer ? report.dialers[session.dialer->id.name]
                                             : direct;
    AddSession(stats, owner);
    if (session.target != nullptr && stats.validated && session.tls == nullptr) {
      // It answers: what went wrong before is over.
      session.target->error_reason.clear();
      session.target->error_message.clear();
    }
    if (with_sessions) report.sessions.push_back(sessions_.SnapshotOf(handle, session, stats));
  });

  for (const auto& [name, dialer] : dialers_) {
    report.targets[name] = dialer->ReportTargets();
    if (const auto* granted = dialer->granted()) report.dialer_sockets[name] = *granted;
  }
  for (auto& [name, counters] : report.forwards) {
    const ForwardRuntime& forward = *forwards_.at(name);
    // Of the public side what was offered; the private side counts what it parked.
    if (forward.config->dialer.empty() && !forward.config->reverse.empty()) counters.reverse_parked = board_.CountOf(forward.config->reverse);
  }
  if (with_sessions) {
    AddStreams(report);
    AddUdpFlows(report);
  }
  report.total = removed_;
  report.total += direct;
  for (const auto& [name, counters] : report.listeners) report.total += counters;
  for (const auto& [name, counters] : report.dialers) report.total += counters;
  return report;
}

}  // namespace culvert::server
