// QUIC sessions in numbers, between real daemons on loopback; the load runs on the same machine.
//
//   quic_load streams [SESSIONS [STREAMS]]     1000 x 10: all streams open at once, every byte checked at both ends
//   quic_load idle [SESSIONS [SECONDS]]        1000, 30 s: what sessions cost that carry nothing
//   quic_load handshakes [RATE [SECONDS]]      300/s, 60 s: how long full handshakes take
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/interrupt.h"
#include "tests/bench/compare/load/crowd.h"
#include "tests/bench/compare/load/target.h"
#include "tests/bench/compare/subjects/tls_files.h"
#include "tests/bench/handshake_client.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"

namespace culvert::bench {
namespace {

constexpr Duration kOpenLimit = std::chrono::seconds(120);
constexpr auto kSettleTime = std::chrono::seconds(5);

// The application at the far end, in a process of its own: here its sockets would count against our limit.
class FarApplication {
 public:
  // REQUIRES: no other thread runs yet.
  bool Start() {
    void* shared = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return false;
    shared_ = new (shared) Shared;
    child_ = fork();
    if (child_ == 0) Serve();
    while (child_ > 0 && shared_->port == 0 && waitpid(child_, nullptr, WNOHANG) == 0) usleep(1000);
    return shared_->port != 0;
  }
  ~FarApplication() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  uint16_t port() const { return static_cast<uint16_t>(shared_->port.load()); }
  uint64_t corrupted() const { return shared_->corrupted; }

