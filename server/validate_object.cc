#include "server/validate_object.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "server/message_walk.h"
#include "server/object_kind.h"
#include "server/validate.h"
#include "server/validate_forward.h"
#include "server/validate_quic.h"
#include "server/validate_tls.h"

namespace culvert::server {
namespace {

void Add(Violations& violations, const std::string& prefix, const std::string& field, std::string description) {
  if (violations.size() < kMaxViolations) violations.push_back({JoinPath(prefix, field), std::move(description)});
}

void Warn(std::vector<v1::Warning>& warnings, std::string field, std::string reason, std::string message) {
  v1::Warning& warning = warnings.emplace_back();
  warning.set_field(std::move(field));
  warning.set_reason(std::move(reason));
  warning.set_message(std::move(message));
}

// Why the peer of such settings cannot be told from an attacker; nullptr: it can.
const char* WhyInsecure(const v1::KcpSpec& kcp) {
  if (kcp.profile() == v1::KCP_PROFILE_XRAY) return "profile XRAY has no authenticator";
  if (!kcp.seed_file().empty()) return nullptr;
  if (!kcp.has_seed()) return "without a seed anyone can read and forge datagrams";
  if (kcp.seed().empty()) return "an empty seed is a key that everybody knows";
  return nullptr;
}

void CheckKcp(const v1::KcpSpec& kcp, bool insecure, bool has_tls, const std::string& prefix, Violations& violations,
              std::vector<v1::Warning>& warnings) {
  const std::string path = JoinPath(prefix, "kcp");
  const bool has_seed = kcp.has_seed() || !kcp.seed_file().empty();
  if (kcp.has_seed() && !kcp.seed_file().empty()) Add(violations, path, "seed_file", "excludes seed: give one of them");
  if (kcp.profile() == v1::KCP_PROFILE_XRAY && has_seed) {
    Add(violations, path, kcp.has_seed() ? "seed" : "seed_file", "profile XRAY takes no seed");
  }
  if (kcp.congestion_control() == v1::CONGESTION_CONTROL_FIXED_RATE && kcp.uplink_bytes_per_second() == 0) {
    Add(violations, path, "uplink_bytes_per_second", "must be above 0: it is the rate of FIXED_RATE");
  }
  // Inside TLS the stream is safe, whatever becomes of datagrams.
  if (const char* why = has_tls ? nullptr : WhyInsecure(kcp)) {
    if (!insecure) {
      Add(violations, prefix, "insecure", absl::StrFormat("must be true: %s", why));
    } else {
      Warn(warnings, JoinPath(prefix, "insecure"), "INSECURE", why);
    }
  }
  if (kcp.has_seed() && !kcp.seed().empty()) WarnOfShortSeed(kcp.seed().size(), JoinPath(path, "seed"), warnings);
}

// nullptr: none that we know.
const char* NameOf(v1::Transport transport) {
  switch (transport) {
    case v1::TRANSPORT_TCP: return "TCP";
    case v1::TRANSPORT_UDP: return "UDP";
    case v1::TRANSPORT_KCP: return "KCP";
    case v1::TRANSPORT_QUIC: return "QUIC";
    default: return nullptr;
  }
}

// What listener and dialer specs have in common.
template <typename Spec>
void CheckTransport(const Spec& spec, const std::string& prefix, Violations& violations,
                    std::vector<v1::Warning>& warnings) {
  const char* transport = NameOf(spec.transport());
  if (transport == nullptr) return;  // said already
  const auto refuse = [&](const char* block, const char* owner) {
    Add(violations, prefix, block, absl::StrFormat("belongs to transport %s, but the transport is %s", owner, transport));
  };
  if (spec.has_kcp() && spec.transport() != v1::TRANSPORT_KCP) refuse("kcp", "KCP");
  if (spec.has_quic() && spec.transport() != v1::TRANSPORT_QUIC) refuse("quic", "QUIC");
  const bool has_sessions = spec.transport() == v1::TRANSPORT_KCP || spec.transport() == v1::TRANSPORT_QUIC;
  if (spec.has_tls() && !has_sessions) refuse("tls", "KCP or QUIC");
  if (spec.stream_header() == v1::STREAM_HEADER_CULVERT && !has_sessions) {
    Add(violations, prefix, "stream_header",
        absl::StrFormat("CULVERT belongs to transport KCP or QUIC, but the transport is %s", transport));
  }
  if (spec.transport() == v1::TRANSPORT_KCP) {
    CheckKcp(spec.kcp(), spec.insecure(), spec.has_tls(), prefix, violations, warnings);
  }
}

template <typename Spec>
bool HasKcpTls(const Spec& spec) {
  return spec.transport() == v1::TRANSPORT_KCP && spec.has_tls();
}

void CheckDialer(const v1::DialerSpec& spec, const std::string& prefix, Violations& violations,
                 std::vector<v1::Warning>& warnings) {
  CheckTransport(spec, prefix, violations, warnings);
  if (HasKcpTls(spec)) CheckDialerTls(spec.tls(), spec.insecure(), JoinPath(prefix, "tls"), violations, warnings);
  if (spec.transport() == v1::TRANSPORT_QUIC) {
    CheckQuicDialer(spec, prefix, violations, warnings);
  } else {
    CheckNoQuic(spec, prefix, violations);
  }
}

bool HasUsers(v1::ListenerProtocol protocol) {
  return protocol == v1::LISTENER_PROTOCOL_SOCKS5 || protocol == v1::LISTENER_PROTOCOL_HTTP_CONNECT;
}

void CheckProtocol(const v1::ListenerSpec& spec, const std::string& prefix, Violations& violations,
                   std::vector<v1::Warning>& warnings) {
  const char* transport = NameOf(spec.transport());
  if (transport == nullptr) return;  // said already
  const bool has_users = HasUsers(spec.protocol());
  if (has_users && spec.transport() != v1::TRANSPORT_TCP) {
    const bool is_socks = spec.protocol() == v1::LISTENER_PROTOCOL_SOCKS5;
    Add(violations, prefix, "protocol",
        absl::StrFormat("%s belongs to transport TCP, but the transport is %s", is_socks ? "SOCKS5" : "HTTP_CONNECT", transport));
  }
  if (!spec.users_file().empty() && !has_users) {
    Add(violations, prefix, "users_file", "belongs to protocol SOCKS5 or HTTP_CONNECT");
  }
  const bool is_udp = spec.transport() == v1::TRANSPORT_UDP;
  if (spec.has_udp() && !is_udp && spec.protocol() != v1::LISTENER_PROTOCOL_SOCKS5) {
    Add(violations, prefix, "udp", "belongs to transport UDP or protocol SOCKS5");
  } else if (spec.udp().original_destination() && !is_udp) {
    Add(violations, prefix, "udp.original_destination",
        "belongs to transport UDP: clients of SOCKS5 say where their datagrams go");
  }
  const absl::StatusOr<SocketAddress> bind = SocketAddress::Parse(spec.bind());
  if (bind.ok() && IsOpenProxy(spec, bind->ip)) Warn(warnings, JoinPath(prefix, "users_file"), "OPEN_PROXY", kOpenProxy);
}

void CheckListener(const v1::ListenerSpec& spec, const std::string& prefix, Violations& violations,
                   std::vector<v1::Warning>& warnings) {
  CheckTransport(spec, prefix, violations, warnings);
  CheckProtocol(spec, prefix, violations, warnings);
  if (HasKcpTls(spec)) {
    const std::string tls = JoinPath(prefix, "tls");
    CheckListenerTls(spec.tls(), tls, violations, warnings);
    // TLS shows the listener to the peer, not the peer to the listener.
    if (!spec.tls().require_peer_certificate() && WhyInsecure(spec.kcp()) != nullptr) {
      Warn(warnings, JoinPath(tls, "require_peer_certificate"), "ANYONE_MAY_CONNECT", kAnyoneMayConnect);
    }
  }
  if (spec.transport() == v1::TRANSPORT_QUIC) CheckQuicListener(spec, prefix, violations, warnings);
  if (!spec.socket().bind_address().empty()) {
    Add(violations, prefix, "socket.bind_address", "belongs to dialers; a listener has bind");
  }
}

}  // namespace

bool IsOpenProxy(const v1::ListenerSpec& spec, const IpAddress& ip) {
  return HasUsers(spec.protocol()) && spec.users_file().empty() && !ip.is_loopback();
}

void WarnOfShortSeed(size_t seed_bytes, const std::string& path, std::vector<v1::Warning>& warnings) {
  if (seed_bytes >= kShortSeedBytes) return;
  Warn(warnings, path, "SEED_SHORT",
       absl::StrFormat("has fewer than %d bytes and can be guessed from one recorded datagram", kShortSeedBytes));
}

void ValidateDialerSpec(const v1::DialerSpec& spec, const std::string& prefix, Violations& violations,
                        std::vector<v1::Warning>& warnings) {
  ValidateTree(spec, prefix, violations);
  CheckDialer(spec, prefix, violations, warnings);
}

void ValidateObject(const v1::Object& object, const std::string& prefix, Violations& violations,
                    std::vector<v1::Warning>& warnings) {
  const std::optional<Kind> kind = KindOf(object);
  if (!kind) return violations.push_back({prefix.empty() ? "kind" : prefix, "must be a listener, dialer or forward"});
  ValidateTree(BodyOf(object), prefix, violations);
  // The walk judges what is there; the name is required even where the whole block is missing.
  const bool has_metadata = object.has_listener() ? object.listener().has_metadata()
                            : object.has_dialer() ? object.dialer().has_metadata()
                                                  : object.forward().has_metadata();
  if (!has_metadata) Add(violations, prefix, "metadata.name", "must be set");

  const std::string spec = JoinPath(prefix, "spec");
  switch (*kind) {
    case Kind::kListener:
      if (object.listener().has_spec()) CheckListener(object.listener().spec(), spec, violations, warnings);
      break;
    case Kind::kDialer:
      if (object.dialer().has_spec()) CheckDialer(object.dialer().spec(), spec, violations, warnings);
      break;
    case Kind::kForward:
      if (object.forward().has_spec()) CheckForward(object.forward().spec(), spec, violations, warnings);
      break;
  }
}

}  // namespace culvert::server
