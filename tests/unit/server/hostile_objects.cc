#include "tests/unit/server/hostile_objects.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <re2/re2.h>

#include <cstdint>
#include <functional>
#include <limits>

#include "server/message_walk.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// As the documents of the API say, not as the validator does.
constexpr size_t kMostTextBytes = 4096;
constexpr size_t kMostKeyBytes = 253;
constexpr int kMostEntries = 64;

bool IsWellKnown(const FieldDescriptor& field, const char* name) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field.message_type()->full_name() == std::string("google.protobuf.") + name;
}
bool IsBlock(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated() && !IsWellKnown(field, "Duration") &&
         !IsWellKnown(field, "Timestamp");
}

// What no field of that syntax takes.
std::vector<std::string> WrongTexts(const v1::FieldRules& rules) {
  std::vector<std::string> texts = {std::string(kMostTextBytes + 1, 'a')};
  const std::vector<std::string> odd = {"A",    "a b",  "-a",   "a-", "a\n", "\x1b[2J", "\xc3\xa9", std::string("a\0", 2), "a/b", "..", "a_b", std::string(64, 'a'),
                                        "1a",   " a",   "a\t",  "*",  "a.",  "\"a\"",   "a:1",      std::string(1000, 'a'), "a,b", "%s", "\xe2\x80\xae" "a"};
  if (!rules.pattern().empty()) {
    for (const std::string& text : odd) {
      if (!RE2::FullMatch(text, rules.pattern())) texts.push_back(text);
    }
  }
  const auto add = [&texts](std::initializer_list<const char*> more) { texts.insert(texts.end(), more.begin(), more.end()); };
  switch (rules.format()) {
    case v1::FieldRules::FORMAT_BIND:
      add({"localhost:1", "127.0.0.1", "127.0.0.1:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "[::1]", "::1:1x", "1.2.3.4:1 ", " 1.2.3.4:1",
           "1.2.3.4:1\n", "*:80", ":80", "1.2.3:80", "1.2.3.4.5:80", "01.2.3.4:80", "0x1.2.3.4:80", "\x1b:1", "1.2.3.4:0x50", "[1.2.3.4]:80",
           "[::1]:1]", "256.1.1.1:1", "1.2.3.4;80"});
      break;
    case v1::FieldRules::FORMAT_HOST_PORT:
      add({"db", "db:", "db:0", "db:65536", "db:-1", ":1", "a b:1", "db:1\n", "db\n:1", "[::1", "[::1]", "db:x", "\x1b[2J:1", " db:1", "db:1 ", "db:0x1",
           "db:+1", "[db]:1", "::1"});
      break;
    case v1::FieldRules::FORMAT_ADDRESS:
      add({"localhost", "127.0.0.1:1", "::1::", "1.2.3", "1.2.3.4 ", "\n", "1.2.3.4/8", "[::1]", "256.0.0.1", "-", "0x7f000001", "1.2.3.4\t"});
      break;
    case v1::FieldRules::FORMAT_FILE: add({"relative", "./x", "../x", "~/x", "C:\\x", " /x", "file:///x", "\n/x"}); break;
    default: break;
  }
  if (rules.format() == v1::FieldRules::FORMAT_FILE) texts.emplace_back("/a\0b", 4);
  if (rules.format() == v1::FieldRules::FORMAT_HOST_PORT) texts.emplace_back("d\0b:1", 5);
  if (!rules.reference().empty()) add({"nowhere", "Not A Name", "\x1b[2J", "listeners/in", "in\n", "\xc3\xa9", "in ", " in", "IN", "*", "%s"});
  return texts;
}

// Those of files would be relative to their folder.
bool CanBeInFile(const v1::FieldRules& rules, const std::string& text) {
  return rules.format() != v1::FieldRules::FORMAT_FILE || text.size() > 100 || text.front() == '/';
}

struct Span {
  int64_t seconds;
  int32_t nanos;
  bool in_files;
};

