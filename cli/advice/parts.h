// What judgements look at in objects of any kind, and how they name them. Thread: any; no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"

namespace culvert::cli {

constexpr int64_t kDaySeconds = 86400;
constexpr int64_t kCertificateEndsSoon = 14 * kDaySeconds;  // what ends sooner wants renewing

template <typename Visit>
void ForEachCondition(const v1::Object& object, Visit&& visit) {
  const auto each = [&](const auto& conditions) {
    for (const v1::Condition& condition : conditions) visit(condition);
  };
  if (object.has_listener()) each(object.listener().status().conditions());
  if (object.has_dialer()) each(object.dialer().status().conditions());
  if (object.has_forward()) each(object.forward().status().conditions());
}

// nullptr: it has none.
inline const v1::TlsStatus* TlsOf(const v1::Object& object) {
  if (object.has_listener() && object.listener().status().has_tls()) return &object.listener().status().tls();
  if (object.has_dialer() && object.dialer().status().has_tls()) return &object.dialer().status().tls();
  return nullptr;
}

// "listener/quic-in", printable.
std::string PrintableName(const v1::Object& object);
// "a, b, c and 4 more"
std::string Some(std::vector<std::string> names);

}  // namespace culvert::cli