 private:
  struct Shared {
    std::atomic<uint32_t> port{0};
    std::atomic<uint64_t> corrupted{0};
  };
  [[noreturn]] void Serve() {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto target = Target::Start("");
    if (!target.ok()) _exit(1);
    shared_->port = (*target)->port();
    for (;;) {
      usleep(20'000);
      shared_->corrupted = (*target)->corrupted();
    }
  }

  Shared* shared_ = nullptr;  // memory that both processes see
  pid_t child_ = -1;
};

// The far end, a listener for QUIC, and the near end, which dials it.
struct Ends {
  SocketAddress entrance{IpAddress::LoopbackV4(), testing::FreePort()};
  SocketAddress wire{IpAddress::LoopbackV4(), testing::FreePort()};
  std::unique_ptr<testing::Daemon> far, near;
};

absl::StatusOr<std::unique_ptr<testing::Daemon>> StartDaemon(const std::string& manifest) {
  CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<testing::Daemon> daemon, testing::Daemon::Start());
  const testing::TempDir& folder = daemon->directory();
  static_cast<void>(folder.Write("ca.crt", BenchTlsFiles().authority_pem));
  static_cast<void>(folder.Write("tls.crt", BenchTlsFiles().certificate_pem));
  static_cast<void>(folder.Write("tls.key", BenchTlsFiles().private_key_pem, 0600));
  const testing::RunResult applied = daemon->Apply(manifest);
  if (applied.exit_code != 0) return absl::InternalError(applied.err);
  return daemon;
}

// `destination`: of what the far end takes. `quic`: further settings of both ends.
absl::StatusOr<Ends> StartEnds(uint16_t destination, const std::string& quic) {
  Ends ends;
  const SocketAddress target{IpAddress::LoopbackV4(), destination};
  const testing::QuicText far{.more = quic, .tls = "{certificate_file: tls.crt, private_key_file: tls.key}"};
  CULVERT_ASSIGN_OR_RETURN(ends.far, StartDaemon(testing::QuicListener("wire", ends.wire.ToString(), far) +
                                                 testing::ForwardDirect("f", "wire", target.ToString())));
  CULVERT_ASSIGN_OR_RETURN(ends.near, StartDaemon(testing::TcpListener("in", ends.entrance.ToString())));
  return ends;
}

absl::Status ApplyDialer(const Ends& ends, const std::string& quic, const std::string& dialer) {
  const testing::QuicText near{.more = quic, .tls = absl::StrFormat("{trust_file: ca.crt, server_name: %s}", kServerName)};
  const testing::RunResult applied =
      ends.near->Apply(testing::TcpListener("in", ends.entrance.ToString()) +
                       testing::QuicDialer("far", ends.wire.ToString(), near, dialer) + testing::ForwardToDialer("f", "in", "far"));
  return applied.exit_code == 0 ? absl::OkStatus() : absl::InternalError(applied.err);
}

// Sessions that the far end has.
size_t CountSessions(const Ends& ends) {
  const std::string json = ends.far->Ctl({"get", "listener", "wire", "-o", "json"}).out;
  const size_t name = json.find("\"active\"");
  const size_t digit = name == std::string::npos ? name : json.find_first_of("0123456789", name);
  return digit == std::string::npos ? 0 : static_cast<size_t>(std::strtoul(json.c_str() + digit, nullptr, 10));
}

bool WaitForSessions(const Ends& ends, size_t count) {
  const TimePoint deadline = testing::MonotonicNow() + kOpenLimit;
  while (CountSessions(ends) < count) {
    if (testing::MonotonicNow() > deadline || !SleepUnlessInterrupted(std::chrono::milliseconds(200))) return false;
  }
  return true;
}

struct Used {
  testing::ProcessUsage near, far;
};
Used UsageOf(const Ends& ends) {
  return {testing::UsageOf(ends.near->process().pid()), testing::UsageOf(ends.far->process().pid())};
}
double MiB(uint64_t bytes) { return static_cast<double>(bytes) / 1048576.0; }
double KiBEach(uint64_t now, uint64_t before, size_t count) {
  return (static_cast<double>(now) - static_cast<double>(before)) / 1024.0 / static_cast<double>(count);
}

absl::Status RunStreams(size_t sessions, size_t streams, const FarApplication& target) {
  const size_t count = sessions * streams;
  const std::string quic = absl::StrFormat("max_streams_per_session: %d", streams);
  CULVERT_ASSIGN_OR_RETURN(const Ends ends, StartEnds(target.port(), quic));
  CULVERT_RETURN_IF_ERROR(ApplyDialer(ends, quic, ""));
  size_t most = 0;
  Used peak;
  TimePoint next_look{};
  // None may end before all are there, so that as many sessions have to stand at the same time.
  const auto may_finish = [&] {
    if (testing::MonotonicNow() < next_look) return false;
    next_look = testing::MonotonicNow() + std::chrono::milliseconds(500);
    most = std::max(most, CountSessions(ends));
    peak = UsageOf(ends);
    return most >= sessions;
  };
  CULVERT_ASSIGN_OR_RETURN(const CrowdResult result,
                           RunCrowd({.entrance = ends.entrance}, static_cast<int>(count), kOpenLimit, may_finish));
  std::printf("%zu streams wanted on %zu sessions, %zu sessions stood at once; %d streams carried 16 KiB each way, checked, in %.2f s\n",
              count, sessions, most, result.finished, result.seconds);
  std::printf("wrong bytes at the far side: %llu streams. Resident with all open: near %.0f MiB, far %.0f MiB\n",
              static_cast<unsigned long long>(target.corrupted()), MiB(peak.near.resident_bytes), MiB(peak.far.resident_bytes));
  return result.finished == static_cast<int>(count) && target.corrupted() == 0
             ? absl::OkStatus()
             : absl::DataLossError("not every stream got everything");
}

absl::Status RunIdle(size_t sessions, size_t seconds, const FarApplication& target) {
  if (sessions > 1000) return absl::InvalidArgumentError("idle keeps at most 1000 sessions: min_sessions allows no more");
  CULVERT_ASSIGN_OR_RETURN(const Ends ends, StartEnds(target.port(), ""));
  const Used before = UsageOf(ends);
  const TimePoint begin = testing::MonotonicNow();
  CULVERT_RETURN_IF_ERROR(ApplyDialer(ends, "", absl::StrFormat("min_sessions: %d", sessions)));
  if (!WaitForSessions(ends, sessions)) {
    return absl::DeadlineExceededError(absl::StrFormat("only %d sessions came up", CountSessions(ends)));
  }
  const double opened_in = ToSeconds(testing::MonotonicNow() - begin);
  SleepUnlessInterrupted(kSettleTime);
  const Used idle = UsageOf(ends);
  SleepUnlessInterrupted(std::chrono::seconds(seconds));
  const Used after = UsageOf(ends);
  std::printf("%zu sessions came up in %.1f s, then idle for %zu s\n", sessions, opened_in, seconds);
  const auto tell = [&](const char* name, const testing::ProcessUsage& was, const testing::ProcessUsage& settled,
                        const testing::ProcessUsage& now) {
    std::printf("%-5s resident %.1f KiB a session (%.1f MiB without, %.1f MiB with), CPU %.2f %% of a core\n", name,
                KiBEach(now.resident_bytes, was.resident_bytes, sessions), MiB(was.resident_bytes), MiB(now.resident_bytes),
                100 * ToSeconds(now.cpu_time - settled.cpu_time) / static_cast<double>(seconds));
  };
  tell("near", before.near, idle.near, after.near);
  tell("far", before.far, idle.far, after.far);
  return CountSessions(ends) >= sessions ? absl::OkStatus() : absl::DataLossError("sessions were lost while idle");
}

absl::Status RunHandshakePhase(double rate, size_t seconds, const FarApplication& target) {
  CULVERT_ASSIGN_OR_RETURN(const Ends ends, StartEnds(target.port(), ""));
  const Used before = UsageOf(ends);
  CULVERT_ASSIGN_OR_RETURN(HandshakeResult result, RunHandshakes({.peer = ends.wire,
                                                                  .trust_pem = BenchTlsFiles().authority_pem,
                                                                  .server_name = kServerName,
                                                                  .per_second = rate,
                                                                  .time = std::chrono::seconds(seconds)}));
  const Used after = UsageOf(ends);
  size_t failed = 0;
  for (const auto& [reason, count] : result.failures) {
    std::printf("failed: %zu %s\n", count, reason.c_str());
    failed += count;
  }
  std::vector<double>& times = result.milliseconds;
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) { return times.empty() ? 0 : times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))]; };
  std::printf("%zu handshakes at %.0f/s: %zu done, %zu failed; p50 %.2f ms, p99 %.2f ms, most %.2f ms\n", result.begun, rate,
              times.size(), failed, at(0.5), at(0.99), at(1));
  std::printf("listener: CPU %.1f %% of a core, resident %.1f -> %.1f MiB\n",
              100 * ToSeconds(after.far.cpu_time - before.far.cpu_time) / static_cast<double>(seconds),
              MiB(before.far.resident_bytes), MiB(after.far.resident_bytes));
  return times.size() == result.begun ? absl::OkStatus() : absl::DataLossError("not every handshake was done");
}