std::vector<Span> WrongDurations(const v1::FieldRules& rules) {
  std::vector<Span> spans = {{0, 1'000'000'000, false},   {0, -1'000'000'000, false},  {1, -1, false},         {-1, 1, false},
                             {315'576'000'001, 0, false}, {-315'576'000'001, 0, false}, {INT64_MAX, 0, false}, {INT64_MIN, -1, false},
                             {1, INT32_MAX, false},       {1, INT32_MIN, false}};
  if (rules.min() == 0 && rules.max() == 0) return spans;
  const auto add = [&spans](int64_t milliseconds, int32_t more_nanos) {
    spans.push_back({milliseconds / 1000, static_cast<int32_t>(milliseconds % 1000) * 1'000'000 + more_nanos, milliseconds >= 0});
  };
  add(rules.max() + 1, 0);
  add(rules.max(), 1'000);
  add(rules.max() * 2 + 1, 0);
  add(rules.max() + 86'400'000, 0);
  add(-1, 0);
  add(-1'000'000, 0);
  if (rules.min() == 0) return spans;
  add(0, 0);
  add(rules.min() - 1, 0);
  add(rules.min() - 1, 999'000);
  add(0, 1);
  return spans;
}

std::vector<uint64_t> WrongNumbers(const FieldDescriptor& field, const v1::FieldRules& rules) {
  if (rules.min() == 0 && rules.max() == 0) return {};
  const bool is_wide = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  std::vector<uint64_t> numbers;
  const uint64_t most = static_cast<uint64_t>(rules.max());
  for (const uint64_t number : {most + 1, most + 2, most * 2 + 1, most + 1000, uint64_t{1} << 31, uint64_t{UINT32_MAX}, uint64_t{UINT32_MAX} - 1}) {
    if (number > most) numbers.push_back(number);
  }
  if (is_wide) numbers.insert(numbers.end(), {uint64_t{1} << 40, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 1});
  // Nothing at all means the default.
  for (const int64_t number : {int64_t{1}, rules.min() / 2, rules.min() - 1}) {
    if (number > 0 && number < rules.min()) numbers.push_back(static_cast<uint64_t>(number));
  }
  return numbers;
}

using Change = std::function<void(Message& owner, const FieldDescriptor& field)>;

class Breaker {
 public:
  explicit Breaker(const v1::Object& valid) : valid_(valid) {}

  std::vector<Hostile> Run() {
    Walk(*BodyOf(valid_).GetDescriptor(), "");
    return std::move(variants_);
  }

 private:
  void Walk(const Descriptor& type, const std::string& prefix) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (RulesOf(field).output_only()) continue;
      const std::string path = JoinPath(prefix, field.name());
      Break(field, path);
      if (!IsBlock(field)) continue;
      chain_.push_back(&field);
      Walk(*field.message_type(), path);
      chain_.pop_back();
    }
  }

  void Add(const FieldDescriptor& field, const std::string& path, const std::string& why, const Change& change, bool in_files = true) {
    Hostile hostile{valid_, path, why, in_files && !RulesOf(field).secret()};
    Message* owner = &MutableBodyOf(hostile.object);
    for (const FieldDescriptor* step : chain_) owner = owner->GetReflection()->MutableMessage(owner, step);
    change(*owner, field);
    variants_.push_back(std::move(hostile));
  }

  // Whether the valid object has the block that the walk is in.
  bool HasBlock() const {
    const Message* owner = &BodyOf(valid_);
    for (const FieldDescriptor* step : chain_) {
      if (!owner->GetReflection()->HasField(*owner, step)) return false;
      owner = &owner->GetReflection()->GetMessage(*owner, step);
    }
    return true;
  }
  bool IsSetInValid(const FieldDescriptor& field) const {
    const Message* owner = &BodyOf(valid_);
    for (const FieldDescriptor* step : chain_) owner = &owner->GetReflection()->GetMessage(*owner, step);
    return owner->GetReflection()->HasField(*owner, &field);
  }

  void Break(const FieldDescriptor& field, const std::string& path) {
    const v1::FieldRules& rules = RulesOf(field);
    if (rules.required()) {
      Add(field, path, "missing", [](Message& owner, const FieldDescriptor& one) { owner.GetReflection()->ClearField(&owner, &one); });
    }
    if (field.is_map()) return BreakMap(field, path);
    if (field.is_repeated()) return BreakList(field, path, rules);
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        // Of a secret nothing but the length is judged; an etag belongs to what it guards.
        for (const std::string& text : WrongTexts(rules)) {
          // Where a forward names nothing, naming anything at all may be what is wrong.
          if (!rules.reference().empty() && !IsSetInValid(field) && text.size() <= kMostTextBytes) continue;
          Add(field, path, text.substr(0, 40), [&](Message& owner, const FieldDescriptor& one) { owner.GetReflection()->SetString(&owner, &one, text); },
              CanBeInFile(rules, text) && field.name() != "etag");
        }
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        for (const int number : {77, -1, field.enum_type()->value_count(), INT32_MAX, INT32_MIN, 255, 1000, 65536}) {
          Add(field, path, std::to_string(number),
              [&](Message& owner, const FieldDescriptor& one) { owner.GetReflection()->SetEnumValue(&owner, &one, number); });
        }
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
        for (const uint64_t number : WrongNumbers(field, rules)) {
          Add(field, path, std::to_string(number), [&](Message& owner, const FieldDescriptor& one) {
            if (one.cpp_type() == FieldDescriptor::CPPTYPE_UINT64) return owner.GetReflection()->SetUInt64(&owner, &one, number);
            owner.GetReflection()->SetUInt32(&owner, &one, static_cast<uint32_t>(number));
          });
        }
        return;
      default: break;
    }
    if (IsWellKnown(field, "Duration")) BreakDuration(field, path, rules);
    if (IsWellKnown(field, "Timestamp")) BreakTime(field, path);
  }

  void BreakDuration(const FieldDescriptor& field, const std::string& path, const v1::FieldRules& rules) {
    for (const Span& span : WrongDurations(rules)) {
      Add(field, path, std::to_string(span.seconds) + "s " + std::to_string(span.nanos) + "ns",
          [&](Message& owner, const FieldDescriptor& one) {
            auto& duration = static_cast<google::protobuf::Duration&>(*owner.GetReflection()->MutableMessage(&owner, &one));
            duration.set_seconds(span.seconds);
            duration.set_nanos(span.nanos);
          },
          span.in_files);
    }
  }

  void BreakTime(const FieldDescriptor& field, const std::string& path) {
    for (const Span& span : std::initializer_list<Span>{{1, 0, true}, {0, 0, true}, {-1, 0, true}, {1'700'000'000, 5, true}, {253'402'300'800, 0, false},
                                                        {-62'135'596'801, 0, false}, {4'102'444'800, -1, false}, {4'102'444'800, 1'000'000'000, false},
                                                        {INT64_MAX, 0, false}, {INT64_MIN, 0, false}}) {
      Add(field, path, std::to_string(span.seconds),
          [&](Message& owner, const FieldDescriptor& one) {
            auto& time = static_cast<google::protobuf::Timestamp&>(*owner.GetReflection()->MutableMessage(&owner, &one));
            time.set_seconds(span.seconds);
            time.set_nanos(span.nanos);
          },
          span.in_files);
    }
  }

  void BreakList(const FieldDescriptor& field, const std::string& path, const v1::FieldRules& rules) {
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) return;
    const auto set = [](Message& owner, const FieldDescriptor& one, const std::string& text, int count) {
      owner.GetReflection()->ClearField(&owner, &one);
      for (int i = 0; i < count; ++i) owner.GetReflection()->AddString(&owner, &one, text);
    };
    const int most = rules.max_items() != 0 ? static_cast<int>(rules.max_items()) : kMostEntries;
    for (const int count : {most + 1, most * 2}) {
      Add(field, path, std::to_string(count) + " elements", [&](Message& owner, const FieldDescriptor& one) { set(owner, one, "a:1", count); });
    }
    std::vector<std::string> texts = WrongTexts(rules);
    texts.emplace_back();
    const bool has_owner = chain_.empty() || HasBlock();
    if (has_owner && field.name() == "allowed_destinations") {
      texts.insert(texts.end(), {"*", "*:", "db", "10.0.0.0/33:1", "10.0.0.0/8", "a b:1", "*:0", "*:65536", "*:2-1", "db:1-", "::1:1:1", "db:1\n", "\x1b:1"});
    }
    // Where the block does not belong, nothing in it is looked at.
    if (has_owner && field.name() == "pinned_spki") {
      texts.insert(texts.end(), {"sha256/", "sha256/AAAA", "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha256/" + std::string(44, '='), "x"});
    }
    for (const std::string& text : texts) {
      Add(field, path + "[0]", text.substr(0, 40), [&](Message& owner, const FieldDescriptor& one) { set(owner, one, text, 1); });
    }
  }

  void BreakMap(const FieldDescriptor& field, const std::string& path) {
    const auto put = [](Message& owner, const FieldDescriptor& one, const std::string& key, const std::string& value) {
      Message& entry = *owner.GetReflection()->AddMessage(&owner, &one);
      entry.GetReflection()->SetString(&entry, one.message_type()->map_key(), key);
      entry.GetReflection()->SetString(&entry, one.message_type()->map_value(), value);
    };
    for (const size_t bytes : {size_t{0}, kMostKeyBytes + 1, size_t{1000}}) {
      Add(field, path, "a key of " + std::to_string(bytes), [&](Message& owner, const FieldDescriptor& one) { put(owner, one, std::string(bytes, 'k'), "v"); });
    }
    Add(field, path, "a long value",
        [&](Message& owner, const FieldDescriptor& one) { put(owner, one, "k", std::string(kMostTextBytes + 1, 'v')); });
    for (const int count : {kMostEntries + 1, 500}) {
      Add(field, path, std::to_string(count) + " entries", [&](Message& owner, const FieldDescriptor& one) {
        for (int i = 0; i < count; ++i) put(owner, one, "k" + std::to_string(i), "v");
      });
    }
  }

  const v1::Object& valid_;
  std::vector<const FieldDescriptor*> chain_;
  std::vector<Hostile> variants_;
};

