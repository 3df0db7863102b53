// UDP in numbers, through real daemons on loopback; the load runs on the same machine.
//
//   udp_load rate [BYTES [RATE [SECONDS]]]   1200, 0 (as fast as they go), 10: datagrams a second through two daemons over QUIC, and loss
//   udp_load latency [RATE [SECONDS]]        30000, 10: one way, beside the same without daemons
//   udp_load destinations [COUNT]            100000: of one SOCKS5 client, while another one's echo goes on: descriptors and memory
//   udp_load open [COUNT]                    200000: flows opened a second, by destinations of one client
//   udp_load clients [COUNT]                 20000: the same by clients, each of which takes a socket
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/frontdoor/socks5_udp.h"
#include "core/io/datagram_batch.h"
#include "core/io/monotonic_clock.h"
#include "nlohmann/json.hpp"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_stream.h"
#include "tests/testing/udp_peer.h"

namespace culvert::bench {
namespace {

using testing::Daemon;
using testing::UdpPeer;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "udp_load: %s\n", what.c_str());
  std::exit(1);
}

std::unique_ptr<Daemon> Start(const std::string& manifest) {
  auto daemon = Daemon::Start({.flags = {"--log-level", "error"}});
  if (!daemon.ok()) Die(std::string(daemon.status().message()));
  const testing::RunResult applied = (*daemon)->Apply(manifest);
  if (applied.exit_code != 0) Die(applied.err);
  return *std::move(daemon);
}

io::UdpSocket Socket(const SocketAddress& bind = {IpAddress::LoopbackV4(), 0}) {
  auto socket = io::UdpSocket::Bind({.bind = bind});
  if (!socket.ok()) Die(std::string(socket.status().message()));
  return *std::move(socket);
}

// Counts what comes, and how long it was on its way. Each datagram begins with when it was sent.
class Sink {
 public:
  Sink() : socket_(Socket()), thread_([this] { Run(); }) {}
  ~Sink() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] SocketAddress address() const { return socket_.local_address(); }
  [[nodiscard]] uint64_t count() const { return count_; }
  // Lost in its own buffer.
  [[nodiscard]] uint64_t dropped() const { return socket_.counters().kernel_drops; }
  // REQUIRES: nothing comes any more.
  std::vector<double> TakeMicroseconds() { return std::move(microseconds_); }
  std::atomic<bool> records{false};

 private:
  void Run() {
    io::ReceiveBatch batch;
    Datagram datagram;
    while (!stop_) {
      pollfd ready{socket_.fd(), POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      while (batch.Receive(socket_)) {
        const int64_t now = io::Now().time_since_epoch().count();
        uint64_t got = 0;
        while (batch.Next(datagram)) {
          ++got;
          if (!records || datagram.bytes.size() < 8) continue;
          int64_t sent;
          std::memcpy(&sent, datagram.bytes.data(), sizeof sent);
          microseconds_.push_back(static_cast<double>(now - sent) / 1e3);
        }
        count_ += got;
      }
    }
  }

  io::UdpSocket socket_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> count_{0};
  std::vector<double> microseconds_;
  std::thread thread_;
};

// Sends `rate` datagrams a second in trains (0: as fast as the kernel takes them) and returns how many.
uint64_t Send(const SocketAddress& to, size_t bytes, uint64_t rate, Duration time, Duration step) {
  io::UdpSocket socket = Socket();
  io::SendBatch batch;
  const TimePoint began = io::Now();
  uint64_t sent = 0;
  for (TimePoint now = began; now - began < time; now = io::Now()) {
    uint64_t wanted = rate == 0 ? 256 : static_cast<uint64_t>(ToSeconds(now - began) * static_cast<double>(rate)) - std::min(sent, static_cast<uint64_t>(ToSeconds(now - began) * static_cast<double>(rate)));
    wanted = std::min<uint64_t>(wanted, 256);
    if (wanted == 0) {
      std::this_thread::sleep_for(step);
      continue;
    }
    const int64_t stamp = io::Now().time_since_epoch().count();
    for (uint64_t i = 0; i < wanted; ++i) {
      const ByteSpan slot = batch.Reserve(to, bytes);
      if (slot.empty()) break;
      std::memset(slot.data(), 0x5a, bytes);
      std::memcpy(slot.data(), &stamp, std::min(bytes, sizeof stamp));
      batch.Commit(bytes);
      ++sent;
    }
    while (batch.Flush(socket) == io::SendBatch::FlushResult::kWouldBlock) std::this_thread::sleep_for(microseconds(20));
    if (rate != 0) std::this_thread::sleep_for(step);
  }
  return sent;
}

