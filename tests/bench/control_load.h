// A daemon with objects and traffic, and its control API as a program uses it: what the phases of control_load share.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "tests/bench/udp_traffic.h"
#include "tests/testing/daemon.h"
#include "tests/testing/temp_dir.h"

namespace culvert::bench {

[[noreturn]] void Die(const std::string& what);
void DieUnless(const grpc::Status& status, const char* what);

// A daemon with one worker that keeps its objects, one UDP forward to where nobody reads (so that this machine's two cores are spent on
// the daemon), and clients of its API.
class LoadedDaemon {
 public:
  LoadedDaemon();
  ~LoadedDaemon();

  // With a connection of its own.
  [[nodiscard]] std::shared_ptr<grpc::Channel> NewChannel() const;
  [[nodiscard]] const std::string& socket() const { return daemon_->control_socket(); }
  pid_t pid() { return daemon_->process().pid(); }

  // Sends until StopTraffic, as many as make the worker busy for `share` of a core. The rate.
  uint64_t StartTraffic(double share);
  void StopTraffic();
  [[nodiscard]] uint64_t sent() const { return sent_; }
  // Datagrams that the daemon took in.
  uint64_t carried();
  // CPU time of the worker's thread so far, in seconds.
  double WorkerSeconds();

 private:
  io::UdpSocket unread_;
  testing::TempDir state_;
  std::unique_ptr<testing::Daemon> daemon_;
  std::shared_ptr<grpc::Channel> channel_;
  SocketAddress in_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> sent_{0};
  std::thread traffic_;
};

// `count` objects, of which `listeners` are bound TCP listeners with a forward each, and the rest dialers.
std::vector<v1::Object> ManyObjects(size_t count, size_t listeners);

// Of milliseconds: "p50 1.2, p99 3.4, most 5.6 ms (200)".
std::string FiguresText(std::vector<double> values);

// Phases.
int Objects(size_t count, size_t listeners, int seconds);
// `only`: the attacks that have this in their name; empty: all at a time.
int Abuse(int seconds, const std::string& only);

}  // namespace culvert::bench
