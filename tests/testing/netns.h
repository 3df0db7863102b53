// Network namespaces of a test, with names of their own, deleted in the end. Root only.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tests/testing/unique_fd.h"

namespace culvert::testing {

class Netns {
 public:
  // A new namespace called "culvert-<pid>-<number>-<label>", loopback up. Its TCP congestion control is cubic, or reno on a
  // machine that does not allow cubic there (net.ipv4.tcp_allowed_congestion_control): machines differ in their default, and
  // it governs the TCP legs at both ends of a tunnel. Errors: INTERNAL with what `ip` said.
  static absl::StatusOr<Netns> Create(const std::string& label);

  Netns(Netns&& other) noexcept : name_(std::exchange(other.name_, "")) {}
  Netns& operator=(Netns&& other) noexcept {
    std::swap(name_, other.name_);
    return *this;
  }
  ~Netns();

  const std::string& name() const { return name_; }

 private:
  explicit Netns(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

// Puts the calling thread into a namespace until destroyed. Sockets keep the namespace they were made in.
class NetnsVisit {
 public:
  static absl::StatusOr<NetnsVisit> Enter(const std::string& name);
  NetnsVisit(NetnsVisit&&) = default;
  NetnsVisit& operator=(NetnsVisit&&) = default;
  ~NetnsVisit();

 private:
  explicit NetnsVisit(UniqueFd home) : home_(std::move(home)) {}
  UniqueFd home_;
};

// Why namespaces cannot be used here ("needs root"); empty: they can.
std::string WhyNoNetns();

}  // namespace culvert::testing
