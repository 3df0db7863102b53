#include "tests/fuzz/messages.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/timestamp.pb.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <limits>

#include "core/base/check.h"
#include "culvert/v1/config.pb.h"
#include "proto/manifest/utf8.h"
#include "server/message_walk.h"

namespace culvert::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kMaxDepth = 8;
constexpr size_t kManyElements = 66;  // two more than most lists take

// Texts that somebody might mistake for something else. All are UTF-8: gRPC turns other requests away before we see them.
const std::vector<std::string>& HostileTexts() {
  static const std::vector<std::string> texts = {
      "",
      "A",
      "-",
      "a b",
      "a\nb",
      "\x1b[2J",
      std::string("a\0b", 3),
      "%s%n",
      "../../etc/passwd",
      "\xe2\x80\xae" "txt",
      std::string(63, 'x') + "\xc3\xa9",   // cut after 64 bytes it ends within a letter
      std::string(79, 'x') + "\xc3\xa9",
      std::string(1020, 'y') + "\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
      std::string(254, 'k'),
      std::string(4097, 'z'),
      "\"'\\",
      "objects[0]",
      "*"};
  return texts;
}

const std::vector<std::string>& Texts() {
  static const std::vector<std::string> texts = {"", "a", "b", "app", "dial", "control", "GET", "h2", "10.0.0.1:53", "eth0",
                                                 "listener/l0", "daemon", "api", "controller-a", "file"};
  return texts;
}

const std::vector<std::string>& TextsOf(const FieldDescriptor& field, const Pools& pools) {
  static const std::vector<std::string> binds = {"127.0.0.1:1", "127.0.0.1:2", "[::1]:3", "0.0.0.0:1", "127.0.0.1:0", "localhost:1",
                                                 "127.0.0.1", "1.2.3.4:65536"};
  static const std::vector<std::string> hosts = {"db:5432", "10.0.0.1:53", "[2001:db8::1]:443", "db", "db:0", ":1", "a b:1"};
  static const std::vector<std::string> addresses = {"127.0.0.1", "::1", "localhost", "127.0.0.1:1", "fe80::1%eth0"};
  static const std::vector<std::string> files = {"/seed", "/certificate", "/key", "/trust", "/users", "/none", "/empty", "seed", "/"};
  static const std::vector<std::string> ids = {"r1", "r2", "no spaces", ""};
  static const std::vector<std::string> filters = {"name:l", "state=ACTIVE", "tx_bytes>=1Ki", "NOT (name=l0 OR labels:app)", "seed:c",
                                                   "remote:10.0.0.0/8", "name=", "((", "count>0", "spec.kcp.seed=x", "revision>0"};
  static const std::vector<std::string> orders = {"name desc", "tx_bytes", "create_time, name", "seed", "labels", "name sideways", ","};
  const v1::FieldRules& rules = server::RulesOf(field);
  switch (rules.format()) {
    case v1::FieldRules::FORMAT_BIND: return binds;
    case v1::FieldRules::FORMAT_HOST_PORT: return hosts;
    case v1::FieldRules::FORMAT_ADDRESS: return addresses;
    case v1::FieldRules::FORMAT_FILE: return files;
    case v1::FieldRules::FORMAT_REQUEST_ID: return ids;
    default: break;
  }
  const std::string& name = field.name();
  if (name == "filter") return filters;
  if (name == "order_by") return orders;
  if (name == "etag" || name == "page_token") return pools.learned;
  if (!rules.reference().empty() || name == "name" || name == "listener" || name == "dialer" || name == "forward" || name == "session") {
    return pools.names;
  }
  return Texts();
}

std::string TextFor(const FieldDescriptor& field, const Pools& pools, Choices& choices) {
  if (server::RulesOf(field).secret()) return choices.Below(8) == 7 ? "" : kCanary + std::string(choices.Below(3), '!');
  const size_t kind = choices.Below(16);
  if (kind == 15) return choices.Of(HostileTexts());
  if (kind == 14) return choices.Of(pools.learned);
  return choices.Of(TextsOf(field, pools));
}

int64_t NumberFor(const FieldDescriptor& field, Choices& choices) {
  const v1::FieldRules& rules = server::RulesOf(field);
  switch (choices.Below(16)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return rules.min();
    case 3: return rules.max();
    case 4: return static_cast<int64_t>(static_cast<uint64_t>(rules.min()) - 1);
    case 5: return static_cast<int64_t>(static_cast<uint64_t>(rules.max()) + 1);
    case 6: return (rules.min() + rules.max()) / 2;
    case 7: return std::numeric_limits<int32_t>::max();
    case 8: return std::numeric_limits<int32_t>::min();
    case 9: return std::numeric_limits<uint32_t>::max();
    case 10: return std::numeric_limits<int64_t>::max();
    case 11: return std::numeric_limits<int64_t>::min();
    case 12: return -1;
    case 13: return 65536;
    case 14: return 3;
    default: return static_cast<int64_t>(choices.Below(256));
  }
}

