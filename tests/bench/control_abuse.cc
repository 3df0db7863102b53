// A client that does its worst (reliability.md T53): what that costs traffic, memory, and who behaves.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/io/monotonic_clock.h"
#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "tests/bench/control_load.h"
#include "tests/bench/process_figures.h"

namespace culvert::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kObjects = 2'000;
constexpr size_t kListeners = 100;

// One way to do harm, again and again on a thread of its own. The count of what it did.
struct Attack {
  const char* name;
  std::function<void(const std::atomic<bool>& stop, std::atomic<uint64_t>& count)> run;
};

int ConnectRaw(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

bool SendAll(int fd, const std::string& bytes) { return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()); }

// RFC 9113 section 3.4, and section 4.1 for the frames.
const std::string kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
const std::string kPing("\0\0\x8\x6\0\0\0\0\0pingping", 17);
const std::string kSettings("\0\0\0\4\0\0\0\0\0", 9);

// Frames of one kind until the server has had enough, and again.
Attack FrameFlood(const char* name, const std::string& path, const std::string& frame) {
  std::string train;
  for (int i = 0; i < 100; ++i) train += frame;
  return {name, [path, train](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
            while (!stop) {
              const int fd = ConnectRaw(path);
              if (fd < 0) {
                std::this_thread::sleep_for(milliseconds(10));
                continue;
              }
              const timeval wait{1, 0};
              setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
              for (bool goes_on = SendAll(fd, kPreface); goes_on && !stop; ++count) goes_on = SendAll(fd, train);
              close(fd);
            }
          }};
}

std::vector<Attack> Attacks(const LoadedDaemon& daemon, const std::vector<v1::Object>& objects) {
  std::vector<Attack> attacks;
  const std::string path = daemon.socket();
  attacks.push_back(FrameFlood("trains of 100 pings", path, kPing));
  attacks.push_back(FrameFlood("trains of 100 settings", path, kSettings));
  attacks.push_back({"connections that say nothing", [path](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
                       while (!stop) {
                         const int fd = ConnectRaw(path);
                         if (fd >= 0) close(fd);
                         ++count;
                       }
                     }});
  attacks.push_back({"requests of 3.9 and of 5 MiB", [channel = daemon.NewChannel()](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
                       const auto stub = v1::ConfigService::NewStub(channel);
                       while (!stop) {
                         v1::ApplyRequest request;
                         v1::Listener& listener = *request.add_objects()->mutable_listener();
                         listener.mutable_metadata()->set_name("huge");
                         listener.mutable_spec()->set_bind(std::string(count % 2 == 0 ? 3'900'000 : 5'000'000, 'x'));
                         grpc::ClientContext context;
                         v1::ApplyResponse response;
                         (void)stub->Apply(&context, request, &response);
                         ++count;
                       }
                     }});
  attacks.push_back({"metadata of 1 MiB", [channel = daemon.NewChannel()](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
                       const auto stub = v1::ListenerService::NewStub(channel);
                       while (!stop) {
                         grpc::ClientContext context;
                         context.AddMetadata("x-much", std::string(1 << 20, 'm'));
                         v1::ListListenersResponse response;
                         (void)stub->ListListeners(&context, {}, &response);
                         ++count;
                       }
                     }});
  attacks.push_back({"lists with a costly filter and order", [channel = daemon.NewChannel()](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
                       const auto stub = v1::DialerService::NewStub(channel);
                       while (!stop) {
                         grpc::ClientContext context;
                         v1::ListDialersRequest request;
                         request.set_page_size(1000);
                         request.set_filter("labels.site:site AND (state=ACTIVE OR state=FAILED OR state=DEGRADED) AND NOT name=nobody");
                         request.set_order_by("labels.site desc, rx_bytes, name desc");
                         v1::ListDialersResponse response;
                         (void)stub->ListDialers(&context, request, &response);
                         ++count;
                       }
                     }});
  attacks.push_back({"applies of everything, changed and pruned", [channel = daemon.NewChannel(), objects](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
                       const auto stub = v1::ConfigService::NewStub(channel);
                       while (!stop) {
                         v1::ApplyRequest request;
                         request.set_manager("bad");
                         request.set_prune(true);
                         request.set_validate_only(count % 4 != 0);
                         for (const v1::Object& object : objects) {
                           if (object.has_dialer() && request.objects_size() < 500) *request.add_objects() = object;
                         }
                         for (v1::Object& object : *request.mutable_objects()) {
                           object.mutable_dialer()->mutable_metadata()->set_name("bad-" + object.dialer().metadata().name());
                           (*object.mutable_dialer()->mutable_metadata()->mutable_labels())["turn"] = std::to_string(count);
                         }
                         grpc::ClientContext context;
                         v1::ApplyResponse response;
                         (void)stub->Apply(&context, request, &response);
                         ++count;
                       }
                     }});
  attacks.push_back({"watches opened and reset at once", [channel = daemon.NewChannel()](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
                       const auto stub = v1::ObserveService::NewStub(channel);
                       while (!stop) {
                         grpc::ClientContext context;
                         const auto watch = stub->Watch(&context, {});
                         context.TryCancel();
                         (void)watch->Finish();
                         ++count;
                       }
                     }});
  attacks.push_back({"watches and statistics that nobody reads", [channel = daemon.NewChannel()](const std::atomic<bool>& stop, std::atomic<uint64_t>& count) {
                       const auto stub = v1::ObserveService::NewStub(channel);
                       constexpr int kStreams = 20;
                       std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
                       std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchResponse>>> watches;
                       std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchStatsResponse>>> statistics;
                       for (int i = 0; i < kStreams; ++i, ++count) {
                         watches.push_back(stub->Watch(contexts.emplace_back(std::make_unique<grpc::ClientContext>()).get(), {}));
                         v1::WatchStatsRequest request;
                         request.mutable_interval()->set_nanos(100'000'000);
                         request.set_scope(v1::WatchStatsRequest::SCOPE_FORWARDS);
                         statistics.push_back(stub->WatchStats(contexts.emplace_back(std::make_unique<grpc::ClientContext>()).get(), request));
                       }
                       while (!stop) std::this_thread::sleep_for(milliseconds(50));
                       for (const auto& context : contexts) context->TryCancel();
                       for (const auto& watch : watches) (void)watch->Finish();
                       for (const auto& one : statistics) (void)one->Finish();
                     }});
  return attacks;
}

