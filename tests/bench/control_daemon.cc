#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/io/monotonic_clock.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "tests/bench/control_load.h"
#include "tests/testing/free_port.h"

namespace culvert::bench {

using std::chrono::microseconds;
using std::chrono::milliseconds;

void Die(const std::string& what) {
  std::fprintf(stderr, "control_load: %s\n", what.c_str());
  std::exit(1);
}

void DieUnless(const grpc::Status& status, const char* what) {
  if (!status.ok()) Die(std::string(what) + ": " + status.error_message());
}

LoadedDaemon::LoadedDaemon() : unread_(LoopbackSocket()), in_{IpAddress::LoopbackV4(), testing::FreePort()} {
  auto daemon = testing::Daemon::Start({.flags = {"--workers", "1", "--log-level", "error"}, .state_dir = state_.File("state")});
  if (!daemon.ok()) Die(std::string(daemon.status().message()));
  daemon_ = *std::move(daemon);
  const testing::RunResult applied = daemon_->Apply(absl::StrFormat(
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: traffic}\nspec: {transport: UDP, bind: \"%s\"}\n"
      "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: traffic}\nspec: {listener: traffic, destination: \"%s\"}\n",
      in_.ToString(), unread_.local_address().ToString()));
  if (applied.exit_code != 0) Die(applied.err);
  channel_ = NewChannel();
}

LoadedDaemon::~LoadedDaemon() { StopTraffic(); }

std::shared_ptr<grpc::Channel> LoadedDaemon::NewChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(daemon_->address(), grpc::InsecureChannelCredentials(), arguments);
}

uint64_t LoadedDaemon::carried() {
  grpc::ClientContext context;
  v1::GetListenerRequest request;
  request.set_name("traffic");
  v1::GetListenerResponse response;
  DieUnless(v1::ListenerService::NewStub(channel_)->GetListener(&context, request, &response), "GetListener");
  return response.listener().status().counters().rx_packets();
}

double LoadedDaemon::WorkerSeconds() {
  grpc::ClientContext context;
  v1::GetDaemonResponse response;
  DieUnless(v1::DaemonService::NewStub(channel_)->GetDaemon(&context, {}, &response), "GetDaemon");
  const auto& time = response.daemon().workers(0).cpu_time();
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) / 1e9;
}

uint64_t LoadedDaemon::StartTraffic(double share) {
  constexpr size_t kBytes = 200;
  constexpr int kTries = 8;
  const auto step = microseconds(200);
  uint64_t rate = 50'000;
  for (int i = 0; i < kTries; ++i) {
    const double before = WorkerSeconds();
    const TimePoint began = io::Now();
    const uint64_t sent = Send(in_, kBytes, rate, milliseconds(700), step, true);
    const double took = ToSeconds(io::Now() - began);
    const double busy = (WorkerSeconds() - before) / took;
    if (busy > share - 0.03 && busy < share + 0.03) break;
    // What was really sent: the sender may not be able to send more.
    rate = static_cast<uint64_t>(static_cast<double>(sent) / took * std::clamp(share / busy, 0.5, 2.0));
  }
  traffic_ = std::thread([this, rate, step] {
    while (!stop_) sent_ += Send(in_, kBytes, rate, milliseconds(250), step, true);
  });
  return rate;
}

void LoadedDaemon::StopTraffic() {
  stop_ = true;
  if (traffic_.joinable()) traffic_.join();
}

std::vector<v1::Object> ManyObjects(size_t count, size_t listeners) {
  std::vector<v1::Object> objects;
  for (size_t i = 0; i < listeners; ++i) {
    v1::Listener& listener = *objects.emplace_back().mutable_listener();
    listener.mutable_metadata()->set_name(absl::StrFormat("in-%05d", i));
    (*listener.mutable_metadata()->mutable_labels())["site"] = absl::StrFormat("site-%d", i % 10);
    listener.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
    listener.mutable_spec()->set_bind("127.0.0.1:0");
    v1::Forward& forward = *objects.emplace_back().mutable_forward();
    forward.mutable_metadata()->set_name(absl::StrFormat("way-%05d", i));
    forward.mutable_spec()->set_listener(listener.metadata().name());
    forward.mutable_spec()->set_destination("127.0.0.1:9");
  }
  for (size_t i = 0; objects.size() < count; ++i) {
    v1::Dialer& dialer = *objects.emplace_back().mutable_dialer();
    dialer.mutable_metadata()->set_name(absl::StrFormat("out-%05d", i));
    (*dialer.mutable_metadata()->mutable_labels())["site"] = absl::StrFormat("site-%d", i % 10);
    dialer.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
    dialer.mutable_spec()->add_targets(absl::StrFormat("10.%d.%d.1:443", i / 250, i % 250));
  }
  return objects;
}

std::string FiguresText(std::vector<double> values) {
  if (values.empty()) Die("nothing was measured");
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
  };
  return absl::StrFormat("p50 %.1f, p99 %.1f, most %.1f ms (%d)", at(0.5), at(0.99), values.back(), values.size());
}

}  // namespace culvert::bench
