// What sessions that only exist cost the whole program: two culvertd on loopback, SESSIONS TCP connections through a tunnel that
// nobody uses, then the resident memory they added at each end and the CPU time both spend while nothing happens.
//
//   idle_pair [SESSIONS [SECONDS]]        10000 sessions, 60 s by default
//
// Flow: start both ends, note their memory, open the connections, wait until the far side has accepted all, let things
// settle, measure. Every session holds a socket in each process, so the limit of open files is raised as far as the system
// lets us.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/sockaddr.h"
#include "tests/testing/tcp_stream.h"

namespace culvert::bench {
namespace {

constexpr Duration kOpenLimit = std::chrono::seconds(120);
// Sessions are opened over this long, so that their keep-alives (every 5 s) do not come in one lump, which would cost less.
constexpr auto kOpenTime = std::chrono::seconds(10);
constexpr auto kSettleTime = std::chrono::seconds(12);  // past the keep-alives that begin a session
constexpr rlim_t kOtherFiles = 256;

// How many sessions the limit of open files allows, at most `wanted`.
size_t AllowFiles(size_t wanted) {
  const rlim_t needed = wanted + kOtherFiles;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  rlimit raised = limit;
  raised.rlim_cur = std::max(limit.rlim_cur, needed);
  raised.rlim_max = std::max(limit.rlim_max, needed);
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;
  limit.rlim_cur = limit.rlim_max;  // not root: the hard limit stands
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return std::min<size_t>(wanted, limit.rlim_max > kOtherFiles ? limit.rlim_max - kOtherFiles : 0);
}

// Accepts everything and says nothing, in a process of its own: here its sockets would count against our limit.
class SilentServer {
 public:
  // REQUIRES: no other thread runs yet.
  bool Start() {
    void* shared = mmap(nullptr, sizeof(std::atomic<size_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return false;
    accepted_ = new (shared) std::atomic<size_t>(0);
    testing::UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const testing::RawAddress raw = testing::ToRaw(address());
    if (bind(listener.get(), raw.get(), raw.size) != 0 || listen(listener.get(), 4096) != 0) return false;
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC) >= 0) ++*accepted_;
      _exit(0);
    }
    return child_ > 0;
  }
  ~SilentServer() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  SocketAddress address() const { return {IpAddress::LoopbackV4(), port_}; }
  size_t accepted() const { return accepted_->load(); }

 private:
  const uint16_t port_ = testing::FreePort();
  std::atomic<size_t>* accepted_ = nullptr;  // in memory that both processes see
  pid_t child_ = -1;
};

struct End {
  const char* name;
  std::unique_ptr<testing::Daemon> daemon;
  testing::ProcessUsage before;  // without sessions
  testing::ProcessUsage idle;    // all are open, the measurement begins

  testing::ProcessUsage Usage() const { return testing::UsageOf(daemon->process().pid()); }
};

absl::StatusOr<End> StartEnd(const char* name, const std::string& manifest) {
  auto daemon = testing::Daemon::Start();
  if (!daemon.ok()) return daemon.status();
  (void)(*daemon)->directory().Write("seed", "a seed for benchmarks", 0600);
  const testing::RunResult applied = (*daemon)->Apply(manifest);
  if (applied.exit_code != 0) return absl::InternalError(applied.err);
  return End{name, *std::move(daemon), {}, {}};
}

bool OpenAll(size_t sessions, const SocketAddress& entrance, const SilentServer& server,
             std::vector<testing::TcpStream>& clients) {
  const auto begin = std::chrono::steady_clock::now();
  while (clients.size() < sessions) {
    std::this_thread::sleep_until(begin + kOpenTime * clients.size() / sessions);
    auto client = testing::TcpStream::Connect(entrance);
    if (!client.ok()) {
      std::fprintf(stderr, "session %zu: %s\n", clients.size(), client.status().ToString().c_str());
      return false;
    }
    clients.push_back(*std::move(client));
  }
  while (server.accepted() < sessions) {
    if (std::chrono::steady_clock::now() > begin + kOpenLimit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

int Run(size_t wanted, int seconds) {
  const size_t sessions = AllowFiles(wanted);
  if (sessions < wanted) std::printf("the limit of open files allows %zu sessions only\n", sessions);
  if (sessions == 0) return 1;
  SilentServer server;
  if (!server.Start()) return 1;
  const SocketAddress entrance{IpAddress::LoopbackV4(), testing::FreePort()};
  const SocketAddress wire{IpAddress::LoopbackV4(), testing::FreePort()};
  testing::KcpText kcp;
  kcp.seed_file = "seed";
  auto far = StartEnd("far", testing::KcpListener("wire", wire.ToString(), kcp) +
                                 testing::ForwardDirect("f", "wire", server.address().ToString()));
  auto near = StartEnd("near", testing::TcpListener("in", entrance.ToString()) +
                                   testing::KcpDialer("far", wire.ToString(), kcp) +
                                   testing::ForwardToDialer("f", "in", "far"));
  if (!far.ok() || !near.ok()) {
    std::fprintf(stderr, "%s %s\n", far.status().ToString().c_str(), near.status().ToString().c_str());
    return 1;
  }
  const std::array<End*, 2> ends = {&*near, &*far};
  for (End* end : ends) end->before = end->Usage();
  std::vector<testing::TcpStream> clients;
  if (!OpenAll(sessions, entrance, server, clients)) {
    std::fprintf(stderr, "only %zu of %zu sessions came up\n", server.accepted(), sessions);
    return 1;
  }
  std::this_thread::sleep_for(kSettleTime);
  for (End* end : ends) end->idle = end->Usage();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  std::printf("%zu sessions, %d s\n", sessions, seconds);
  for (const End* end : ends) {
    const testing::ProcessUsage after = end->Usage();
    std::printf("%-5s resident %.2f KiB a session (%.1f MiB without, %.1f MiB with), CPU %.2f %% of a core\n", end->name,
                static_cast<double>(after.resident_bytes - end->before.resident_bytes) / 1024.0 / static_cast<double>(sessions),
                static_cast<double>(end->before.resident_bytes) / 1048576.0,
                static_cast<double>(after.resident_bytes) / 1048576.0,
                100 * ToSeconds(after.cpu_time - end->idle.cpu_time) / seconds);
  }
  return 0;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) {
  const long sessions = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 10000;
  const long seconds = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 60;
  if (sessions < 1 || sessions > 1'000'000 || seconds < 1 || seconds > 86'400) {
    std::fprintf(stderr, "usage: idle_pair [SESSIONS [SECONDS]]\n");
    return 2;
  }
  return culvert::bench::Run(static_cast<size_t>(sessions), static_cast<int>(seconds));
}