// What came through and how a client that behaves is answered, for a while.
struct Measured {
  double lost = 0;  // of what was sent
  double per_second = 0;
  double worker = 0;  // share of a core
  double daemon = 0;
  size_t most_resident = 0;
  std::vector<double> answers;  // milliseconds
  size_t refused = 0;
};

Measured Measure(LoadedDaemon& daemon, v1::ListenerService::Stub& good, Duration time) {
  Measured measured;
  const uint64_t sent = daemon.sent();
  const uint64_t received = daemon.carried();
  const double worker = daemon.WorkerSeconds();
  const double cpu = CpuSeconds(daemon.pid());
  const TimePoint began = io::Now();
  while (io::Now() - began < time) {
    grpc::ClientContext context;
    v1::GetListenerRequest request;
    request.set_name("in-00000");
    v1::GetListenerResponse response;
    const TimePoint asked = io::Now();
    if (good.GetListener(&context, request, &response).ok()) {
      measured.answers.push_back(ToSeconds(io::Now() - asked) * 1e3);
    } else {
      ++measured.refused;
    }
    measured.most_resident = std::max(measured.most_resident, ResidentBytes(daemon.pid()));
    std::this_thread::sleep_for(milliseconds(20));
  }
  const double took = ToSeconds(io::Now() - began);
  const double came = static_cast<double>(daemon.carried() - received);
  measured.lost = 1 - came / static_cast<double>(daemon.sent() - sent);
  measured.per_second = came / took;
  measured.worker = (daemon.WorkerSeconds() - worker) / took;
  measured.daemon = (CpuSeconds(daemon.pid()) - cpu) / took;
  return measured;
}

void Print(const char* what, const Measured& measured) {
  std::printf("%s: %.0f datagrams a second came, %.2f %% lost; worker busy %.0f %%, daemon %.0f %%; memory up to %.1f MiB\n", what, measured.per_second,
              100 * measured.lost, 100 * measured.worker, 100 * measured.daemon, static_cast<double>(measured.most_resident) / (1 << 20));
  std::printf("  who behaves: %s, %zu refused\n", FiguresText(measured.answers).c_str(), measured.refused);
}

}  // namespace

int Abuse(int time, const std::string& only) {
  LoadedDaemon daemon;
  const std::vector<v1::Object> objects = ManyObjects(kObjects, kListeners);
  {
    v1::ApplyRequest request;
    for (const v1::Object& object : objects) *request.add_objects() = object;
    grpc::ClientContext context;
    v1::ApplyResponse response;
    DieUnless(v1::ConfigService::NewStub(daemon.NewChannel())->Apply(&context, request, &response), "apply");
  }
  const auto good = v1::ListenerService::NewStub(daemon.NewChannel());
  // Little enough that two cores have room for it, the sender and the receiver.
  daemon.StartTraffic(0.4);
  const Measured before = Measure(daemon, *good, seconds(time < 30 ? 3 : 10));
  Print("before", before);

  std::atomic<bool> stop{false};
  std::vector<Attack> attacks = Attacks(daemon, objects);
  std::erase_if(attacks, [&only](const Attack& attack) { return std::string(attack.name).find(only) == std::string::npos; });
  if (attacks.empty()) Die("no attack has \"" + only + "\" in its name");
  std::vector<std::atomic<uint64_t>> counts(attacks.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < attacks.size(); ++i) {
    threads.emplace_back([&, i] {
      // What the attackers themselves take of this machine is not the daemon's doing.
      setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 19);
      attacks[i].run(stop, counts[i]);
    });
  }
  const Measured during = Measure(daemon, *good, seconds(time));
  Print("during", during);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < attacks.size(); ++i) {
    std::printf("  %10llu %s\n", static_cast<unsigned long long>(counts[i].load()), attacks[i].name);
  }
  std::this_thread::sleep_for(seconds(2));
  const Measured after = Measure(daemon, *good, seconds(5));
  Print("after", after);
  const double before_lost = before.lost;
  std::printf("traffic kept %.1f %% of what it had; memory grew by %.1f MiB at most\n", 100 * (1 - during.lost) / (1 - before_lost),
              (static_cast<double>(during.most_resident) - static_cast<double>(before.most_resident)) / (1 << 20));
  daemon.StopTraffic();
  return 0;
}

}  // namespace culvert::bench