// Every stream is a socket in each process.
void AllowFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_max = std::max<rlim_t>(limit.rlim_max, 1 << 17);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;  // not root: the hard limit stands
    static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
  }
}

int Main(int argc, char** argv) {
  const std::string phase = argc > 1 ? argv[1] : "";
  const auto number = [&](int index, size_t otherwise) {
    return argc > index ? static_cast<size_t>(std::strtoul(argv[index], nullptr, 10)) : otherwise;
  };
  AllowFiles();
  FarApplication target;
  if (!target.Start()) {
    std::fprintf(stderr, "the application at the far end cannot run\n");
    return 1;
  }
  WatchForInterrupt();
  absl::Status status;
  if (phase == "streams" && argc <= 4 && number(2, 1) > 0 && number(3, 1) > 0) {
    status = RunStreams(number(2, 1000), number(3, 10), target);
  } else if (phase == "idle" && argc <= 4 && number(2, 1) > 0 && number(3, 1) > 0) {
    status = RunIdle(number(2, 1000), number(3, 30), target);
  } else if (phase == "handshakes" && argc <= 4 && number(2, 1) > 0 && number(3, 1) > 0) {
    status = RunHandshakePhase(static_cast<double>(number(2, 300)), number(3, 60), target);
  } else {
    std::fprintf(stderr, "usage: quic_load streams [SESSIONS [STREAMS]] | idle [SESSIONS [SECONDS]] | handshakes [RATE [SECONDS]]\n");
    return 2;
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::Main(argc, argv); }
