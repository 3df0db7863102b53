// The declared kinds, and what code that treats them alike needs to know of each. Everything that is the same for
// listeners, dialers and forwards is written once, over v1::Object.
// Thread: any; no state.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "culvert/v1/config.pb.h"

namespace culvert::server {

enum class Kind : uint8_t { kListener, kDialer, kForward };  // in the order Export prints them
inline constexpr Kind kKinds[] = {Kind::kListener, Kind::kDialer, Kind::kForward};

struct KindText {
  const char* singular;    // "listener"
  const char* type_name;   // "Listener", as FieldRules.reference says it
  const char* collection;  // "listeners"
};
const KindText& KindInfo(Kind kind);

struct ObjectKey {
  Kind kind = Kind::kListener;
  std::string name;

  std::string ToString() const;  // "listener/local-pg"
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

// nullopt when the oneof is not set.
std::optional<Kind> KindOf(const v1::Object& object);
// REQUIRES of the rest: the oneof is set.
ObjectKey KeyOf(const v1::Object& object);
const v1::Metadata& MetadataOf(const v1::Object& object);
v1::Metadata& MutableMetadataOf(v1::Object& object);
// The Listener, Dialer or Forward itself.
const google::protobuf::Message& BodyOf(const v1::Object& object);
google::protobuf::Message& MutableBodyOf(v1::Object& object);
// The KCP settings of a listener or dialer; nullptr when it has none.
const v1::KcpSpec* KcpOf(const v1::Object& object);
v1::KcpSpec* MutableKcpOf(v1::Object& object);

// The QUIC settings of a listener or dialer; nullptr when it has none.
const v1::QuicSpec* QuicOf(const v1::Object& object);
v1::QuicSpec* MutableQuicOf(v1::Object& object);

// The TLS settings of a listener or dialer; nullptr when it has none.
const v1::TlsSpec* TlsOf(const v1::Object& object);

// Of a listener or dialer; TRANSPORT_UNSPECIFIED for a forward.
v1::Transport TransportOf(const v1::Object& object);

// "local-pg" of "local-pg" and of "listeners/local-pg".
std::string StripCollection(std::string_view name, std::string_view collection);

}  // namespace culvert::server
