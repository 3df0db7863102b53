#include "tests/bench/compare/subject.h"

#include "core/base/status_macros.h"
#include "tests/testing/free_port.h"

namespace culvert::bench {
namespace {

constexpr const char* kSeed = "a seed for benchmarks";

absl::StatusOr<std::unique_ptr<testing::Daemon>> StartDaemon(const std::string& netns, const std::string& manifest) {
  CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<testing::Daemon> daemon, testing::Daemon::Start({.netns = netns}));
  (void)daemon->directory().Write("seed", kSeed, 0600);
  const testing::RunResult applied = daemon->Apply(manifest);
  if (applied.exit_code != 0) return absl::InternalError(applied.err);
  return daemon;
}

}  // namespace

std::vector<Subject> Subjects() {
  std::vector<Subject> subjects = {{"culvert", std::nullopt}};
  if (testing::V2ray::FindBinary().empty()) return subjects;
  subjects.push_back({"v2ray default", testing::V2rayKcp{}});
  subjects.push_back({"v2ray tuned", testing::V2rayKcp{.tti = 20, .uplink_capacity = 100, .downlink_capacity = 100}});
  subjects.push_back({"v2ray best", testing::V2rayKcp{.tti = 10,
                                                      .uplink_capacity = 1000,
                                                      .downlink_capacity = 1000,
                                                      .write_buffer_size = 8,
                                                      .read_buffer_size = 8}});
  return subjects;
}

absl::StatusOr<std::unique_ptr<RunningSubject>> RunningSubject::Start(const Subject& subject, bool has_seed,
                                                                      const Place& place,
                                                                      const SocketAddress& destination) {
  auto running = std::make_unique<RunningSubject>();
  running->entrance_ = {IpAddress::LoopbackV4(), testing::FreePort()};
  const SocketAddress wire{place.far_ip, testing::FreePort()};
  CULVERT_RETURN_IF_ERROR(subject.v2ray ? running->StartV2ray(*subject.v2ray, has_seed, place, wire, destination)
                                        : running->StartCulvert(has_seed, place, wire, destination));
  return running;
}

absl::Status RunningSubject::StartCulvert(bool has_seed, const Place& place, const SocketAddress& wire,
                                          const SocketAddress& destination) {
  testing::KcpText kcp;
  if (has_seed) kcp.seed_file = "seed";
  CULVERT_ASSIGN_OR_RETURN(
      far_, StartDaemon(place.far_netns, testing::KcpListener("wire", wire.ToString(), kcp) +
                                             testing::ForwardDirect("f", "wire", destination.ToString())));
  CULVERT_ASSIGN_OR_RETURN(near_, StartDaemon(place.near_netns, testing::TcpListener("in", entrance_.ToString()) +
                                                                    testing::KcpDialer("far", wire.ToString(), kcp) +
                                                                    testing::ForwardToDialer("f", "in", "far")));
  return absl::OkStatus();
}

absl::Status RunningSubject::StartV2ray(testing::V2rayKcp kcp, bool has_seed, const Place& place,
                                        const SocketAddress& wire, const SocketAddress& destination) {
  if (has_seed) kcp.seed = kSeed;
  CULVERT_ASSIGN_OR_RETURN(v2ray_far_, testing::V2ray::Start({.servers = {{wire, destination, kcp}}}, place.far_netns));
  CULVERT_ASSIGN_OR_RETURN(v2ray_near_, testing::V2ray::Start({.clients = {{entrance_, wire, kcp}}}, place.near_netns));
  return absl::OkStatus();
}

testing::ProcessUsage RunningSubject::Usage() const {
  testing::ProcessUsage sum;
  for (const pid_t pid : {near_ ? near_->process().pid() : v2ray_near_->process().pid(),
                          far_ ? far_->process().pid() : v2ray_far_->process().pid()}) {
    const testing::ProcessUsage one = testing::UsageOf(pid);
    sum.cpu_time += one.cpu_time;
    sum.resident_bytes += one.resident_bytes;
  }
  return sum;
}

}  // namespace culvert::bench
