// A session pool in virtual time on scripted endpoints.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "server/endpoint_driver.h"
#include "server/resolver.h"
#include "server/session_counts.h"
#include "server/session_pool.h"
#include "server/session_streams.h"
#include "server/worker_context.h"
#include "tests/unit/server_data/scripted_quic.h"

namespace culvert::server {

// A worker without a thread; its pools belong to one dialer.
class PoolWorker final : public SessionPool::Host, public EndpointDriver::Owner {
 public:
  PoolWorker(uint32_t index, TimePoint now, SessionCounts& counts, Resolver& resolver, const DialerConfig& dialer_config)
      : config(dialer_config) {
    context.index = index;
    context.reactor = *io::Reactor::Create();
    context.mailbox = *io::Mailbox::Create(64);
    context.random = &random;
    context.resolver = &resolver;
    context.session_counts = &counts;
    context.now = now;
    context.sessions = &sessions;
    tally.everywhere = counts.For("dialer", config.id);
    for (IpAddress::Family family : {IpAddress::Family::kV4, IpAddress::Family::kV6}) {
      auto endpoint = std::make_unique<ScriptedQuic>();
      quic[family] = endpoint.get();
      auto socket = io::UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}});
      drivers[family] = *EndpointDriver::CreateQuic(context, *std::move(socket), std::move(endpoint), *this, false);
    }
  }
  ~PoolWorker() { pools.clear(); }

  SessionPool& AddPool(const std::string& target) {
    TargetState& state = targets.emplace_back();
    state.target = *HostPort::Parse(target);
    return *pools.emplace_back(std::make_unique<SessionPool>(context, static_cast<SessionPool::Host&>(*this), state));
  }
  ScriptedQuic& v4() { return *quic[IpAddress::Family::kV4]; }

  // Lets events arrive and what follows from them happen.
  void Settle() {
    context.mailbox->Drain();
    for (auto& [family, driver] : drivers) static_cast<void>(driver->DispatchEvents());
    context.timers.RunDue(context.now, 10'000);
    for (auto& [family, driver] : drivers) static_cast<void>(driver->DispatchEvents());
    context.dirty_drivers.clear();
  }

  // SessionPool::Host.
  const DialerConfig& settings() const override { return config; }
  absl::StatusOr<EndpointDriver*> DriverFor(IpAddress::Family family) override { return drivers[family].get(); }
  std::shared_ptr<quic::ResumptionStore> resumption() override { return nullptr; }
  bool MayOpenSession() const override {
    size_t sessions_now = tally.everywhere->load();
    size_t draining = 0;
    for (const auto& pool : pools) {
      sessions_now += pool->handshake_count();
      draining += pool->draining_count();
    }
    return sessions_now < config.max_sessions + draining;
  }
  SlotHandle Register(EndpointDriver& driver, SessionHandle session, TargetState& target) override {
    return OpenQuicSession(context, driver, session, {.tally = &tally, .target = &target});
  }
  void OnTargetFailed(TargetState& target, const std::string& reason, const std::string& message) override {
    target.error_reason = reason;
    target.error_message = message;
  }
  IpAddress SourceAddressTo(const SocketAddress&) override { return source; }

  // EndpointDriver::Owner.
  void OnOpened(EndpointDriver&, StreamHandle, SessionHandle) override {}
  void OnSessionClosed(SlotHandle, CloseReason, const SessionStats&) override {}
  void OnSessionOpened(EndpointDriver& driver, SessionHandle session) override {
    for (const auto& pool : pools) {
      if (pool->OnSessionOpened(driver, session)) return;
    }
  }
  void OnSessionGone(EndpointDriver& driver, SessionHandle session, CloseReason) override {
    for (const auto& pool : pools) {
      if (pool->OnSessionGone(driver, session)) return;
    }
  }
  void OnStreamsAvailable(EndpointDriver& driver, SessionHandle session) override {
    for (const auto& pool : pools) {
      if (pool->OnStreamsAvailable(driver, session)) return;
    }
  }

  SeededRandom random{7};
  DialerConfig config;
  ObjectTally tally;
  WorkerContext context;
  SessionRegistry sessions{0};
  std::map<IpAddress::Family, ScriptedQuic*> quic;
  std::map<IpAddress::Family, std::unique_ptr<EndpointDriver>> drivers;
  std::list<TargetState> targets;
  std::vector<std::unique_ptr<SessionPool>> pools;
  IpAddress source = IpAddress::V4({10, 0, 0, 1});
};

