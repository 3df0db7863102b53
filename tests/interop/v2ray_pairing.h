// Everything the interop tests talk through, started once: one v2ray and one culvertd with all combinations of header and
// seed in both roles, and the applications behind them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/testing/daemon.h"
#include "tests/testing/tcp_app.h"
#include "tests/testing/v2ray.h"

namespace culvert::testing {

enum class Role { kCulvertDials, kCulvertListens };

struct Combination {
  Role role = Role::kCulvertDials;
  std::optional<std::string> header;  // v2ray's spelling; nullopt: no header object in its configuration
  bool has_seed = false;

  std::string Name() const;  // "CulvertDials_wechatvideo_Seed"
};

// Every header of v2ray, "absent" first.
const std::vector<std::optional<std::string>>& AllHeaders();
std::vector<Combination> AllCombinations();

inline constexpr std::string_view kGreeting = "220 speak, friend\r\n";

class V2rayPairing {
 public:
  // Started at the first call. Errors are remembered.
  static absl::StatusOr<V2rayPairing*> Get();
  // Ends everything and says how culvertd ended.
  static std::optional<ExitStatus> Stop();

  // Where a client connects to reach the ChoiceHandler application, or the one that greets, through this combination.
  SocketAddress ToChoice(const Combination& combination) const;
  SocketAddress ToGreeter(const Combination& combination) const;
  TcpServer& choice() { return *choice_; }
  TcpServer& greeter() { return *greeter_; }
  Daemon& daemon() { return *daemon_; }
  std::string Logs() const;

 private:
  struct Route {
    Combination combination;
    SocketAddress choice;
    SocketAddress greeter;
  };

  absl::Status Start();
  SocketAddress AddRoute(const Combination& combination, const std::string& name, uint16_t destination,
                         V2rayOptions& v2ray, std::string& manifest);

  std::unique_ptr<TcpServer> choice_;
  std::unique_ptr<TcpServer> greeter_;
  std::vector<Route> routes_;
  std::unique_ptr<V2ray> v2ray_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace culvert::testing
