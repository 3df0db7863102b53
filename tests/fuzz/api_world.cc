#include "tests/fuzz/api_world.h"

#include <algorithm>
#include <chrono>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "server/message_walk.h"
#include "server/quic_identity.h"
#include "server/services/access_service.h"
#include "server/services/config_service.h"
#include "server/services/daemon_service.h"
#include "server/services/declared_services.h"
#include "server/services/observe_service.h"
#include "server/services/session_service.h"
#include "tests/fuzz/control_files.h"

namespace culvert::fuzz {
namespace {

using std::chrono::system_clock;

// Nothing of ours takes this long; who waits longer was never answered.
constexpr auto kNeverAnswered = std::chrono::seconds(25);
// A stream that has nothing to say for so long is given up.
constexpr auto kQuiet = std::chrono::milliseconds(2);
constexpr size_t kMaxMessages = 64;

class NoLog final : public LogSink {
 public:
  void Write(LogLevel, std::string_view, std::string_view, std::initializer_list<LogField>) override {}
};

void ResetLog() {
  static NoLog sink;
  SetLogSink(&sink);
  SetLogLevel(LogLevel::kDebug);
  for (const std::string& component : server::LogComponents()) SetLogLevel(component, std::nullopt);
}

server::Caller CallerWith(v1::Role role) {
  server::Caller caller;
  caller.principals = {"uid:1000"};
  caller.role = role;
  caller.channel = v1::CONTROL_CHANNEL_UNIX;
  return caller;
}

void AddLiveThings(server::FakeWorker& worker) {
  for (const char* id : {"s1", "s2", "s3"}) {
    server::SessionSnapshot session;
    session.id = id;
    session.dialer = "d0";
    worker.sessions.push_back(session);
    session.id = std::string("ended-") + id;
    session.closed_at_unix_ns = 1'700'000'000'000'000'000;
    session.close_reason = "IDLE_TIMEOUT";
    worker.closed.push_back(session);
    server::StreamSnapshot stream;
    stream.id = std::string("t") + id;
    worker.streams.push_back(stream);
    server::UdpFlowSnapshot flow;
    flow.id = std::string("u") + id;
    worker.udp_flows.push_back(flow);
  }
}

}  // namespace

struct ApiWorld::Services {
  Services(const server::ServiceContext& context, server::StatsHub& hub)
      : listeners(context), dialers(context), forwards(context), sessions(context), config(context), daemon(context), access(context),
        observe(context, hub) {}
  server::ListenerService listeners;
  server::DialerService dialers;
  server::ForwardService forwards;
  server::SessionService sessions;
  server::ConfigService config;
  server::DaemonService daemon;
  server::AccessService access;
  server::ObserveService observe;
};

ApiWorld::ApiWorld(v1::Role role) : caller_(CallerWith(role)) {
  // Its keys take longer to make than an input takes to run. Only one control thread at a time uses it.
  static SeededRandom identity_random(2);
  static const auto identity = *server::QuicIdentity::Create(nullptr, "for the fuzzer", identity_random, io::UnixNanoseconds() / 1'000'000'000);
  ResetLog();
  AddLiveThings(worker_);
  server::SupervisorOptions options;
  options.workers = {&worker_};
  options.binder = &binder_;
  options.random = &random_;
  options.read_seed_file = ReadFuzzSeedFile;
  options.read_file = ReadFuzzFile();
  options.reload_interval = std::chrono::hours(1);
  options.quic_identity = identity.get();
  options.logs = &logs_;
  options.facts.start_unix_ns = io::UnixNanoseconds();
  supervisor_ = std::make_unique<server::Supervisor>(thread_, std::move(options));
  hub_ = std::make_unique<server::StatsHub>(thread_, supervisor_->collector());
  const server::ServiceContext context{supervisor_.get(), &tokens_, &caller_, std::make_shared<server::CallBook>(), &standing_};
  services_ = std::make_unique<Services>(context, *hub_);
  grpc::ServerBuilder builder;
  for (grpc::Service* service :
       std::initializer_list<grpc::Service*>{&services_->listeners, &services_->dialers, &services_->forwards, &services_->sessions,
                                             &services_->config, &services_->daemon, &services_->access, &services_->observe}) {
    builder.RegisterService(service);
  }
  server_ = builder.BuildAndStart();
  CULVERT_CHECK(server_ != nullptr);
  stub_ = std::make_unique<grpc::GenericStub>(server_->InProcessChannel({}));
}

ApiWorld::~ApiWorld() {
  hub_->BeginStop();
  supervisor_->BeginStop();
  stub_ = nullptr;
  server_->Shutdown(system_clock::now() + kNeverAnswered);
  thread_.Stop();
  server_ = nullptr;
  queue_.Shutdown();
  ResetLog();
}

bool ApiWorld::Wait() {
  void* tag = nullptr;
  bool ok = false;
  CULVERT_CHECK(queue_.Next(&tag, &ok));
  return ok;
}

Answer ApiWorld::Call(const std::string& method, const std::vector<std::string>& requests) {
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + kNeverAnswered);
  const std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call = stub_->PrepareCall(&context, "/" + method, &queue_);
  call->StartCall(nullptr);
  bool is_open = Wait();
  for (size_t i = 0; is_open && i < requests.size(); ++i) {
    const grpc::Slice slice(requests[i]);
    const grpc::ByteBuffer message(&slice, 1);
    if (i + 1 < requests.size()) {
      call->Write(message, nullptr);
    } else {
      call->WriteLast(message, grpc::WriteOptions(), nullptr);
    }
    is_open = Wait();
  }
  Answer answer;
  while (true) {
    grpc::ByteBuffer message;
    call->Read(&message, nullptr);
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, system_clock::now() + (answer.messages.empty() ? 10 * kQuiet : kQuiet)) == grpc::CompletionQueue::TIMEOUT) {
      // Unary calls are waited for.
      answer.is_given_up = std::ranges::any_of(std::initializer_list<const char*>{"Watch", "ListEvents", "Tap", "TailLogs"},
                                               [&](const char* endless) { return method.find(endless) != std::string::npos; });
      if (answer.is_given_up) context.TryCancel();
      ok = Wait();
    }
    if (!ok) break;
    std::vector<grpc::Slice> slices;
    CULVERT_CHECK(message.Dump(&slices).ok());
    std::string& bytes = answer.messages.emplace_back();
    for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    if (answer.messages.size() == kMaxMessages) {
      answer.is_given_up = true;
      context.TryCancel();
    }
  }
  call->Finish(&answer.status, nullptr);
  CULVERT_CHECK(Wait());
  return answer;
}

