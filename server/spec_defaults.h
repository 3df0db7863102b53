// What a spec means: every default filled in. Two specs with the same meaning are the same running object.
// Thread: any.
#pragma once

#include "culvert/v1/config.pb.h"

namespace culvert::server {

inline constexpr uint32_t kDefaultMaxSessions = 65536;
inline constexpr uint32_t kDefaultMtuBytes = 1232;
inline constexpr uint32_t kDefaultStreamsPerSession = 256;
inline constexpr uint32_t kDefaultUdpPayloadBytes = 1452;
inline constexpr int64_t kDefaultIdleTimeoutSeconds = 30;
inline constexpr int64_t kDefaultKeepaliveSeconds = 10;
inline constexpr uint32_t kDefaultHubCapacity = 1024;
inline constexpr uint32_t kDefaultUdpClients = 16384;
inline constexpr uint32_t kDefaultReverseParked = 4;
inline constexpr uint32_t kDefaultUdpQueuePackets = 256;
inline constexpr uint32_t kDefaultFlowsPerClient = 1024;
inline constexpr int64_t kDefaultUdpIdleTimeoutSeconds = 120;
inline constexpr int64_t kDefaultDnsIdleTimeoutSeconds = 15;   // towards port 53
inline constexpr int64_t kV2rayUdpIdleTimeoutSeconds = 4;      // v2ray's dispatcher (spec/udp.md)

// `spec` with the defaults of culvert/v1/types.proto in place of zeros and absent blocks.
v1::KcpSpec WithDefaults(v1::KcpSpec spec);
v1::QuicSpec WithDefaults(v1::QuicSpec spec);
v1::TlsSpec WithDefaults(v1::TlsSpec spec);
v1::ListenerSpec WithDefaults(v1::ListenerSpec spec);
v1::DialerSpec WithDefaults(v1::DialerSpec spec);
v1::ForwardSpec WithDefaults(v1::ForwardSpec spec);

// Whether live sessions end when `before` becomes `after`: anything differs in meaning but paused, min_sessions, max_sessions,
// dial_timeout, backoff_min, backoff_max, resolve_interval, what TLS shows: certificate, key, protocols, the users of a proxy, and
// how many datagrams and clients a UDP listener holds. Forwards never end sessions: their changes apply to new streams.
bool IsDisruptive(const v1::Object& before, const v1::Object& after);

// The field by which two listeners ask for something else of their sockets: "spec.socket", "spec.udp.original_destination";
// nullptr: none.
const char* ChangedSocketSetting(const v1::Object& before, const v1::Object& after);

}  // namespace culvert::server