// A lease that ends during a run would change what is compared, so none is between nothing and two hours.
void SetDuration(google::protobuf::Duration& duration, const FieldDescriptor& field, Choices& choices) {
  struct Value {
    int64_t seconds;
    int32_t nanos;
  };
  static constexpr Value kValues[] = {{7200, 0},    {86400, 1},  {0, 0},  {0, 1},  {0, 20'000'000},         {0, 100'000'000},
                                      {-1, 0},      {0, -1},     {1, -1}, {-1, 1}, {315'576'000'001, 0},    {0, 1'000'000'000},
                                      {INT64_MAX, 999'999'999}, {INT64_MIN, -999'999'999}, {2'592'001, 0},  {9000, INT32_MIN},
                                      {10, 0},      {30, 0},     {1, 0},  {5, 500'000'000}, {300, 0}};
  const size_t count = std::size(kValues) - (field.name() == "ttl" ? 5 : 0);
  const Value& value = kValues[choices.Below(count)];
  duration.set_seconds(value.seconds);
  duration.set_nanos(value.nanos);
}

void SetTimestamp(google::protobuf::Timestamp& time, Choices& choices) {
  static constexpr int64_t kSeconds[] = {4'102'444'800, 253'402'300'799, 253'402'300'800, 1, 0, -62'135'596'801, INT64_MAX, INT64_MIN};
  static constexpr int32_t kNanos[] = {0, 0, 1, 999'999'999, 1'000'000'000, -1};
  time.set_seconds(kSeconds[choices.Below(std::size(kSeconds))]);
  time.set_nanos(kNanos[choices.Below(std::size(kNanos))]);
}

void AddPath(google::protobuf::FieldMask& mask, Choices& choices) {
  static const std::vector<std::string> paths = {
      "*",  "metadata.name", "spec", "spec.paused", "spec.max_sessions", "spec.kcp.seed", "spec.kcp", "spec.quic.outer.key", "metadata.labels",
      "metadata.labels.app", "status", "status.counters.tx_bytes", "uid", "metadata.uid", "name", "nope", "spec.nope.deeper", "", ".", "spec..bind",
      "metadata.etag", "metadata.ttl", "specMaxSessions", "spec.maxSessions", "counters", "path.smoothed_rtt"};
  *mask.add_paths() = choices.Below(16) == 15 ? choices.Of(HostileTexts()) : choices.Of(paths);
}

class Filler {
 public:
  Filler(const Pools& pools, Choices& choices) : pools_(pools), choices_(choices) {}

  void Fill(Message& message, int depth) {
    const Descriptor& type = *message.GetDescriptor();
    if (type.field_count() == 0 || depth > kMaxDepth) return;
    const bool is_declared = type.full_name() == "culvert.v1.Listener" || type.full_name() == "culvert.v1.Dialer" ||
                             type.full_name() == "culvert.v1.Forward";
    if (is_declared) MakeValid(message, choices_.Below(kValidObjects));
    // Half of the declared objects stay as they are.
    const size_t fields = is_declared ? choices_.Below(8) / 2 * (choices_.Below(2)) : choices_.Below(16);
    for (size_t i = 0; i < fields; ++i) Set(message, *type.field(static_cast<int>(choices_.Below(static_cast<size_t>(type.field_count())))), depth);
  }

 private:
  void Set(Message& message, const FieldDescriptor& field, int depth) {
    if (!field.is_repeated()) return SetOne(message, field, depth);
    const size_t count = choices_.Below(16) == 15 ? kManyElements : 1 + choices_.Below(3);
    for (size_t i = 0; i < count; ++i) AddOne(message, field, depth);
  }

  void FillValue(Message& value, const FieldDescriptor& field, int depth) {
    const std::string& type = value.GetDescriptor()->full_name();
    if (type == "google.protobuf.Duration") return SetDuration(static_cast<google::protobuf::Duration&>(value), field, choices_);
    if (type == "google.protobuf.Timestamp") return SetTimestamp(static_cast<google::protobuf::Timestamp&>(value), choices_);
    if (type == "google.protobuf.FieldMask") {
      for (size_t i = choices_.Below(4); i < 4; ++i) AddPath(static_cast<google::protobuf::FieldMask&>(value), choices_);
      return;
    }
    Fill(value, depth + 1);
  }

  int EnumValue(const FieldDescriptor& field) {
    const size_t which = choices_.Below(static_cast<size_t>(field.enum_type()->value_count()) + 1);
    const bool is_known = which < static_cast<size_t>(field.enum_type()->value_count());
    return is_known ? field.enum_type()->value(static_cast<int>(which))->number() : 77;
  }

  void SetOne(Message& message, const FieldDescriptor& field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: return reflection.SetString(&message, &field, TextFor(field, pools_, choices_));
      case FieldDescriptor::CPPTYPE_MESSAGE: return FillValue(*reflection.MutableMessage(&message, &field), field, depth);
      case FieldDescriptor::CPPTYPE_BOOL: return reflection.SetBool(&message, &field, choices_.Below(4) != 3);
      case FieldDescriptor::CPPTYPE_ENUM: return reflection.SetEnumValue(&message, &field, EnumValue(field));
      case FieldDescriptor::CPPTYPE_INT32: return reflection.SetInt32(&message, &field, static_cast<int32_t>(NumberFor(field, choices_)));
      case FieldDescriptor::CPPTYPE_INT64: return reflection.SetInt64(&message, &field, NumberFor(field, choices_));
      case FieldDescriptor::CPPTYPE_UINT32: return reflection.SetUInt32(&message, &field, static_cast<uint32_t>(NumberFor(field, choices_)));
      case FieldDescriptor::CPPTYPE_UINT64: return reflection.SetUInt64(&message, &field, static_cast<uint64_t>(NumberFor(field, choices_)));
      case FieldDescriptor::CPPTYPE_DOUBLE: return reflection.SetDouble(&message, &field, static_cast<double>(NumberFor(field, choices_)) / 8);
      case FieldDescriptor::CPPTYPE_FLOAT: break;
    }
    CULVERT_CHECK(false);  // a type that the API does not have yet
  }

  void AddOne(Message& message, const FieldDescriptor& field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: return reflection.AddString(&message, &field, TextFor(field, pools_, choices_));
      case FieldDescriptor::CPPTYPE_ENUM: return reflection.AddEnumValue(&message, &field, EnumValue(field));
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message& element = *reflection.AddMessage(&message, &field);
        if (!field.is_map()) return FillValue(element, field, depth);
        for (int part = 0; part < 2; ++part) SetOne(element, *element.GetDescriptor()->field(part), depth);
        return;
      }
      default: break;
    }
    CULVERT_CHECK(false);
  }

  const Pools& pools_;
  Choices& choices_;
};

