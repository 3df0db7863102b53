#include "cli/convert/v2ray_stream.h"

#include <type_traits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

constexpr int64_t kMegabyte = 1048576;  // v2ray's "MB/s", spec/mkcp.md section 6
constexpr int64_t kDefaultMtu = 1350;
constexpr int64_t kDefaultTtiMs = 50;
constexpr char kServerNamePrefix[] = "experiment:8357";  // v2ray cuts it off

std::string Lower(std::string text) {
  absl::AsciiStrToLower(&text);
  return text;
}

template <typename Spec>
class Converter {
 public:
  static constexpr bool kListens = std::is_same_v<Spec, v1::ListenerSpec>;

  Converter(const StreamSource& source, Spec& spec, StreamSecrets& secrets, Notes& notes)
      : source_(source), spec_(spec), secrets_(secrets), notes_(notes) {}

  bool Run() {
    const bool is_kcp = NetworkOf(source_.stream) == StreamNetwork::kKcp;
    spec_.set_transport(is_kcp ? v1::TRANSPORT_KCP : v1::TRANSPORT_QUIC);
    if (!(is_kcp ? Kcp() : Quic())) return false;
    if (!Tls(is_kcp)) return false;
    Socket();
    if (is_kcp) JudgeKcp();
    if (!is_kcp) JudgeQuic();
    return true;
  }

 private:
  // A block of the stream, or of the file's "transport".
  JsonView Block(const char* name) const {
    const JsonView own = source_.stream[name];
    return own ? own : source_.transport[name];
  }
  std::string Path(const std::string& rest) const { return absl::StrCat(source_.path, ".", rest); }

  // A whole number in [least, most], or `otherwise` when it is absent. nullopt: it is wrong, as a note says.
  std::optional<int64_t> Number(const JsonView& block, const char* block_name, const char* name, int64_t least, int64_t most,
                                int64_t otherwise) {
    const JsonView value = block[name];
    if (!value) return otherwise;
    const auto number = value.number();
    if (number && *number >= least && *number <= most) return number;
    notes_.Add(value, Path(absl::StrCat(block_name, ".", name)),
               absl::StrFormat("%s is not in [%d, %d], which v2ray refuses too; not converted", value.text().substr(0, 20), least, most));
    return std::nullopt;
  }

  bool Header(const JsonView& block, const char* block_name, v1::PacketHeader& header) {
    header = v1::PACKET_HEADER_UNSPECIFIED;
    const JsonView type = block["header"]["type"];
    if (!block["header"] || Lower(type.text()) == "none") return true;
    // v2ray's spelling is known to the field; its names are in lower case.
    const auto* known = manifest::FindEnumValue(v1::PacketHeader_descriptor(), Lower(type.text()));
    if (known != nullptr) {
      header = static_cast<v1::PacketHeader>(known->number());
      return true;
    }
    notes_.Add(type ? type : block["header"], Path(absl::StrCat(block_name, ".header.type")),
               absl::StrFormat("\"%s\" is no header%s; not converted", type.text().substr(0, 40),
                               manifest::DidYouMean(type.text(), {"none", "srtp", "utp", "wechat-video", "dtls", "wireguard"})));
    return false;
  }

  bool Kcp() {
    const JsonView kcp = Block("kcpSettings");
    v1::KcpSpec& ours = *spec_.mutable_kcp();
    const auto mtu = Number(kcp, "kcpSettings", "mtu", 576, 1460, kDefaultMtu);
    const auto tti = Number(kcp, "kcpSettings", "tti", 10, 100, kDefaultTtiMs);
    constexpr int64_t kMostCapacity = 4294967295;
    const auto uplink = Number(kcp, "kcpSettings", "uplinkCapacity", 0, kMostCapacity, -1);
    const auto downlink = Number(kcp, "kcpSettings", "downlinkCapacity", 0, kMostCapacity, -1);
    v1::PacketHeader header{};
    if (!mtu || !tti || !uplink || !downlink || !Header(kcp, "kcpSettings", header)) return false;
    ours.set_mtu_bytes(static_cast<uint32_t>(*mtu));
    if (*tti != kDefaultTtiMs) *ours.mutable_tick_interval() = google::protobuf::util::TimeUtil::MillisecondsToDuration(*tti);
    if (header != v1::PACKET_HEADER_UNSPECIFIED) ours.set_header(header);
    SetCapacity(kcp, "uplinkCapacity", *uplink, !source_.is_peer);
    SetCapacity(kcp, "downlinkCapacity", *downlink, source_.is_peer);
    if (const JsonView seed = kcp["seed"]) secrets_.seed = seed.text();
    if (kcp["congestion"]) {
      notes_.Add(kcp["congestion"], Path("kcpSettings.congestion"),
                 "culvert always controls congestion (spec.kcp.congestion_control, BBR)");
    }
    if (kcp["readBufferSize"])
      notes_.Add(kcp["readBufferSize"], Path("kcpSettings.readBufferSize"), "not carried over: v2ray never uses it");
    if (kcp["writeBufferSize"]) {
      notes_.Add(kcp["writeBufferSize"], Path("kcpSettings.writeBufferSize"), "not carried over: culvert's send queue grows with the path");
    }
    Unknown(kcp, "kcpSettings",
            {"mtu", "tti", "uplinkCapacity", "downlinkCapacity", "congestion", "readBufferSize", "writeBufferSize", "header", "seed"});
    return true;
  }

