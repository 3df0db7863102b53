#include "tests/bench/compare/subjects/peer_ends.h"

#include "tests/bench/compare/subjects/tls_files.h"
#include "tests/testing/haproxy.h"
#include "tests/testing/stunnel.h"

namespace culvert::bench {
namespace {

class KcptunKind : public EndKind {
 public:
  explicit KcptunKind(const testing::KcptunSettings& settings) : settings_(settings) {}

  absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const override {
    return ToEnd(testing::Kcptun::Start(
        {testing::Kcptun::Role::kClient, options.entrance, options.wire, settings_, options.netns}));
  }
  absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const override {
    return ToEnd(testing::Kcptun::Start(
        {testing::Kcptun::Role::kServer, options.wire, options.destination, settings_, options.netns}));
  }

 private:
  testing::KcptunSettings settings_;
};

class StunnelKind : public EndKind {
 public:
  absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const override {
    return Start(testing::Stunnel::Role::kClient, options.netns, options.entrance, options.wire);
  }
  absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const override {
    return Start(testing::Stunnel::Role::kServer, options.netns, options.wire, options.destination);
  }

 private:
  static absl::StatusOr<std::unique_ptr<End>> Start(testing::Stunnel::Role role, const std::string& netns,
                                                    const SocketAddress& listen, const SocketAddress& target) {
    return ToEnd(testing::Stunnel::Start({.role = role,
                                          .listen = listen,
                                          .target = target,
                                          .authority_pem = BenchTlsFiles().authority_pem,
                                          .certificate_pem = BenchTlsFiles().certificate_pem,
                                          .private_key_pem = BenchTlsFiles().private_key_pem,
                                          .server_name = kServerName,
                                          .netns = netns}));
  }
};

class HaproxyKind : public EndKind {
 public:
  absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const override {
    return ToEnd(testing::Haproxy::Start({options.entrance, options.wire, options.netns}));
  }
  absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const override {
    return ToEnd(testing::Haproxy::Start({options.wire, options.destination, options.netns}));
  }
};

}  // namespace

std::shared_ptr<const EndKind> KcptunEnds(const testing::KcptunSettings& settings) {
  return std::make_shared<KcptunKind>(settings);
}
std::shared_ptr<const EndKind> StunnelEnds() { return std::make_shared<StunnelKind>(); }
std::shared_ptr<const EndKind> HaproxyEnds() { return std::make_shared<HaproxyKind>(); }

}  // namespace culvert::bench