constexpr const char* kListeners[kValidObjects] = {
    "metadata { name: 'l0' } spec { transport: TRANSPORT_TCP bind: '127.0.0.1:1' }",
    "metadata { name: 'l1' labels { key: 'app' value: 'web' } } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:2' kcp { seed: '@' } }",
    "metadata { name: 'l0' } spec { transport: TRANSPORT_UDP bind: '127.0.0.1:3' udp { hub_capacity: 9 } }",
    "metadata { name: 'l1' ttl { seconds: 7200 } } spec { transport: TRANSPORT_TCP bind: '[::1]:4' protocol: LISTENER_PROTOCOL_SOCKS5 "
    "users_file: '/users' }",
    "metadata { name: 'l0' } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:5' stream_header: STREAM_HEADER_CULVERT kcp { seed_file: "
    "'/seed' } tls { certificate_file: '/certificate' private_key_file: '/key' } }",
    "metadata { name: 'l2' } spec { transport: TRANSPORT_QUIC bind: '127.0.0.1:6' quic { outer { security: OUTER_SECURITY_AES_128_GCM key: "
    "'@' } } }",
    "metadata { name: 'l2' expire_time { seconds: 4102444800 } } spec { transport: TRANSPORT_QUIC bind: '0.0.0.0:7' tls { certificate_file: "
    "'/certificate' private_key_file: '/key' trust_file: '/trust' require_peer_certificate: true } }",
    "metadata { name: 'l0' annotations { key: 'note' value: 'x' } } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:0' insecure: true kcp { "
    "profile: KCP_PROFILE_XRAY } paused: true max_sessions: 5 }"};