  void SetCapacity(const JsonView& kcp, const char* name, int64_t megabytes, bool is_uplink) {
    if (megabytes < 0) return;
    constexpr int64_t kMost = 12'500'000'000;
    const std::string path = Path(absl::StrCat("kcpSettings.", name));
    if (megabytes == 0) {
      notes_.Add(kcp[name], path, "0 is the least window to v2ray and no cap to culvert: left out");
      return;
    }
    if (megabytes * kMegabyte > kMost) {
      notes_.Add(kcp[name], path, "above 12.5 GB/s, which culvert cannot express: left out, so there is no cap");
      return;
    }
    const auto bytes = static_cast<uint64_t>(megabytes * kMegabyte);
    if (is_uplink) {
      spec_.mutable_kcp()->set_uplink_bytes_per_second(bytes);
    } else {
      spec_.mutable_kcp()->set_downlink_bytes_per_second(bytes);
    }
  }

  bool Quic() {
    const JsonView quic = Block("quicSettings");
    v1::PacketHeader header{};
    if (!Header(quic, "quicSettings", header)) return false;
    if (header != v1::PACKET_HEADER_UNSPECIFIED) spec_.mutable_quic()->mutable_outer()->set_header(header);
    const std::string security = Lower(quic["security"].text());
    if (security == "aes-128-gcm") {
      spec_.mutable_quic()->mutable_outer()->set_security(v1::OUTER_SECURITY_AES_128_GCM);
    } else if (security == "chacha20-poly1305") {
      spec_.mutable_quic()->mutable_outer()->set_security(v1::OUTER_SECURITY_CHACHA20_POLY1305);
    } else if (!security.empty() && security != "none") {
      notes_.Warn(quic["security"], Path("quicSettings.security"),
                  absl::StrFormat("\"%s\" means none to v2ray%s: converted as none", security.substr(0, 40),
                                  manifest::DidYouMean(security, {"none", "aes-128-gcm", "chacha20-poly1305"})));
    }
    const JsonView key = quic["key"];
    if (spec_.quic().outer().security() != v1::OUTER_SECURITY_UNSPECIFIED) {
      if (key && !key.text().empty()) {
        secrets_.key = key.text();
      } else {
        notes_.Warn(quic, Path("quicSettings.key"), "absent or empty: the outer key is one that everybody knows");
      }
    } else if (key && !key.text().empty()) {
      notes_.Add(key, Path("quicSettings.key"), "left out: with security none nothing is encrypted with it");
    }
    Unknown(quic, "quicSettings", {"security", "key", "header"});
    return true;
  }

  bool Tls(bool is_kcp) {
    const JsonView security = source_.stream["security"];
    const std::string word = Lower(security.text());
    if (word.empty() || word == "none") return true;
    if (word != "tls" && word != "xtls") {
      notes_.Warn(security, Path("security"),
                  absl::StrFormat("\"%s\" means none to v2ray%s: converted without TLS", word.substr(0, 40),
                                  manifest::DidYouMean(word, {"tls", "none"})));
      return true;
    }
    JsonView tls = source_.stream["tlsSettings"];
    if (word == "xtls") {
      if (source_.stream["xtlsSettings"]) tls = source_.stream["xtlsSettings"];
      notes_.Warn(security, Path("security"),
                  "xtls is TLS up to v2ray 4.32 and nothing at all from 4.33 on: converted as TLS; without a peer that speaks it, "
                  "remove the tls block");
      if (is_kcp) spec_.mutable_tls()->set_mode(v1::TLS_MODE_XTLS);
    }
    v1::TlsSpec& ours = *spec_.mutable_tls();
    for (const std::string& protocol : tls["alpn"].texts()) ours.add_alpn(protocol);
    if (!Certificates(tls, ours)) return false;
    if constexpr (!kListens) {
      std::string name = tls["serverName"].text();
      if (absl::StartsWith(name, kServerNamePrefix)) name.erase(0, sizeof kServerNamePrefix - 1);
      ours.set_server_name(name);
      if (tls["allowInsecure"].is_true()) spec_.set_insecure(true);
    }
    if (tls["enableSessionResumption"]) {
      notes_.Add(tls["enableSessionResumption"], Path("tlsSettings.enableSessionResumption"), "culvert always resumes sessions");
    }
    Unknown(
        tls, "tlsSettings",
        {"alpn", "certificates", "serverName", "allowInsecure", "enableSessionResumption", "disableSystemRoot", "allowInsecureCiphers"});
    return true;
  }

