#include <algorithm>
#include <sstream>

#include "absl/strings/str_format.h"
#include "tests/bench/compare/subjects/culvert_end.h"
#include "tests/bench/compare/subjects/overheads.h"
#include "tests/bench/compare/subjects/peer_ends.h"
#include "tests/bench/compare/subjects/quic_ends.h"
#include "tests/bench/compare/subjects/subject.h"
#include "tests/testing/haproxy.h"
#include "tests/testing/stunnel.h"

namespace culvert::bench {
namespace {

Subject Tunnel(std::string name, std::string what, std::shared_ptr<const EndKind> ends, PacketShare packet,
               std::string missing = "") {
  Subject subject{.name = std::move(name), .what = std::move(what), .near = ends, .far = ends};
  subject.packet_up = subject.packet_down = packet;
  subject.missing = std::move(missing);
  return subject;
}

void AddCulvert(std::vector<Subject>& all) {
  all.push_back(Tunnel("culvert", "defaults, seed", CulvertEnds({}), CulvertPacket(true)));
  all.back().compared_with = {"v2ray-best", "kcptun-fast3", "direct-bbr"};
  all.push_back(Tunnel("culvert-noseed", "defaults, no seed", CulvertEnds({.has_seed = false}), CulvertPacket(false)));
  const std::string why_no_tls = WhyNoTls();
  all.push_back(Tunnel("culvert-tls", "defaults, seed, TLS 1.3 inside", CulvertEnds({.has_tls = true}),
                       InTlsRecords(CulvertPacket(true)), why_no_tls));
  all.push_back(Tunnel("culvert-tls-noseed", "defaults, no seed, TLS 1.3 inside",
                       CulvertEnds({.has_seed = false, .has_tls = true}), InTlsRecords(CulvertPacket(false)),
                       why_no_tls));
}

void AddCulvertQuic(std::vector<Subject>& all) {
  const std::string missing = WhyNoQuic();
  all.push_back(Tunnel("culvert-quic", "QUIC, defaults", CulvertQuicEnds({}), QuicPacket(kCulvertQuicDatagram), missing));
  all.back().compared_with = {"v2ray-quic", "stunnel", "direct-bbr"};
  all.push_back(Tunnel("culvert-quic-outer", "QUIC in v2ray's AES-128-GCM wrapper", CulvertQuicEnds({.has_outer_layer = true}),
                       QuicPacket(kWrappedQuicDatagram, kQuicWrapper), missing));
}

void AddDirect(std::vector<Subject>& all) {
  for (const char* algorithm : {"cubic", "bbr"}) {
    Subject direct{.name = std::string("direct-") + algorithm, .what = "TCP without a tunnel", .tcp = algorithm};
    direct.packet_up = direct.packet_down = TcpPacket();
    all.push_back(std::move(direct));
  }
}

struct NamedV2ray {
  std::string name;
  std::string what;
  std::shared_ptr<const EndKind> ends;
};

std::vector<NamedV2ray> V2raySettings() {
  return {
      {"v2ray", "defaults, seed", V2rayEnds({.seed = kSeed})},
      {"v2ray-tuned", "tti 20 ms, capacities 100 MB/s, seed",
       V2rayEnds({.seed = kSeed, .tti = 20, .uplink_capacity = 100, .downlink_capacity = 100})},
      {"v2ray-best", "seed, fitted to each path", FittedV2rayEnds()},
  };
}

std::string WhyNoV2ray() { return testing::V2ray::FindBinary().empty() ? "not installed: run deploy/setup" : ""; }

void AddV2ray(std::vector<Subject>& all) {
  for (const NamedV2ray& v2ray : V2raySettings()) {
    all.push_back(Tunnel(v2ray.name, v2ray.what, v2ray.ends, V2rayPacket(true), WhyNoV2ray()));
  }
}

void AddV2rayQuic(std::vector<Subject>& all) {
  all.push_back(Tunnel("v2ray-quic", "QUIC, defaults, no wrapper", V2rayQuicEnds(), QuicPacket(kV2rayQuicDatagram), WhyNoV2ray()));
}

// culvert at one end, v2ray at the other. The tuned settings are left out: they lie between the others.
void AddMixed(std::vector<Subject>& all) {
  for (const NamedV2ray& v2ray : V2raySettings()) {
    if (v2ray.name == "v2ray-tuned") continue;
    const auto culvert = CulvertEnds({});
    const std::string what = "the same v2ray settings at one end only";
    Subject to = Tunnel("culvert-to-" + v2ray.name, what, culvert, CulvertPacket(true), WhyNoV2ray());
    to.far = v2ray.ends;
    to.packet_down = V2rayPacket(true);
    Subject from = Tunnel(v2ray.name + "-to-culvert", what, v2ray.ends, V2rayPacket(true), WhyNoV2ray());
    from.far = culvert;
    from.packet_down = CulvertPacket(true);
    to.is_mixed = from.is_mixed = true;
    to.compared_with = from.compared_with = {v2ray.name};
    all.push_back(std::move(to));
    all.push_back(std::move(from));
  }
}

void AddKcptun(std::vector<Subject>& all) {
  const std::string missing = testing::Kcptun::IsInstalled() ? "" : "not installed: run deploy/setup";
  all.push_back(
      Tunnel("kcptun", "defaults: fast, error correction 10+3, AES-256", KcptunEnds({}), KcptunPacket(10, 3), missing));
  // Windows above every path's bandwidth-delay product, buffers to match, and the key size of the other subjects.
  testing::KcptunSettings fast3{.crypt = "aes-128",
                                .mode = "fast3",
                                .send_window = 2048,
                                .receive_window = 2048,
                                .data_shards = 0,
                                .parity_shards = 0,
                                .mux_buffer_bytes = 16 * 1024 * 1024,
                                .compresses = false};
  all.push_back(Tunnel("kcptun-fast3", "fast3, windows 2048, no error correction, AES-128", KcptunEnds(fast3),
                       KcptunPacket(0, 0), missing));
  fast3.data_shards = 10;
  fast3.parity_shards = 3;
  all.push_back(Tunnel("kcptun-fast3-fec", "fast3, windows 2048, error correction 10+3, AES-128", KcptunEnds(fast3),
                       KcptunPacket(10, 3), missing));
}

void AddRelays(std::vector<Subject>& all) {
  const std::string missing = "not installed: run deploy/setup";
  all.push_back(Tunnel("stunnel", "TLS 1.3 over TCP cubic", StunnelEnds(), InTlsRecords(TcpPacket()),
                       testing::Stunnel::IsInstalled() ? "" : missing));
  all.push_back(Tunnel("haproxy", "plain TCP relays, cubic, splicing", HaproxyEnds(), TcpPacket(),
                       testing::Haproxy::IsInstalled() ? "" : missing));
}

}  // namespace

std::vector<Subject> Subjects() {
  std::vector<Subject> all;
  AddCulvert(all);
  AddCulvertQuic(all);
  AddDirect(all);
  AddV2ray(all);
  AddV2rayQuic(all);
  AddKcptun(all);
  AddRelays(all);
  AddMixed(all);
  return all;
}

absl::StatusOr<std::vector<Subject>> PickSubjects(const std::vector<Subject>& all, const std::string& only,
                                                  bool with_mixed) {
  std::vector<bool> is_picked(all.size(), false);
  std::istringstream parts(only);
  for (std::string part; std::getline(parts, part, ',');) {
    const bool is_name = std::any_of(all.begin(), all.end(), [&](const Subject& s) { return s.name == part; });
    bool found = false;
    for (size_t i = 0; i < all.size(); ++i) {
      const bool fits = is_name ? all[i].name == part
                                : all[i].name.find(part) != std::string::npos && (with_mixed || !all[i].is_mixed);
      is_picked[i] = is_picked[i] || fits;
      found = found || fits;
    }
    if (!found) return absl::InvalidArgumentError(absl::StrFormat("--only: no subject is called '%s'", part));
  }
  std::vector<Subject> picked;
  for (size_t i = 0; i < all.size(); ++i) {
    if (only.empty() ? with_mixed || !all[i].is_mixed : is_picked[i]) picked.push_back(all[i]);
  }
  return picked;
}

}  // namespace culvert::bench