constexpr const char* kDialers[kValidObjects] = {
    "metadata { name: 'd0' } spec { transport: TRANSPORT_KCP targets: 'far:4000' kcp { seed: '@' } }",
    "metadata { name: 'd1' labels { key: 'app' value: 'web' } } spec { transport: TRANSPORT_TCP targets: 'db:5432' targets: '10.0.0.1:1' }",
    "metadata { name: 'd0' } spec { transport: TRANSPORT_QUIC targets: 'far:443' insecure: true min_sessions: 1 max_sessions: 4 }",
    "metadata { name: 'd1' } spec { transport: TRANSPORT_QUIC targets: 'far:443' stream_header: STREAM_HEADER_CULVERT tls { trust_file: "
    "'/trust' } quic { outer { security: OUTER_SECURITY_CHACHA20_POLY1305 key: '@' header: PACKET_HEADER_DTLS } } }",
    "metadata { name: 'd0' ttl { seconds: 86400 } } spec { transport: TRANSPORT_KCP targets: 'far:4000' stream_header: STREAM_HEADER_CULVERT "
    "kcp { seed_file: '/seed' mtu_bytes: 1400 } }",
    "metadata { name: 'd2' } spec { transport: TRANSPORT_UDP targets: '10.0.0.1:53' socket { dscp: 10 } }",
    "metadata { name: 'd2' } spec { transport: TRANSPORT_KCP targets: 'far:4000' insecure: true kcp { seed: '' } dial_timeout { seconds: 3 } }",
    "metadata { name: 'd1' } spec { transport: TRANSPORT_KCP targets: 'far:4000' kcp { seed: '@' } tls { pinned_spki: "
    "'sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' } paused: true }"};
constexpr const char* kForwards[kValidObjects] = {
    "metadata { name: 'f0' } spec { listener: 'l0' destination: 'db:5432' }",
    "metadata { name: 'f1' } spec { listener: 'l1' destination: 'db:5432' tcp_idle_timeout { seconds: 60 } }",
    "metadata { name: 'f0' } spec { listener: 'l0' dialer: 'd0' }",
    "metadata { name: 'f1' } spec { listener: 'l1' dialer: 'd1' }",
    "metadata { name: 'f2' } spec { listener: 'l2' allowed_destinations: '10.0.0.0/8:443' destination: 'db:1' }",
    "metadata { name: 'f2' } spec { dialer: 'd1' destination: 'db:5432' reverse: 'back' reverse_parked: 2 }",
    "metadata { name: 'f0' } spec { listener: 'l0' reverse: 'back' reverse_wait { seconds: 5 } }",
    // In parentheses: Clang takes the only literal of a list that is in two parts for a forgotten comma.
    ("metadata { name: 'f1' labels { key: 'app' value: 'x' } } spec { listener: 'l1' allowed_destinations: '*:*' udp { max_flows_per_client: 5 "
     "} }")};

}  // namespace

void FillMessage(Message& message, const Pools& pools, Choices& choices, int depth) { Filler(pools, choices).Fill(message, depth); }

void MakeValid(Message& message, size_t which) {
  const std::string& type = message.GetDescriptor()->name();
  std::string text = (type == "Listener" ? kListeners : type == "Dialer" ? kDialers : kForwards)[which];
  if (const size_t at = text.find('@'); at != std::string::npos) text.replace(at, 1, kCanary);
  CULVERT_CHECK(google::protobuf::TextFormat::ParseFromString(text, &message));
}

bool FieldExists(const Descriptor& type, std::string_view path) {
  const Descriptor* at = &type;
  while (true) {
    const size_t end = path.find_first_of(".[");
    if (at != nullptr && at->FindOneofByName(std::string(path)) != nullptr) return true;  // "one of these must be set"
    const FieldDescriptor* field = at == nullptr ? nullptr : at->FindFieldByName(std::string(path.substr(0, end)));
    if (field == nullptr) return false;
    path = end == std::string_view::npos ? std::string_view() : path.substr(end);
    if (path.starts_with('[')) {
      size_t index = 0;
      const auto [close, error] = std::from_chars(path.data() + 1, path.data() + path.size(), index);
      if (!field->is_repeated() || error != std::errc() || close == path.data() + path.size() || *close != ']') return false;
      path.remove_prefix(static_cast<size_t>(close - path.data()) + 1);
    }
    if (path.empty()) return true;
    if (!path.starts_with('.')) return false;
    path.remove_prefix(1);
    at = field->message_type();
  }
}

void Require(bool holds, const char* what, const std::string& about) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", what, about.c_str());
  CULVERT_CHECK(holds);
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = manifest::DecodeUtf8(text).length;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool IsCleanText(std::string_view text, bool lines) {
  while (!text.empty()) {
    const manifest::CodePoint point = manifest::DecodeUtf8(text);
    const bool is_control = (point.value < 0x20 && !(lines && point.value == '\n')) || point.value == 0x7f;
    if (point.length == 0 || is_control) return false;
    text.remove_prefix(point.length);
  }
  return true;
}

}  // namespace culvert::fuzz