  bool Certificates(const JsonView& tls, v1::TlsSpec& ours) {
    int index = 0;
    for (const JsonView& one : tls["certificates"].elements()) {
      const std::string path = Path(absl::StrFormat("tlsSettings.certificates[%d]", index++));
      const std::string usage = Lower(one["usage"].text());
      const std::string file = one["certificateFile"].text();
      if (usage == "issue") {
        notes_.Add(one, path, "usage issue: culvert makes no certificates; not carried over");
      } else if (file.empty()) {
        notes_.Add(one, path,
                   "stands in the configuration itself; write it into a file, for tls." +
                       std::string(usage == "verify" ? "trust_file" : "certificate_file"));
      } else if (source_.is_peer) {
        // What the one end shows is no business of the other but to trust it.
      } else if (usage == "verify") {
        if (ours.trust_file().empty()) {
          ours.set_trust_file(file);
        } else {
          notes_.Add(one, path, "there is one trust_file: put its certificates into that of the one before");
        }
      } else if (ours.certificate_file().empty()) {
        ours.set_certificate_file(file);
        ours.set_private_key_file(one["keyFile"].text());
      } else {
        notes_.Add(one, path, "a listener or dialer shows one certificate: only the first is carried over");
      }
    }
    if (source_.is_peer) return PeerCertificates(tls);
    if (!kListens && !ours.trust_file().empty() && !tls["disableSystemRoot"].is_true()) {
      notes_.Add(tls, Path("tlsSettings.disableSystemRoot"), "not true: v2ray trusts the system's roots too, culvert only trust_file");
    }
    if (!kListens || !ours.certificate_file().empty()) return true;
    notes_.Add(tls, Path("tlsSettings.certificates"), "no certificate in a file that a listener could show; not converted");
    return false;
  }

  // The far end's own certificate and trust are not in this file.
  bool PeerCertificates(const JsonView& tls) {
    if (!kListens) {
      notes_.Add(tls, Path("tlsSettings"),
                 "tls.trust_file: name the certificate of who signed what the listener shows, or tls.pinned_spki");
      return true;
    }
    notes_.Add(tls, Path("tlsSettings"),
               "a listener with TLS needs a certificate, which a dialer's configuration does not have; not converted");
    return false;
  }

  void Socket() {
    const JsonView options = source_.stream["sockopt"];
    if (const auto mark = options["mark"].number(); mark && *mark != 0 && !source_.is_peer) {
      spec_.mutable_socket()->set_mark(static_cast<uint32_t>(*mark));
    }
    if (options["tcpFastOpen"]) notes_.Add(options["tcpFastOpen"], Path("sockopt.tcpFastOpen"), "not carried over: it is about TCP");
    if (options["tproxy"] && Lower(options["tproxy"].text()) != "off") {
      notes_.Add(options["tproxy"], Path("sockopt.tproxy"), "not carried over: there is no transparent proxy over this transport");
    }
  }

  void JudgeKcp() {
    if (spec_.has_tls()) return;
    if (secrets_.seed && !secrets_.seed->empty()) return;
    spec_.set_insecure(true);
    notes_.Warn(source_.stream, Path("kcpSettings.seed"),
                secrets_.seed ? "an empty seed is a key that everybody knows: insecure: true"
                              : "no seed and no TLS: anyone can read and forge datagrams: insecure: true");
  }

  void JudgeQuic() {
    if (spec_.has_tls()) return;
    if constexpr (kListens) {
      notes_.Add(source_.stream, Path("security"), "no TLS section: the listener shows a certificate of its own making, as v2ray does");
    } else {
      spec_.set_insecure(true);
      notes_.Warn(source_.stream, Path("security"), "no TLS section: the listener's certificate is not verified: insecure: true");
    }
  }

  void Unknown(const JsonView& block, const char* name, const std::vector<std::string>& known) {
    for (const auto& [key, value] : block.fields()) {
      bool is_known = false;
      for (const std::string& one : known) is_known = is_known || absl::EqualsIgnoreCase(one, key);
      if (!is_known) {
        notes_.Add(value, Path(absl::StrCat(name, ".", key.substr(0, 40))), "v2ray 4 does not know it" + manifest::DidYouMean(key, known));
      }
    }
  }

  const StreamSource& source_;
  Spec& spec_;
  StreamSecrets& secrets_;
  Notes& notes_;
};

}  // namespace

StreamNetwork NetworkOf(const JsonView& stream) {
  const std::string network = Lower(stream["network"].text());
  if (network == "kcp" || network == "mkcp") return StreamNetwork::kKcp;
  return network == "quic" ? StreamNetwork::kQuic : StreamNetwork::kOther;
}

bool ConvertStream(const StreamSource& source, v1::ListenerSpec& spec, StreamSecrets& secrets, Notes& notes) {
  return Converter<v1::ListenerSpec>(source, spec, secrets, notes).Run();
}
bool ConvertStream(const StreamSource& source, v1::DialerSpec& spec, StreamSecrets& secrets, Notes& notes) {
  return Converter<v1::DialerSpec>(source, spec, secrets, notes).Run();
}

}  // namespace culvert::cli
