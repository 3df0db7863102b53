#include "tests/bench/compare/subjects/culvert_end.h"

#include <optional>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/subjects/tls_files.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"

namespace culvert::bench {
namespace {

using DaemonOrError = absl::StatusOr<std::unique_ptr<testing::Daemon>>;

class Culvert : public EndKind {
 public:
  explicit Culvert(const CulvertSettings& settings) : settings_(settings) {}

  absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const override {
    const std::string tls = absl::StrFormat("{trust_file: ca.crt, server_name: %s}", kServerName);
    return ToEnd(Start(options.netns, testing::TcpListener("in", options.entrance.ToString()) +
                                          testing::KcpDialer("far", options.wire.ToString(), Kcp(tls)) +
                                          testing::ForwardToDialer("f", "in", "far")));
  }

  absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const override {
    const testing::KcpText kcp = Kcp("{certificate_file: tls.crt, private_key_file: tls.key}");
    return ToEnd(Start(options.netns, testing::KcpListener("wire", options.wire.ToString(), kcp) +
                                          testing::ForwardDirect("f", "wire", options.destination.ToString())));
  }

 private:
  testing::KcpText Kcp(const std::string& tls) const {
    testing::KcpText kcp;
    if (settings_.has_tls) kcp.tls = tls;
    if (settings_.has_seed) kcp.seed_file = "seed";
    return kcp;
  }

  DaemonOrError Start(const std::string& netns, const std::string& manifest) const {
    CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<testing::Daemon> daemon, testing::Daemon::Start({.netns = netns}));
    (void)daemon->directory().Write("seed", kSeed, 0600);
    if (settings_.has_tls) {
      (void)daemon->directory().Write("ca.crt", BenchTlsFiles().authority_pem);
      (void)daemon->directory().Write("tls.crt", BenchTlsFiles().certificate_pem);
      (void)daemon->directory().Write("tls.key", BenchTlsFiles().private_key_pem, 0600);
    }
    const testing::RunResult applied = daemon->Apply(manifest);
    if (applied.exit_code != 0) return absl::InternalError(applied.err);
    return daemon;
  }

  CulvertSettings settings_;
};

testing::V2rayKcp FittedTo(const Profile& profile) {
  testing::V2rayKcp kcp{.seed = kSeed, .tti = 10, .uplink_capacity = 1000, .downlink_capacity = 1000};
  kcp.write_buffer_size = kcp.read_buffer_size = 8;
  if (!profile.is_emulated()) return kcp;
  // A buffer of about the path's bandwidth-delay product, v2ray's tick included. Where much is lost the smallest (0 stands
  // for 512 KiB): 68 % of the link at 10 % loss and 1.4 bytes sent for one delivered, against 51 % and 4.0 with 1 MiB.
  kcp.tti = 50;
  kcp.uplink_capacity = static_cast<int>(profile.rate_bits_per_second / 8e6);
  kcp.downlink_capacity = 100;
  kcp.write_buffer_size = profile.loss >= 0.1 ? 0 : 1;
  return kcp;
}

class V2ray : public EndKind {
 public:
  // Without settings: fitted to each path.
  explicit V2ray(std::optional<testing::V2rayKcp> kcp) : kcp_(std::move(kcp)) {}

  absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const override {
    return ToEnd(testing::V2ray::Start({.clients = {{options.entrance, options.wire, Settings(*options.profile)}}},
                                       options.netns));
  }
  absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const override {
    return ToEnd(testing::V2ray::Start({.servers = {{options.wire, options.destination, Settings(*options.profile)}}},
                                       options.netns));
  }

 private:
  testing::V2rayKcp Settings(const Profile& profile) const { return kcp_ ? *kcp_ : FittedTo(profile); }

  std::optional<testing::V2rayKcp> kcp_;
};

}  // namespace

std::shared_ptr<const EndKind> CulvertEnds(const CulvertSettings& settings) {
  return std::make_shared<Culvert>(settings);
}

std::string WhyNoTls() {
  // Asks the program itself: a listener with a tls block that nobody will use.
  const Culvert with_tls({.has_tls = true});
  const SocketAddress unused{IpAddress::LoopbackV4(), testing::FreePort()};
  const auto end = with_tls.StartFar({.wire = unused, .destination = unused});
  if (end.ok()) return "";
  // "error: PATH:LINE: what is wrong": the path is of a folder that is gone by now.
  std::string message(end.status().message());
  message = message.substr(0, message.find('\n'));
  const size_t path = message.find(".yaml:");
  const size_t what = path == std::string::npos ? path : message.find(' ', path);
  return "culvertd refuses it: " + (what == std::string::npos ? message : message.substr(what + 1));
}

std::shared_ptr<const EndKind> V2rayEnds(const testing::V2rayKcp& kcp) { return std::make_shared<V2ray>(kcp); }
std::shared_ptr<const EndKind> FittedV2rayEnds() { return std::make_shared<V2ray>(std::nullopt); }

}  // namespace culvert::bench