// One who wants a stream.
class Client final : public StreamRequest::Owner {
 public:
  Client(SessionPool& pool, TimePoint deadline, bool wants_stream = true)
      : request(std::in_place, pool, static_cast<StreamRequest::Owner&>(*this), deadline, wants_stream) {
    request->Start();
    if (request->is_answered()) OnPoolAnswer();
  }
  void OnPoolStep(ProbeStep::Phase phase, const SocketAddress&) override { phases.push_back(phase); }
  void OnPoolAnswer() override {
    is_answered = true;
    if (request->is_granted()) {
      grant = std::move(request->grant());
    } else {
      reason = request->error_reason();
    }
    request.reset();
  }

  std::vector<ProbeStep::Phase> phases;
  bool is_answered = false;
  std::string reason;
  StreamRequest::Grant grant;
  std::optional<StreamRequest> request;
};

class PoolFixture : public ::testing::Test {
 protected:
  static constexpr TimePoint kStart{std::chrono::seconds(1000)};

  PoolFixture() {
    config.id = {"far", 1};
    config.transport = Transport::kQuic;
    config.quic = *quic::QuicConfig::Create({});
    Resolver::Options options;
    options.clock = [this] { return TimePoint(Duration(resolver_now.load())); };
    options.lookup = [this](const std::string& host) -> absl::StatusOr<Resolver::Addresses> {
      ++lookups;
      if (host == "silent.example" || names_are_silent) {
        std::unique_lock lock(silence_mutex);
        silence_over.wait(lock, [this] { return is_silence_over; });
      }
      if (host == "two.example") return Resolver::Addresses{IpAddress::V4({192, 0, 2, 1}), IpAddress::V4({192, 0, 2, 2})};
      return absl::UnavailableError("resolve " + host + ": name or service not known");
    };
    resolver = std::make_unique<Resolver>(std::move(options));
  }
  // Lookups that wait are answered.
  void EndSilence() {
    const std::lock_guard lock(silence_mutex);
    is_silence_over = true;
    silence_over.notify_all();
  }
  ~PoolFixture() override { EndSilence(); }
  void Begin(uint32_t workers_count = 1) {
    for (uint32_t i = 0; i < workers_count; ++i) {
      workers.push_back(std::make_unique<PoolWorker>(i, now, counts, *resolver, config));
      workers.back()->AddPool("192.0.2.9:443");
    }
  }
  void Advance(Duration by) {
    now += by;
    resolver_now = now.time_since_epoch().count();
    for (const auto& worker : workers) worker->context.now = now;
    Settle();
  }
  void Settle() {
    for (const auto& worker : workers) worker->Settle();
  }
  Client& Ask(Duration timeout = std::chrono::seconds(10)) { return Ask(pool(), timeout); }
  Client& Ask(SessionPool& of, Duration timeout) { return *clients.emplace_back(std::make_unique<Client>(of, now + timeout)); }

  PoolWorker& worker() { return *workers[0]; }
  SessionPool& pool() { return *worker().pools[0]; }
  ScriptedQuic& quic() { return worker().v4(); }
  TargetState& target() { return worker().targets.front(); }

  TimePoint now = kStart;
  std::atomic<int64_t> resolver_now{kStart.time_since_epoch().count()};
  std::atomic<int> lookups{0};
  std::atomic<bool> names_are_silent{false};
  std::mutex silence_mutex;
  std::condition_variable silence_over;
  bool is_silence_over = false;
  DialerConfig config;
  SessionCounts counts;
  std::unique_ptr<Resolver> resolver;
  std::vector<std::unique_ptr<PoolWorker>> workers;
  std::vector<std::unique_ptr<Client>> clients;  // gone before the pools
};

}  // namespace culvert::server
