// Changes of the configuration, and reports.
#include <map>
#include <string>
#include <utility>

#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/data_plane.h"

namespace culvert::server {
namespace {

// The objects of `runtimes` that are wanted, by name.
template <typename Runtimes, typename Visit>
void ForEachWanted(const ReportWants::Objects& wanted, const Runtimes& runtimes, const Visit& visit) {
  if (wanted.all) {
    for (const auto& [name, runtime] : runtimes) visit(name, *runtime);
    return;
  }
  for (const std::string& name : wanted.names) {
    if (const auto found = runtimes.find(name); found != runtimes.end()) visit(name, *found->second);
  }
}

}  // namespace

WorkerReport DataPlane::Update(std::shared_ptr<const Routing> routing, std::vector<ListenerSocket> sockets) {
  WorkerReport gone;
  gone.worker = context_.index;
  gone.taken_at = context_.now;
  const std::shared_ptr<const Routing> before = std::exchange(routing_, std::move(routing));
  context_.own_addresses = std::shared_ptr<const std::vector<SocketAddress>>(routing_, &routing_->own_addresses);
  UpdateListeners(DifferenceOf(before->listeners, routing_->listeners), std::move(sockets), gone);
  UpdateDialers(DifferenceOf(before->dialers, routing_->dialers), gone);
  UpdateForwards(DifferenceOf(before->forwards, routing_->forwards), gone);
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

void DataPlane::UpdateForwards(const RoutingDifference<ForwardConfig>& difference, WorkerReport& gone) {
  // A listener may pass from one forward to another: who has let go of it comes before who takes it.
  const auto let_go = [this](const ForwardRuntime& forward) {
    const auto at = forward_of_listener_.find(forward.config->listener);
    if (at != forward_of_listener_.end() && at->second == &forward) forward_of_listener_.erase(at);
  };
  const auto take = [this](ForwardRuntime& forward) {
    if (!forward.config->listener.empty()) forward_of_listener_[forward.config->listener] = &forward;
  };
  for (const auto& config : difference.gone) {
    const auto at = forwards_.find(config->id.name);
    let_go(*at->second);
    offers_.erase(at->first);
    RemoveForward(*at->second, gone);
    forwards_.erase(at);
  }
  for (const auto& config : difference.changed) {
    ForwardRuntime& forward = *forwards_.at(config->id.name);
    let_go(forward);
    // Flows go on for days; what they may reach, and how, is what the forward says now.
    const auto& before = forward.config->allowed;
    const bool allows_the_same = config->allowed == before || (config->allowed && before && config->allowed->IsSameAs(*before));
    const bool leads_elsewhere = !allows_the_same || config->dialer != forward.config->dialer ||
                                 config->destination != forward.config->destination || config->reverse != forward.config->reverse ||
                                 config->listener != forward.config->listener;
    if (leads_elsewhere) EndUdpRelays([&](const UdpRelay& relay) { return relay.parties().forward == &forward; });
    forward.config = config;
    forward.destination.target = config->destination;
  }
  for (const auto& config : difference.changed) take(*forwards_.at(config->id.name));
  for (const auto& config : difference.fresh) {
    auto forward = std::make_unique<ForwardRuntime>();
    forward->config = config;
    forward->destination.target = config->destination;
    take(*forward);
    forwards_[config->id.name] = std::move(forward);
  }
}

void DataPlane::UpdateDialers(const RoutingDifference<DialerConfig>& difference, WorkerReport& gone) {
  for (const auto& config : difference.gone) {
    const auto at = dialers_.find(config->id.name);
    RemoveDialer(*at->second, gone);
    dialers_.erase(at);
  }
  for (const auto& config : difference.changed) dialers_.at(config->id.name)->set_config(config);
  for (const auto& config : difference.fresh) {
    auto dialer = std::make_unique<DialerRuntime>(context_, config);
    dialer->KeepSessions();
    dialers_[config->id.name] = std::move(dialer);
  }
}

void DataPlane::UpdateListeners(const RoutingDifference<ListenerConfig>& difference, std::vector<ListenerSocket> sockets, WorkerReport& gone) {
  // One that could not run here is not among them.
  for (const auto& config : difference.gone) {
    const auto at = listeners_.find(config->id.name);
    if (at == listeners_.end()) continue;
    RemoveListener(*at->second, gone);
    listeners_.erase(at);
  }
  for (const auto& config : difference.changed) {
    if (const auto at = listeners_.find(config->id.name); at != listeners_.end()) at->second->set_config(config);
  }
  std::map<std::string, ListenerSocket*> socket_of;
  for (ListenerSocket& socket : sockets) socket_of[socket.listener.name] = &socket;
  for (const auto& config : difference.fresh) {
    const auto found = socket_of.find(config->id.name);
    ListenerSocket socket;
    if (found != socket_of.end() && found->second->listener == config->id) socket = std::move(*found->second);
    auto listener = ListenerRuntime::Create(context_, *this, config, std::move(socket));
    if (listener.ok()) {
      listeners_[config->id.name] = *std::move(listener);
    } else {
      Log(LogLevel::kError, "worker", "a listener cannot run here",
          {{"listener", config->id.name}, {"error", std::string(listener.status().message())}});
    }
  }
}

WorkerReport DataPlane::Report(const ReportWants& wants) {
  WorkerReport report;
  report.worker = context_.index;
  report.taken_at = context_.now;
  report.cpu_time = io::ThreadCpuTime();
  udp_relays_.ForEach([](SlotHandle, UdpRelay& relay) { relay.AddDrops(); });
  ForEachWanted(wants.listeners, listeners_, [&](const std::string& name, const ListenerRuntime& listener) {
    report.listeners.emplace_hint(report.listeners.end(), name, listener.Counters());
  });
  ForEachWanted(wants.dialers, dialers_, [&](const std::string& name, const DialerRuntime& dialer) {
    report.dialers.emplace_hint(report.dialers.end(), name, dialer.Counters());
  });
  ForEachWanted(wants.forwards, forwards_, [&](const std::string& name, const ForwardRuntime& forward) {
    ObjectCounters& counters = report.forwards.emplace_hint(report.forwards.end(), name, forward.tally.counters)->second;
    // Of the public side what was offered; the private side counts what it parked.
    if (forward.config->dialer.empty() && !forward.config->reverse.empty()) counters.reverse_parked = board_.CountOf(forward.config->reverse);
  });
  AddSessions(wants, report);
  ForEachWanted(wants.dialers, dialers_, [&](const std::string& name, const DialerRuntime& dialer) {
    if (std::vector<TargetReport> targets = dialer.ReportTargets(); !targets.empty()) report.targets.emplace_hint(report.targets.end(), name, std::move(targets));
    if (const auto* granted = dialer.granted()) report.dialer_sockets[name] = *granted;
  });
  if (wants.sessions) {
    AddStreams(report);
    AddUdpFlows(report);
  }
  return report;
}

void DataPlane::AddSessions(const ReportWants& wants, WorkerReport& report) {
  ObjectCounters direct = direct_.counters;
  const auto owner_of = [&](const Session& session) -> ObjectCounters* {
    auto& counters = session.listener ? report.listeners : report.dialers;
    if (!session.listener && !session.dialer) return &direct;
    const auto found = counters.find(session.listener ? session.listener->id.name : session.dialer->id.name);
    return found != counters.end() ? &found->second : nullptr;
  };
  if (!wants.sessions && !wants.totals && report.listeners.empty() && report.dialers.empty()) return;
  sessions_.ForEach([&](SlotHandle handle, Session& session) {
    ObjectCounters* owner = owner_of(session);
    if (owner == nullptr && !wants.sessions) return;
    const SessionStats stats = SessionRegistry::StatsOf(session, context_.now);
    if (owner != nullptr) AddSession(stats, *owner);
    if (session.target != nullptr && stats.validated && session.tls == nullptr) {
      // It answers: what went wrong before is over.
      session.target->error_reason.clear();
      session.target->error_message.clear();
    }
    if (wants.sessions) report.sessions.push_back(sessions_.SnapshotOf(handle, session, stats));
  });
  if (!wants.totals) return;
  report.total = removed_;
  report.total += direct;
  for (const auto& [name, counters] : report.listeners) report.total += counters;
  for (const auto& [name, counters] : report.dialers) report.total += counters;
}

}  // namespace culvert::server