void Collect(const Descriptor& type, const std::string& prefix, std::vector<FieldAt>& fields) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string path = JoinPath(prefix, field.name());
    fields.push_back({path, &field});
    if (IsBlock(field)) Collect(*field.message_type(), path, fields);
  }
}

std::string Put(std::string text, const std::string& mark, const std::string& value) {
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size())) text.replace(at, mark.size(), value);
  return text;
}

const char* const kValid[3][7] = {
    {"listener { metadata { name: 'tcp@' } spec { transport: TRANSPORT_TCP bind: '127.0.0.1:#0' } }",
     "listener { metadata { name: 'udp@' } spec { transport: TRANSPORT_UDP bind: '127.0.0.1:#1' udp { hub_capacity: 9 } } }",
     "listener { metadata { name: 'kcp@' labels { key: 'a' value: 'b' } } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:#2' kcp { seed: 'correct "
     "horse battery' mtu_bytes: 1400 } } }",
     "listener { metadata { name: 'socks@' } spec { transport: TRANSPORT_TCP bind: '127.0.0.1:#3' protocol: LISTENER_PROTOCOL_SOCKS5 } }",
     "listener { metadata { name: 'kcptls@' } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:#4' tls { certificate_file: '/c' private_key_file: "
     "'/k' } } }",
     "listener { metadata { name: 'quic@' } spec { transport: TRANSPORT_QUIC bind: '127.0.0.1:#5' quic { max_streams_per_session: 9 } } }", nullptr},
    {"dialer { metadata { name: 'tcp@' } spec { transport: TRANSPORT_TCP targets: 'db:5432' } }",
     "dialer { metadata { name: 'udp@' } spec { transport: TRANSPORT_UDP targets: '10.0.0.1:53' socket { dscp: 9 } } }",
     "dialer { metadata { name: 'kcp@' } spec { transport: TRANSPORT_KCP targets: 'far:4000' kcp { seed: 'correct horse battery' } } }",
     "dialer { metadata { name: 'kcptls@' } spec { transport: TRANSPORT_KCP targets: 'far:4000' tls { trust_file: '/t' } } }",
     "dialer { metadata { name: 'quic@' } spec { transport: TRANSPORT_QUIC targets: 'far:443' insecure: true quic { early_data: true } } }",
     "dialer { metadata { name: 'quictls@' } spec { transport: TRANSPORT_QUIC targets: 'far:443' tls { server_name: 'far.example' } } }", nullptr},
    {"forward { metadata { name: 'direct@' } spec { listener: 'in' destination: 'db:5432' } }",
     "forward { metadata { name: 'dialled@' } spec { listener: 'in' dialer: 'far' } }",
     "forward { metadata { name: 'proxied@' } spec { listener: 'proxied' allowed_destinations: '*:443' } }",
     "forward { metadata { name: 'public@' } spec { listener: 'in' reverse: 'back' reverse_listener: 'addressed' reverse_wait { seconds: 5 "
     "} } }",
     "forward { metadata { name: 'private@' } spec { dialer: 'private' destination: 'db:1' reverse: 'back' reverse_parked: 2 } }",
     "forward { metadata { name: 'named@' } spec { listener: 'addressed' allowed_destinations: '10.0.0.0/8:1-9' udp { max_flows_per_client: 5 } } }",
     nullptr}};

}  // namespace

