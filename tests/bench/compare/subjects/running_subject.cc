#include <cstdlib>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/subjects/subject.h"
#include "tests/testing/free_port.h"
#include "tests/testing/temp_dir.h"

namespace culvert::bench {
namespace {

// VmHWM of proc(5), in bytes; 0 when the process is gone.
uint64_t PeakResidentBytesOf(pid_t pid) {
  const std::string status = testing::ReadFile(absl::StrFormat("/proc/%d/status", pid));
  const size_t at = status.find("VmHWM:");
  if (at == std::string::npos) return 0;
  return std::strtoull(status.c_str() + at + 6, nullptr, 10) * 1024;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunningSubject>> RunningSubject::Start(const Subject& subject, Site& site,
                                                                      uint16_t destination_port) {
  CULVERT_RETURN_IF_ERROR(site.SetTcpCongestionControl(subject.tcp));
  auto running = std::make_unique<RunningSubject>();
  if (subject.near == nullptr) {
    running->entrance_ = {site.far_ip(), destination_port};
    return running;
  }
  running->entrance_ = {IpAddress::LoopbackV4(), testing::FreePort()};
  const SocketAddress wire{site.far_ip(), testing::FreePort()};
  const SocketAddress destination{IpAddress::LoopbackV4(), destination_port};
  const Profile* profile = &site.profile();
  CULVERT_ASSIGN_OR_RETURN(running->far_, subject.far->StartFar({site.far_netns(), wire, destination, profile}));
  CULVERT_ASSIGN_OR_RETURN(running->near_,
                           subject.near->StartNear({site.near_netns(), running->entrance_, wire, profile}));
  return running;
}

std::vector<pid_t> RunningSubject::Pids() const {
  if (!has_processes()) return {};
  return {near_->process().pid(), far_->process().pid()};
}

Duration RunningSubject::CpuTime() const {
  Duration sum{};
  for (const pid_t pid : Pids()) sum += testing::UsageOf(pid).cpu_time;
  return sum;
}

uint64_t RunningSubject::ResidentBytes() const {
  uint64_t sum = 0;
  for (const pid_t pid : Pids()) sum += testing::UsageOf(pid).resident_bytes;
  return sum;
}

uint64_t RunningSubject::PeakResidentBytes() const {
  uint64_t sum = 0;
  for (const pid_t pid : Pids()) sum += PeakResidentBytesOf(pid);
  return sum;
}

std::string RunningSubject::WhatEnded() {
  if (!has_processes()) return "";
  for (const auto& [side, end] : {std::pair("near", near_.get()), std::pair("far", far_.get())}) {
    if (end->process().IsRunning()) continue;
    const std::string said = end->process().Stdout() + end->process().Stderr();
    constexpr size_t kTail = 300;
    return absl::StrFormat("the %s end ended: %s", side, said.size() > kTail ? said.substr(said.size() - kTail) : said);
  }
  return "";
}

}  // namespace culvert::bench
