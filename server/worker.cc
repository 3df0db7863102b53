// The thread of a worker. One iteration: wait, read the clock, drain the mailbox, hand out readiness (which receives), fire
// timers, settle. Everything in it is bounded; what is left makes the next wait end at once.
#include "server/worker.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/crypto/system_random.h"
#include "core/io/monotonic_clock.h"
#include "core/io/thread_settings.h"
#include "server/data_plane.h"
#include "server/session_counts.h"
#include "server/worker_context.h"
#include "server/worker_directory.h"

namespace culvert::server {
namespace {

constexpr size_t kMailboxCapacity = 4096;
constexpr size_t kTimersPerTurn = 4096;

class Worker final : public WorkerControl, private io::IoHandler {
 public:
  explicit Worker(const WorkerOptions& options) {
    context_.index = options.index;
    context_.resolver = options.resolver;
    context_.foreign_resolver = options.foreign_resolver;
    context_.session_counts = options.session_counts;
    if (options.session_counts != nullptr) context_.udp_sockets = options.session_counts->For("udp sockets", {});
    context_.max_udp_sockets = options.max_udp_sockets;
    context_.directory = options.directory;
    context_.events.Open(options.on_event);
    context_.random = &random_;
  }
  ~Worker() override {
    BeginStop(Duration::zero());
    Join();
    if (context_.directory != nullptr) context_.directory->Unregister(context_.index);
  }

  absl::Status Start() {
    CULVERT_ASSIGN_OR_RETURN(context_.reactor, io::Reactor::Create());
    CULVERT_ASSIGN_OR_RETURN(context_.mailbox, io::Mailbox::Create(kMailboxCapacity));
    CULVERT_RETURN_IF_ERROR(context_.reactor->Add(context_.mailbox->fd(), io::kReadable, *this));
    try {
      thread_ = std::thread([this] { Run(); });
    } catch (const std::system_error& error) {
      return absl::InternalError(std::string("start a worker thread: ") + error.what());
    }
    if (context_.directory != nullptr) {
      // Nothing runs once the mailbox is closed and drained, so `this` is good in both.
      context_.directory->Register(
          context_.index, [mailbox = context_.mailbox](std::function<void()> task) { return mailbox->Post(std::move(task)); },
          [this](HandoverBatch& batch) { plane_->OnHandedOver(batch); },
          [this](const ObjectId& listener, io::TcpSocket connection, const SocketAddress& peer) {
            plane_->OnHandedOver(listener, std::move(connection), peer);
          });
    }
    return absl::OkStatus();
  }

  uint32_t index() const override { return context_.index; }

  bool Update(std::shared_ptr<const Routing> routing, std::vector<ListenerSocket> sockets,
              std::function<void(WorkerReport)> done) override {
    // std::function wants to be copied, sockets do not.
    auto shared = std::make_shared<std::vector<ListenerSocket>>(std::move(sockets));
    return context_.mailbox->Post([this, routing = std::move(routing), shared, done = std::move(done)] {
      done(plane_->Update(routing, std::move(*shared)));
    });
  }

  bool Report(ReportWants wants, std::function<void(WorkerReport)> done) override {
    return context_.mailbox->Post([this, wants = std::move(wants), done = std::move(done)] { done(plane_->Report(wants)); });
  }

  bool CloseSession(std::string id, bool graceful, std::function<void(bool)> done) override {
    return context_.mailbox->Post([this, id = std::move(id), graceful, done = std::move(done)] {
      done(plane_->CloseSession(id, graceful));
    });
  }

  bool ClosedSessions(std::function<void(std::vector<SessionSnapshot>)> done) override {
    return context_.mailbox->Post([this, done = std::move(done)] { done(plane_->ClosedSessions()); });
  }

  bool ReadEnded(uint64_t after, std::function<void(EndedBatch)> done) override {
    return context_.mailbox->Post([this, after, done = std::move(done)] { done(context_.ended.Read(after)); });
  }

  bool CloseStream(std::string id, bool graceful, std::function<void(bool)> done) override {
    return context_.mailbox->Post([this, id = std::move(id), graceful, done = std::move(done)] {
      done(plane_->CloseStream(id, graceful));
    });
  }

  bool CloseUdpFlow(std::string id, std::function<void(bool)> done) override {
    return context_.mailbox->Post([this, id = std::move(id), done = std::move(done)] { done(plane_->CloseUdpFlow(id)); });
  }

  bool Connect(ConnectRequest request, std::shared_ptr<ConnectChannel> channel) override {
    return context_.mailbox->Post([this, request = std::move(request), channel = std::move(channel)] {
      plane_->Connect(request, channel);
    });
  }

  bool Probe(ProbeRequest request, std::function<void(ProbeStep)> on_step) override {
    return context_.mailbox->Post([this, request = std::move(request), on_step = std::move(on_step)] {
      plane_->Probe(request, on_step);
    });
  }

  void BeginStop(Duration grace) override {
    // Not through the queue, which may be full. The first call decides on the grace.
    int64_t unset = -1;
    grace_ns_.compare_exchange_strong(unset, grace.count());
    context_.mailbox->Wake();
  }

  void Join() override {
    const std::lock_guard lock(join_mutex_);
    if (thread_.joinable()) thread_.join();
  }

 private:
  void OnIo(uint32_t /*ready*/) override {}  // the mailbox is drained in every iteration

  void Run() {
    io::NameThread(absl::StrCat("worker-", context_.index));
    plane_.emplace(context_);
    bool has_more = false;
    while (!IsOver()) {
      context_.reactor->Wait(has_more ? std::optional(context_.now) : NextWakeUp());
      context_.now = io::Now();
      context_.mailbox->Drain();
      context_.reactor->Dispatch();
      context_.timers.RunDue(context_.now, kTimersPerTurn);
      CheckStop();
      has_more = plane_->Settle();
    }
    plane_->Abort();
    // Who was told that a message is taken gets its answer.
    context_.mailbox->Close();
    context_.mailbox->Drain();
    plane_.reset();
  }

  void CheckStop() {
    const int64_t grace = grace_ns_.load();
    if (stop_deadline_) plane_->EndQuietRelays();
    if (grace < 0 || stop_deadline_) return;
    stop_deadline_ = context_.now + Duration(grace);
    plane_->BeginStop();
  }

  bool IsOver() const { return stop_deadline_ && (plane_->is_idle() || context_.now >= *stop_deadline_); }

  std::optional<TimePoint> NextWakeUp() const {
    const std::optional<TimePoint> timer = context_.timers.Next();
    if (!stop_deadline_) return timer;
    // The end of the farewell has no timer of its own.
    const TimePoint look = std::min(*stop_deadline_, context_.now + std::chrono::milliseconds(50));
    return timer ? std::min(*timer, look) : look;
  }

  SystemRandom random_;
  WorkerContext context_;
  std::optional<DataPlane> plane_;           // the thread's
  std::optional<TimePoint> stop_deadline_;   // the thread's
  std::atomic<int64_t> grace_ns_{-1};        // -1: no stop was asked for
  std::mutex join_mutex_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerControl>> StartWorker(const WorkerOptions& options) {
  auto worker = std::make_unique<Worker>(options);
  CULVERT_RETURN_IF_ERROR(worker->Start());
  return worker;
}

}  // namespace culvert::server