std::vector<v1::Object> ValidObjects(Kind kind, const std::string& suffix, int port) {
  std::vector<v1::Object> objects;
  for (const char* const* text = kValid[static_cast<size_t>(kind)]; *text != nullptr; ++text) {
    objects.push_back(ParseObject(Put(Put(*text, "@", suffix), "#", std::to_string(port))));
  }
  return objects;
}

std::vector<v1::Object> ReferredObjects() {
  const std::string addressed = "stream_header: STREAM_HEADER_CULVERT kcp { seed: 'correct horse battery' }";
  return {TcpListener("in", "127.0.0.1:7001"), ParseObject("listener { metadata { name: 'proxied' } spec { transport: TRANSPORT_TCP bind: "
                                                           "'127.0.0.1:7002' protocol: LISTENER_PROTOCOL_HTTP_CONNECT } }"),
          ParseObject("listener { metadata { name: 'addressed' } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:7003' " + addressed + " } }"),
          KcpDialer("far", "far:4000"),
          ParseObject("dialer { metadata { name: 'private' } spec { transport: TRANSPORT_KCP targets: 'far:4000' " + addressed + " } }")};
}

std::vector<Hostile> HostileVariants(const v1::Object& valid) { return Breaker(valid).Run(); }

std::vector<FieldAt> AllFields(const Descriptor& type) {
  std::vector<FieldAt> fields;
  Collect(type, "", fields);
  return fields;
}

}  // namespace culvert::server
