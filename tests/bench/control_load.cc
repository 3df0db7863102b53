// The control API in numbers, of a real daemon whose one worker is busy with traffic; all on the same machine.
//
//   control_load objects [COUNT [LISTENERS [SECONDS]]]  10000, 1000, 20: lists, applies and what a watch sees of them
//   control_load abuse [SECONDS [NAME-PART]]            60: a client that does its worst, beside traffic and a client that behaves; all
//                                                       attacks at a time, or those that have the part in their name
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "absl/strings/str_format.h"
#include "core/io/monotonic_clock.h"
#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "tests/bench/control_load.h"
#include "tests/bench/process_figures.h"

namespace culvert::bench {
namespace {

constexpr int32_t kPageSize = 1000;

double MillisecondsSince(TimePoint began) { return ToSeconds(io::Now() - began) * 1e3; }

// Every page of one kind; how many objects there were.
template <typename Stub, typename Request, typename Response, typename ItemsOf>
size_t ListAll(Stub& stub, grpc::Status (Stub::*list)(grpc::ClientContext*, const Request&, Response*), const std::string& filter, ItemsOf items_of) {
  Request request;
  request.set_page_size(kPageSize);
  request.set_filter(filter);
  size_t count = 0;
  do {
    grpc::ClientContext context;
    Response response;
    DieUnless((stub.*list)(&context, request, &response), "list");
    count += static_cast<size_t>(items_of(response));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return count;
}

// When a watch saw each generation of the object that the applies change, and when they were sent.
class WatchedApplies {
 public:
  void NoteSent(const std::string& value) {
    const std::lock_guard lock(mutex_);
    sent_[value] = io::Now();
  }
  void NoteSeen(const std::string& value) {
    const TimePoint now = io::Now();
    const std::lock_guard lock(mutex_);
    const auto at = sent_.find(value);
    if (at == sent_.end()) return;
    milliseconds_.push_back(ToSeconds(now - at->second) * 1e3);
    sent_.erase(at);
  }
  std::vector<double> milliseconds() {
    const std::lock_guard lock(mutex_);
    return milliseconds_;
  }
  size_t unseen() {
    const std::lock_guard lock(mutex_);
    return sent_.size();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, TimePoint> sent_;  // guarded by mutex_
  std::vector<double> milliseconds_;       // guarded by mutex_
};

constexpr char kLabel[] = "turn";

}  // namespace

int Objects(size_t count, size_t listeners, int time) {
  LoadedDaemon daemon;
  const auto channel = daemon.NewChannel();
  const auto config = v1::ConfigService::NewStub(channel);
  const std::vector<v1::Object> objects = ManyObjects(count - 2, listeners - 1);  // beside those of the traffic
  {
    v1::ApplyRequest request;
    for (const v1::Object& object : objects) *request.add_objects() = object;
    const TimePoint began = io::Now();
    grpc::ClientContext context;
    v1::ApplyResponse response;
    DieUnless(config->Apply(&context, request, &response), "apply");
    std::printf("%zu objects, %zu of them listeners, applied at once and kept in %.0f ms; memory %.1f MiB\n", count, listeners, MillisecondsSince(began),
                static_cast<double>(ResidentBytes(daemon.pid())) / (1 << 20));
    const TimePoint again = io::Now();
    grpc::ClientContext second;
    DieUnless(config->Apply(&second, request, &response), "apply");
    std::printf("the same again, which changes nothing: %.0f ms\n", MillisecondsSince(again));
  }

  const uint64_t rate = daemon.StartTraffic(0.8);
  WatchedApplies applies;
  grpc::ClientContext watch_context;
  const auto watch = v1::ObserveService::NewStub(daemon.NewChannel())->Watch(&watch_context, {});
  std::atomic<bool> is_watching{false};
  std::thread watcher([&] {
    v1::WatchResponse response;
    while (watch->Read(&response)) {
      if (response.has_bookmark()) is_watching = true;
      if (!response.change().object().has_dialer()) continue;
      const auto& labels = response.change().object().dialer().metadata().labels();
      if (const auto at = labels.find(kLabel); at != labels.end()) applies.NoteSeen(at->second);
    }
  });
  while (!is_watching) std::this_thread::sleep_for(std::chrono::milliseconds(10));

  const double worker = daemon.WorkerSeconds();
  const double cpu = CpuSeconds(daemon.pid());
  const uint64_t sent = daemon.sent();
  const uint64_t received = daemon.carried();
  const TimePoint began = io::Now();
  const auto listener_stub = v1::ListenerService::NewStub(channel);
  const auto dialer_stub = v1::DialerService::NewStub(channel);
  const auto forward_stub = v1::ForwardService::NewStub(channel);
  std::vector<double> lists, filtered, applied;
  for (int turn = 0; io::Now() - began < std::chrono::seconds(time); ++turn) {
    if (turn % 20 == 0) {
      const TimePoint list_began = io::Now();
      size_t seen = ListAll(*listener_stub, &v1::ListenerService::Stub::ListListeners, "", [](const auto& page) { return page.listeners_size(); });
      seen += ListAll(*dialer_stub, &v1::DialerService::Stub::ListDialers, "", [](const auto& page) { return page.dialers_size(); });
      seen += ListAll(*forward_stub, &v1::ForwardService::Stub::ListForwards, "", [](const auto& page) { return page.forwards_size(); });
      lists.push_back(MillisecondsSince(list_began));
      if (seen < count) Die(absl::StrFormat("the lists hold %d objects", seen));
      const TimePoint filter_began = io::Now();
      if (ListAll(*dialer_stub, &v1::DialerService::Stub::ListDialers, "labels.site:site-7 AND state=ACTIVE", [](const auto& page) { return page.dialers_size(); }) == 0) {
        Die("nothing matches the filter");
      }
      filtered.push_back(MillisecondsSince(filter_began));
    }
    v1::ApplyRequest request;
    v1::Object& object = *request.add_objects();
    object = objects[objects.size() - 1 - static_cast<size_t>(turn) % 100];
    const std::string value = absl::StrFormat("n%d", turn);
    (*object.mutable_dialer()->mutable_metadata()->mutable_labels())[kLabel] = value;
    applies.NoteSent(value);
    const TimePoint apply_began = io::Now();
    grpc::ClientContext context;
    v1::ApplyResponse response;
    DieUnless(config->Apply(&context, request, &response), "apply");
    applied.push_back(MillisecondsSince(apply_began));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  const double took = ToSeconds(io::Now() - began);
  const double busy = (daemon.WorkerSeconds() - worker) / took;
  const double all = (CpuSeconds(daemon.pid()) - cpu) / took;
  const uint64_t offered = daemon.sent() - sent;
  const uint64_t came = daemon.carried() - received;
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  watch_context.TryCancel();
  watcher.join();
  daemon.StopTraffic();
  std::printf("for %.0f s beside %llu datagrams a second: worker busy %.0f %%, daemon %.0f %%, lost %.2f %%\n", took,
              static_cast<unsigned long long>(rate), 100 * busy, 100 * all,
              100 * (1 - static_cast<double>(came) / static_cast<double>(offered)));
  std::printf("  list of all, in pages of %d:       %s\n", kPageSize, FiguresText(lists).c_str());
  std::printf("  list of dialers by label and state: %s\n", FiguresText(filtered).c_str());
  std::printf("  apply of one object, kept:          %s\n", FiguresText(applied).c_str());
  std::printf("  from its request to a watch:        %s, %zu unseen\n", FiguresText(applies.milliseconds()).c_str(), applies.unseen());
  return 0;
}

namespace {

int Main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::string phase = argc > 1 ? argv[1] : "";
  const auto number = [&](int index, unsigned long otherwise) { return argc > index ? std::strtoul(argv[index], nullptr, 10) : otherwise; };
  if (phase == "objects") return Objects(number(2, 10'000), number(3, 1'000), static_cast<int>(number(4, 20)));
  if (phase == "abuse") return Abuse(static_cast<int>(number(2, 60)), argc > 3 ? argv[3] : "");
  std::fprintf(stderr, "usage: control_load objects [COUNT [LISTENERS [SECONDS]]] | abuse [SECONDS [NAME-PART]]\n");
  return 2;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::Main(argc, argv); }