struct Pair {
  explicit Pair(const SocketAddress& sink) {
    const uint16_t tunnel = testing::FreePort();
    in = {IpAddress::LoopbackV4(), testing::FreePort()};
    far = Start(absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: tunnel}\nspec: {transport: QUIC, bind: \"127.0.0.1:%d\", stream_header: CULVERT}\n"
        "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: out}\nspec: {listener: tunnel, destination: \"%s\", udp_queue_packets: 16384}\n",
        tunnel, sink.ToString()));
    near = Start(absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: in}\nspec: {transport: UDP, bind: \"%s\"}\n"
        "---\napiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: far}\nspec: {transport: QUIC, targets: [\"127.0.0.1:%d\"], insecure: true, stream_header: CULVERT}\n"
        "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: near}\nspec: {listener: in, dialer: far, udp_queue_packets: 16384}\n",
        in.ToString(), tunnel));
  }
  SocketAddress in;
  std::unique_ptr<Daemon> far;
  std::unique_ptr<Daemon> near;
};

double CpuSeconds(pid_t pid) {
  std::ifstream file(absl::StrFormat("/proc/%d/stat", pid));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t at = text.rfind(')');
  unsigned long user = 0, system = 0;
  std::sscanf(text.c_str() + at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

size_t ResidentBytes(pid_t pid) {
  std::ifstream file(absl::StrFormat("/proc/%d/statm", pid));
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

size_t Descriptors(pid_t pid) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(absl::StrFormat("/proc/%d/fd", pid))) ++count;
  return count;
}

nlohmann::json Status(const Daemon& daemon, const std::string& what) {
  return nlohmann::json::parse(daemon.GetJson(what))["status"];
}

void WarmUp(const SocketAddress& in, Sink& sink) {
  UdpPeer client;
  for (int i = 0; i < 200 && sink.count() == 0; ++i) {
    client.SendTo(in, std::vector<uint8_t>(100));
    std::this_thread::sleep_for(milliseconds(20));
  }
  if (sink.count() == 0) Die("nothing came through");
}

int Rate(size_t bytes, uint64_t rate, int time) {
  Sink sink;
  Pair pair(sink.address());
  WarmUp(pair.in, sink);
  // The path MTU search and the controller's start are not what is asked.
  Send(pair.in, bytes, rate == 0 ? 240'000 : rate, seconds(3), microseconds(100));
  std::this_thread::sleep_for(milliseconds(300));
  const uint64_t before = sink.count();
  const double near_cpu = CpuSeconds(pair.near->process().pid());
  const double far_cpu = CpuSeconds(pair.far->process().pid());
  const TimePoint began = io::Now();
  const uint64_t sent = Send(pair.in, bytes, rate, seconds(time), microseconds(100));
  const double took = ToSeconds(io::Now() - began);
  const double near_used = CpuSeconds(pair.near->process().pid()) - near_cpu;
  const double far_used = CpuSeconds(pair.far->process().pid()) - far_cpu;
  std::this_thread::sleep_for(milliseconds(500));
  const uint64_t got = sink.count() - before;
  std::printf("%zu bytes: sent %.0f/s, came %.0f/s (%.0f Mbit/s), lost %.2f %%; CPU us/datagram near %.2f far %.2f\n", bytes,
              static_cast<double>(sent) / took, static_cast<double>(got) / took, static_cast<double>(got) * static_cast<double>(bytes) * 8 / took / 1e6,
              100.0 * (1.0 - static_cast<double>(got) / static_cast<double>(sent)), near_used / static_cast<double>(got) * 1e6,
              far_used / static_cast<double>(got) * 1e6);
  const auto dropped = [](const Daemon& daemon, const char* what) {
    return Status(daemon, what).value("droppedDatagrams", nlohmann::json::object()).dump();
  };
  const auto session = nlohmann::json::parse(pair.near->GetJson("sessions"))["items"];
  std::printf("  dropped: listener %s, forward %s; far listener %s, forward %s; sink %llu; lost on the way %s\n", dropped(*pair.near, "listener/in").c_str(),
              dropped(*pair.near, "forward/near").c_str(), dropped(*pair.far, "listener/tunnel").c_str(), dropped(*pair.far, "forward/out").c_str(),
              static_cast<unsigned long long>(sink.dropped()), session.empty() ? "-" : session[0]["counters"].value("lostPackets", "0").c_str());
  return 0;
}

void PrintLatency(const char* what, std::vector<double> values) {
  if (values.empty()) Die("nothing came");
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) { return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))]; };
  std::printf("%-28s p50 %.0f us, p99 %.0f us, p99.9 %.0f us (%zu)\n", what, at(0.5), at(0.99), at(0.999), values.size());
}

