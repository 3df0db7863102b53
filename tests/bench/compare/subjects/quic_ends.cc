#include "tests/bench/compare/subjects/quic_ends.h"

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/subjects/culvert_end.h"
#include "tests/bench/compare/subjects/tls_files.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"

namespace culvert::bench {
namespace {

// The dialer verifies the listener, as a user's would.
class CulvertQuic : public EndKind {
 public:
  explicit CulvertQuic(const CulvertQuicSettings& settings) : settings_(settings) {}

  absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const override {
    const testing::QuicText quic = Quic(absl::StrFormat("{trust_file: ca.crt, server_name: %s}", kServerName));
    return ToEnd(Start(options.netns, testing::TcpListener("in", options.entrance.ToString()) +
                                          testing::QuicDialer("far", options.wire.ToString(), quic) +
                                          testing::ForwardToDialer("f", "in", "far")));
  }

  absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const override {
    const testing::QuicText quic = Quic("{certificate_file: tls.crt, private_key_file: tls.key}");
    return ToEnd(Start(options.netns, testing::QuicListener("wire", options.wire.ToString(), quic) +
                                          testing::ForwardDirect("f", "wire", options.destination.ToString())));
  }

 private:
  testing::QuicText Quic(const std::string& tls) const {
    testing::QuicText quic{.tls = tls};
    if (settings_.has_outer_layer) {
      quic.security = "AES_128_GCM";
      quic.key_file = "key";
    }
    return quic;
  }

  absl::StatusOr<std::unique_ptr<testing::Daemon>> Start(const std::string& netns, const std::string& manifest) const {
    CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<testing::Daemon> daemon, testing::Daemon::Start({.netns = netns}));
    const testing::TempDir& folder = daemon->directory();
    (void)folder.Write("key", kSeed, 0600);
    (void)folder.Write("ca.crt", BenchTlsFiles().authority_pem);
    (void)folder.Write("tls.crt", BenchTlsFiles().certificate_pem);
    (void)folder.Write("tls.key", BenchTlsFiles().private_key_pem, 0600);
    const testing::RunResult applied = daemon->Apply(manifest);
    if (applied.exit_code != 0) return absl::InternalError(applied.err);
    return daemon;
  }

  CulvertQuicSettings settings_;
};

class V2rayQuic : public EndKind {
 public:
  absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const override {
    return ToEnd(testing::V2ray::Start(
        {.clients = {{.listen = options.entrance, .peer = options.wire, .quic = testing::V2rayQuic{}}}}, options.netns));
  }
  absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const override {
    return ToEnd(testing::V2ray::Start(
        {.servers = {{.listen = options.wire, .destination = options.destination, .quic = testing::V2rayQuic{}}}}, options.netns));
  }
};

}  // namespace

std::shared_ptr<const EndKind> CulvertQuicEnds(const CulvertQuicSettings& settings) {
  return std::make_shared<CulvertQuic>(settings);
}

std::string WhyNoQuic() {
  // Asks the program itself: a listener that nobody will use.
  const SocketAddress unused{IpAddress::LoopbackV4(), testing::FreePort()};
  const auto end = CulvertQuic({}).StartFar({.wire = unused, .destination = unused});
  if (end.ok()) return "";
  const std::string message(end.status().message());
  return "culvertd refuses it: " + message.substr(0, message.find('\n'));
}

std::shared_ptr<const EndKind> V2rayQuicEnds() { return std::make_shared<V2rayQuic>(); }

}  // namespace culvert::bench
