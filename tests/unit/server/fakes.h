// Stand-ins for workers and sockets: they do at once, on the caller's thread, what they are told, and remember it.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/error_builder.h"
#include "server/listener_sockets.h"
#include "server/supervisor.h"
#include "server/worker.h"

namespace culvert::server {

class FakeWorker final : public WorkerControl {
 public:
  explicit FakeWorker(uint32_t index) : index_(index) {}

  uint32_t index() const override { return index_; }
  bool Update(std::shared_ptr<const Routing> routing, std::vector<ListenerSocket> sockets,
              std::function<void(WorkerReport)> done) override {
    if (refusals_left > 0) {
      --refusals_left;
      return false;
    }
    ++updates;
    new_listeners.clear();
    for (const ListenerSocket& socket : sockets) new_listeners.push_back(socket.listener);
    WorkerReport gone;
    gone.worker = index_;
    for (const auto& listener : current->listeners) {
      const auto same = std::find_if(routing->listeners.begin(), routing->listeners.end(),
                                     [&](const auto& other) { return other->id == listener->id; });
      if (same == routing->listeners.end()) gone.listeners[listener->id.name] = CountersOf(listener->id.name);
    }
    current = std::move(routing);
    done(std::move(gone));
    return true;
  }
  bool Report(ReportWants wants, std::function<void(WorkerReport)> done) override {
    if (is_silent) return true;
    WorkerReport report;
    report.worker = index_;
    for (const auto& listener : current->listeners) {
      if (wants.listeners.Has(listener->id.name)) report.listeners[listener->id.name] = CountersOf(listener->id.name);
      if (wants.totals) report.total += CountersOf(listener->id.name);
    }
    if (wants.sessions) {
      report.sessions = sessions;
      report.streams = streams;
      report.udp_flows = udp_flows;
    }
    done(std::move(report));
    return true;
  }
  bool CloseStream(std::string id, bool, std::function<void(bool)> done) override {
    done(std::erase_if(streams, [&](const StreamSnapshot& stream) { return stream.id == id; }) > 0);
    return true;
  }
  bool ReadEnded(uint64_t after, std::function<void(EndedBatch)> done) override {
    const std::lock_guard lock(ended_mutex);
    done(ended.Read(after));
    return true;
  }
  std::mutex ended_mutex;
  EndedLog ended;  // guarded by ended_mutex
  bool ClosedSessions(std::function<void(std::vector<SessionSnapshot>)> done) override {
    done(closed);
    return true;
  }
  std::vector<SessionSnapshot> closed;
  bool CloseUdpFlow(std::string id, std::function<void(bool)> done) override {
    done(std::erase_if(udp_flows, [&](const UdpFlowSnapshot& flow) { return flow.id == id; }) > 0);
    return true;
  }
  // Nobody is there, unless `on_connect` is.
  bool Connect(ConnectRequest request, std::shared_ptr<ConnectChannel> channel) override {
    connects.push_back(std::move(request));
    if (on_connect) return on_connect(channel), true;
    channel->End({.reason = "CONNECT_REFUSED", .message = "nobody there"});
    return true;
  }
  std::vector<ConnectRequest> connects;
  std::function<void(const std::shared_ptr<ConnectChannel>&)> on_connect;
  std::vector<StreamSnapshot> streams;
  std::vector<UdpFlowSnapshot> udp_flows;
  bool CloseSession(std::string id, bool, std::function<void(bool)> done) override {
    done(std::erase_if(sessions, [&](const SessionSnapshot& session) { return session.id == id; }) > 0);
    return true;
  }
  std::atomic<int> probes{0};
  bool Probe(ProbeRequest request, std::function<void(ProbeStep)> on_step) override {
    ++probes;
    if (is_silent) return true;
    ProbeStep step;
    step.attempt = 1;
    step.target = request.dialer->targets.front().ToString();
    step.phase = ProbeStep::Phase::kReady;
    step.last = true;
    on_step(step);
    return true;
  }
  void BeginStop(Duration) override {}
  void Join() override {}

  // Every incarnation of a listener counts 1 opened and 10 received.
  static ObjectCounters CountersOf(const std::string&) {
    ObjectCounters counters;
    counters.opened = 1;
    counters.active = 1;
    counters.rx_bytes = 10;
    return counters;
  }

  std::shared_ptr<const Routing> current = std::make_shared<Routing>();
  std::vector<ObjectId> new_listeners;  // of the last update
  std::vector<SessionSnapshot> sessions;
  int updates = 0;
  int refusals_left = 0;   // calls of Update to refuse
  bool is_silent = false;  // takes reports and probes and never answers

 private:
  const uint32_t index_;
};

// Keeps a set of addresses that are bound; those in `taken` belong to somebody else.
class FakeBinder final : public SocketBinder {
 public:
  absl::StatusOr<std::unique_ptr<BoundListener>> Bind(const v1::ListenerSpec& spec, size_t,
                                                      const std::string& field) override {
    if (taken.contains(spec.bind()) || bound.contains(spec.bind())) {
      return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "ADDRESS_IN_USE", field + ": address already in use")
          .Metadata("field", field)
          .Precondition("SOCKET", spec.bind(), "address already in use")
          .Build();
    }
    ++binds;
    SocketAddress address = *SocketAddress::Parse(spec.bind());
    if (address.port != 0) bound.insert(spec.bind());
    if (address.port == 0) address.port = 50000;
    std::optional<io::UdpSocket::Granted> granted;
    if (spec.transport() != v1::TRANSPORT_TCP) granted = {.receive_buffer_bytes = 212992, .send_buffer_bytes = 8 << 20};
    return std::make_unique<Bound>(*this, spec.bind(), address, granted);
  }

  std::set<std::string> taken;
  std::set<std::string> bound;
  int binds = 0;

 private:
  class Bound final : public BoundListener {
   public:
    Bound(FakeBinder& binder, std::string spec, SocketAddress address, std::optional<io::UdpSocket::Granted> granted)
        : binder_(binder), spec_(std::move(spec)), address_(address), granted_(granted) {}
    ~Bound() override { binder_.bound.erase(spec_); }
    SocketAddress address() const override { return address_; }
    std::optional<io::UdpSocket::Granted> granted() const override { return granted_; }
    absl::StatusOr<ListenerSocket> HandleFor(const ObjectId& id, size_t) const override {
      ListenerSocket socket;
      socket.listener = id;
      return socket;
    }

   private:
    FakeBinder& binder_;
    const std::string spec_;
    const SocketAddress address_;
    const std::optional<io::UdpSocket::Granted> granted_;
  };
};

// Takes what the event log holds.
class EventSnapshot final : public EventReader {
 public:
  void OnSnapshot(std::vector<EventPtr> events) override { events_ = std::move(events); }
  void OnEvent(EventPtr) override {}
  void OnEnd(absl::Status) override { taken_.set_value(); }
  static std::vector<EventPtr> Take(EventHub& hub) {
    const auto reader = std::make_shared<EventSnapshot>();
    hub.Add(reader, {}, /*follow=*/false);
    reader->taken_.get_future().wait();
    return reader->events_;
  }

 private:
  std::vector<EventPtr> events_;
  std::promise<void> taken_;
};

// Calls `start` with a callback and waits for what it is called with.
template <typename T, typename Start>
T Await(Start&& start) {
  auto answer = std::make_shared<std::promise<T>>();
  std::future<T> future = answer->get_future();
  start([answer](T value) { answer->set_value(std::move(value)); });
  return future.get();
}

}  // namespace culvert::server