// Two daemons that forward directly: what two more programs on the way cost, whatever they do.
struct DirectPair {
  explicit DirectPair(const SocketAddress& sink) {
    const SocketAddress middle{IpAddress::LoopbackV4(), testing::FreePort()};
    in = {IpAddress::LoopbackV4(), testing::FreePort()};
    far = StartDirect(middle, sink);
    near = StartDirect(in, middle);
  }
  static std::unique_ptr<Daemon> StartDirect(const SocketAddress& bind, const SocketAddress& to) {
    return Start(absl::StrFormat(
        "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: in}\nspec: {transport: UDP, bind: \"%s\"}\n"
        "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: out}\nspec: {listener: in, destination: \"%s\"}\n",
        bind.ToString(), to.ToString()));
  }
  SocketAddress in;
  std::unique_ptr<Daemon> far;
  std::unique_ptr<Daemon> near;
};

// Latency through a pair, once it is warm.
template <typename Way>
void MeasureLatency(const char* what, uint64_t rate, int time) {
  Sink sink;
  Way way(sink.address());
  WarmUp(way.in, sink);
  Send(way.in, 1200, rate, seconds(2), microseconds(60));
  sink.records = true;
  Send(way.in, 1200, rate, seconds(time), microseconds(60));
  std::this_thread::sleep_for(milliseconds(300));
  PrintLatency(what, sink.TakeMicroseconds());
}

int Latency(uint64_t rate, int time) {
  {
    Sink sink;
    sink.records = true;
    Send(sink.address(), 1200, rate, seconds(time), microseconds(60));
    std::this_thread::sleep_for(milliseconds(300));
    PrintLatency("bare", sink.TakeMicroseconds());
  }
  MeasureLatency<DirectPair>("two daemons without a tunnel", rate, time);
  MeasureLatency<Pair>("two daemons and QUIC", rate, time);
  return 0;
}

// A SOCKS5 UDP association.
class Association {
 public:
  explicit Association(const SocketAddress& socks) : control_(Connect(socks)) {
    const std::vector<uint8_t> hello = {5, 1, 0};
    const std::vector<uint8_t> request = {5, 3, 0, 1, 0, 0, 0, 0, 0, 0};
    std::vector<uint8_t> method(2), reply(10);
    if (!control_.Write(ByteView(hello)).ok() || !control_.ReadExactly(method).ok() || !control_.Write(ByteView(request)).ok() ||
        !control_.ReadExactly(reply).ok() || reply[1] != 0) {
      Die("no UDP association");
    }
    relay_ = {IpAddress::V4({reply[4], reply[5], reply[6], reply[7]}), LoadBigEndian16(reply.data() + 8)};
  }
  void Send(const SocketAddress& to, size_t bytes) {
    std::vector<uint8_t> datagram(frontdoor::kMaxSocks5DatagramHeaderBytes);
    datagram.resize(frontdoor::WriteSocks5DatagramHeader({.address = to}, datagram));
    datagram.resize(datagram.size() + bytes);
    peer_.SendTo(relay_, datagram);
  }
  UdpPeer& peer() { return peer_; }

 private:
  static testing::TcpStream Connect(const SocketAddress& socks) {
    auto stream = testing::TcpStream::Connect(socks);
    if (!stream.ok()) Die(std::string(stream.status().message()));
    return *std::move(stream);
  }
  testing::TcpStream control_;
  SocketAddress relay_;
  UdpPeer peer_;
};

std::unique_ptr<Daemon> StartSocks(SocketAddress& socks) {
  socks = {IpAddress::LoopbackV4(), testing::FreePort()};
  return Start(absl::StrFormat(
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: socks}\nspec: {transport: TCP, bind: \"%s\", protocol: SOCKS5}\n"
      "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: out}\nspec: {listener: socks, allowed_destinations: [\"127.0.0.0/8:*\"]}\n",
      socks.ToString()));
}

SocketAddress Nth(uint32_t n) {
  return {IpAddress::V4({127, static_cast<uint8_t>(1 + (n >> 16)), static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)}), 9};
}

