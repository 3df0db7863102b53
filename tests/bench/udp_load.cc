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
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/frontdoor/socks5_udp.h"
#include "core/io/monotonic_clock.h"
#include "nlohmann/json.hpp"
#include "tests/bench/process_figures.h"
#include "tests/bench/udp_traffic.h"
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
