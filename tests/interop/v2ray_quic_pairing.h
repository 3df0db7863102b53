// Everything the QUIC tests with v2ray talk through, started once: one v2ray and one culvertd with all combinations of outer security
// and header in both roles, and the applications behind them. No end has a TLS section: v2ray then shows a certificate of its own
// making and verifies nobody.
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

enum class QuicRole : uint8_t { kCulvertDials, kCulvertListens };

struct QuicCombination {
  QuicRole role = QuicRole::kCulvertDials;
  std::string security = "none";      // v2ray's spelling
  std::optional<std::string> header;  // likewise; nullopt: no header object in its configuration

  std::string Name() const;  // "CulvertDials_aes128gcm_wechatvideo"
};

// "none" first.
const std::vector<std::string>& AllSecurities();
// "absent" first.
const std::vector<std::optional<std::string>>& AllQuicHeaders();
std::vector<QuicCombination> AllQuicCombinations();

// Of the outer layer, at both ends.
inline constexpr std::string_view kQuicKey = "a key that both ends know";
inline constexpr std::string_view kQuicGreeting = "220 speak, friend\r\n";

// The manifest's word for v2ray's: "AES_128_GCM", "WECHAT_VIDEO". Culvert has no header "absent": the same bytes as NONE.
std::string ManifestSecurity(const std::string& security);
std::string ManifestHeader(const std::optional<std::string>& header);

class V2rayQuicPairing {
 public:
  // Started at the first call. Errors are remembered.
  static absl::StatusOr<V2rayQuicPairing*> Get();
  // Ends everything and says how culvertd ended.
  static std::optional<ExitStatus> Stop();

  // Where a client connects to reach the ChoiceHandler application through this combination.
  SocketAddress ToChoice(const QuicCombination& combination) const;
  // And the one that speaks first; only where culvert dials, as a v2ray that dials says nothing before its client does.
  SocketAddress ToGreeter(const QuicCombination& combination) const;
  TcpServer& choice() { return *choice_; }
  Daemon& daemon() { return *daemon_; }
  std::string Logs() const;

 private:
  struct Route {
    QuicCombination combination;
    SocketAddress choice;
    SocketAddress greeter;
  };

  absl::Status Start();
  SocketAddress AddRoute(const QuicCombination& combination, const std::string& name, uint16_t destination, V2rayOptions& v2ray,
                         std::string& manifest);
  const Route& RouteOf(const QuicCombination& combination) const;

  std::unique_ptr<TcpServer> choice_;
  std::unique_ptr<TcpServer> greeter_;
  std::vector<Route> routes_;
  std::unique_ptr<V2ray> v2ray_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace culvert::testing
