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

// `spec` with the defaults of culvert/v1/types.proto in place of zeros and absent blocks.
v1::KcpSpec WithDefaults(v1::KcpSpec spec);
v1::QuicSpec WithDefaults(v1::QuicSpec spec);
v1::TlsSpec WithDefaults(v1::TlsSpec spec);
v1::ListenerSpec WithDefaults(v1::ListenerSpec spec);
v1::DialerSpec WithDefaults(v1::DialerSpec spec);
v1::ForwardSpec WithDefaults(v1::ForwardSpec spec);

// Whether live sessions end when `before` becomes `after`: anything differs in meaning but paused, min_sessions, max_sessions,
// dial_timeout, backoff_min, backoff_max, resolve_interval and what TLS shows: certificate, key, protocols. Forwards never end sessions: their changes apply to new streams.
bool IsDisruptive(const v1::Object& before, const v1::Object& after);

// Whether two listeners ask for the same of their sockets.
bool SameSocketSettings(const v1::Object& before, const v1::Object& after);

}  // namespace culvert::server