int Destinations(uint32_t count) {
  SocketAddress socks;
  const auto daemon = StartSocks(socks);
  const pid_t pid = daemon->process().pid();
  UdpPeer echo;
  std::atomic<bool> stop{false};
  std::thread echo_thread([&] {
    while (!stop) {
      if (const auto received = echo.Receive(milliseconds(50))) echo.SendTo(received->from, received->bytes);
    }
  });
  Association greedy(socks);
  Association other(socks);
  other.Send(echo.address(), 10);
  if (!other.peer().Receive()) Die("the echo does not work");
  const size_t descriptors = Descriptors(pid);
  const size_t resident = ResidentBytes(pid);
  uint64_t asked = 0, answered = 0;
  size_t most_descriptors = descriptors, most_resident = resident;
  const TimePoint began = io::Now();
  for (uint32_t i = 0; i < count; ++i) {
    greedy.Send(Nth(i), 20);
    if (i % 100 == 0) {
      other.Send(echo.address(), 10);
      ++asked;
      if (other.peer().Receive(milliseconds(1000))) ++answered;
    }
    if (i % 5000 == 0) {
      most_descriptors = std::max(most_descriptors, Descriptors(pid));
      most_resident = std::max(most_resident, ResidentBytes(pid));
    }
  }
  const double took = ToSeconds(io::Now() - began);
  const auto status = Status(*daemon, "forward/out");
  std::printf("%u destinations in %.1f s: descriptors %zu -> %zu, memory %.1f -> %.1f MiB, flows opened %s, now %s; the other client: %llu of %llu answered\n", count,
              took, descriptors, std::max(most_descriptors, Descriptors(pid)), static_cast<double>(resident) / (1 << 20),
              static_cast<double>(std::max(most_resident, ResidentBytes(pid))) / (1 << 20), status.value("udpFlowsOpened", "0").c_str(),
              status.value("udpFlows", "0").c_str(), static_cast<unsigned long long>(answered), static_cast<unsigned long long>(asked));
  stop = true;
  echo_thread.join();
  return 0;
}

int Open(uint32_t count) {
  SocketAddress socks;
  const auto daemon = StartSocks(socks);
  Association client(socks);
  client.Send(Nth(0), 1);
  std::this_thread::sleep_for(milliseconds(200));
  const double cpu = CpuSeconds(daemon->process().pid());
  const TimePoint began = io::Now();
  for (uint32_t i = 1; i <= count; ++i) client.Send(Nth(i), 20);
  const double sending = ToSeconds(io::Now() - began);
  std::this_thread::sleep_for(milliseconds(500));
  const double used = CpuSeconds(daemon->process().pid()) - cpu;
  const uint64_t opened = std::strtoull(Status(*daemon, "forward/out").value("udpFlowsOpened", "0").c_str(), nullptr, 10);
  std::printf("flows by destination: %llu of %u opened while %.0f/s came; %.2f us of CPU each, so %.0f/s on one core\n",
              static_cast<unsigned long long>(opened), count, count / sending, used / static_cast<double>(opened) * 1e6,
              static_cast<double>(opened) / used);
  return 0;
}

int Clients(uint32_t count) {
  Sink sink;
  const SocketAddress in{IpAddress::LoopbackV4(), testing::FreePort()};
  const auto daemon = Start(absl::StrFormat(
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: in}\nspec: {transport: UDP, bind: \"%s\"}\n"
      "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: out}\nspec: {listener: in, destination: \"%s\"}\n",
      in.ToString(), sink.address().ToString()));
  // Every datagram from an address of its own.
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  if (bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) Die("bind");
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(in.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const double cpu = CpuSeconds(daemon->process().pid());
  const TimePoint began = io::Now();
  for (uint32_t i = 0; i < count; ++i) {
    std::array<uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> control{};
    char payload[20] = {};
    iovec vector{payload, sizeof payload};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    const auto source = Nth(i).ip.bytes();
    std::memcpy(&info.ipi_spec_dst, source.data(), 4);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
    sendmsg(fd, &message, 0);
  }
  const double sending = ToSeconds(io::Now() - began);
  uint64_t came = 0;
  for (int i = 0; i < 100 && came != sink.count(); ++i) {
    came = sink.count();
    std::this_thread::sleep_for(milliseconds(200));
  }
  const double used = CpuSeconds(daemon->process().pid()) - cpu;
  std::printf("flows by client: %llu of %u came through, offered %.0f/s; %.2f us of CPU each, so %.0f/s on one core; descriptors %zu\n",
              static_cast<unsigned long long>(came), count, count / sending, used / static_cast<double>(came) * 1e6, static_cast<double>(came) / used,
              Descriptors(daemon->process().pid()));
  close(fd);
  return 0;
}

int Main(int argc, char** argv) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::string phase = argc > 1 ? argv[1] : "";
  const auto number = [&](int index, unsigned long otherwise) { return argc > index ? std::strtoul(argv[index], nullptr, 10) : otherwise; };
  if (phase == "rate") return Rate(number(2, 1200), number(3, 0), static_cast<int>(number(4, 10)));
  if (phase == "latency") return Latency(number(2, 30'000), static_cast<int>(number(3, 10)));
  if (phase == "destinations") return Destinations(static_cast<uint32_t>(number(2, 100'000)));
  if (phase == "open") return Open(static_cast<uint32_t>(number(2, 200'000)));
  if (phase == "clients") return Clients(static_cast<uint32_t>(number(2, 20'000)));
  std::fprintf(stderr, "usage: udp_load rate [BYTES [RATE [SECONDS]]] | latency [RATE [SECONDS]] | destinations [COUNT] | open [COUNT] | clients [COUNT]\n");
  return 2;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::Main(argc, argv); }
