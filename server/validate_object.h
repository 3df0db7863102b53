// The rules of a declared object that no single field can state: settings that exclude or need one another.
// The generic part (validate.h) runs first from here too, so one call judges one object.
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "culvert/v1/config.pb.h"
#include "server/violation.h"

namespace culvert::server {

// Checks an object by itself: names it refers to and addresses others hold are judged with the whole table (change_plan.h).
// Warnings: SEED_SHORT, INSECURE, ANYONE_MAY_CONNECT, OPEN_PROXY, XTLS_WITHOUT_DIRECT_COPY, and those of validate_quic.h and
// validate_forward.h.
void ValidateObject(const v1::Object& object, const std::string& prefix, Violations& violations,
                    std::vector<v1::Warning>& warnings);

// The spec of a dialer that need not exist, for a probe.
void ValidateDialerSpec(const v1::DialerSpec& spec, const std::string& prefix, Violations& violations,
                        std::vector<v1::Warning>& warnings);

// Whether anyone who reaches the listener from elsewhere can use it as a proxy: it has a protocol in which clients name
// destinations, and no users. `ip`: what it is bound to.
bool IsOpenProxy(const v1::ListenerSpec& spec, const IpAddress& ip);
inline constexpr char kOpenProxy[] = "anyone who reaches the port can use it";

// A seed below this length is warned about: mKCP derives its key with one hash, so a short one can be guessed offline.
inline constexpr size_t kShortSeedBytes = 12;
void WarnOfShortSeed(size_t seed_bytes, const std::string& path, std::vector<v1::Warning>& warnings);

}  // namespace culvert::server