std::string Snapshot::Text() const {
  std::string text = "{revision " + std::to_string(revision);
  for (const v1::Object& object : objects) text += ", " + object.ShortDebugString();
  return text + ", " + bytes.substr(bytes.rfind('\n') + 1) + "}";
}

Snapshot ApiWorld::Take() {
  return server::Await<Snapshot>([this](const auto& done) {
    const auto none = [](const std::vector<server::EntryPtr>&) -> absl::StatusOr<server::Supervisor::Range> { return server::Supervisor::Range(); };
    supervisor_->List(server::Kind::kListener, none, [this, done](const absl::StatusOr<server::Supervisor::Listing>& listing) {
      CULVERT_CHECK(listing.ok());
      supervisor_->Export("", [this, done, revision = listing->revision](absl::StatusOr<std::vector<v1::Object>> objects) {
        CULVERT_CHECK(objects.ok());
        Snapshot snapshot{*std::move(objects), "", revision};
        for (v1::Object& object : snapshot.objects) {
          v1::Metadata& metadata = server::MutableMetadataOf(object);
          if (metadata.has_ttl()) metadata.clear_expire_time();
          snapshot.bytes += server::DeterministicBytes(object) + "\n";
        }
        for (const std::string& address : binder_.bound) snapshot.bytes += address + "\n";
        snapshot.bytes += std::to_string(worker_.updates) + " " + std::to_string(worker_.sessions.size()) + " " +
                          std::to_string(worker_.streams.size()) + " " + std::to_string(worker_.udp_flows.size()) + " " +
                          std::to_string(static_cast<int>(GetLogLevel()));
        done(std::move(snapshot));
      });
    });
  });
}

}  // namespace culvert::fuzz
