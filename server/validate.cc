#include "server/validate.h"

#include <google/protobuf/descriptor.h>
#include <re2/re2.h>

#include <map>
#include <memory>
#include <mutex>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "core/base/address.h"
#include "core/frontdoor/text.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/options.pb.h"
#include "google/protobuf/duration.pb.h"
#include "server/message_walk.h"

namespace culvert::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxTextBytes = 4096;      // any single string
constexpr int kMaxRepeated = 64;            // targets and the like; the objects of an Apply are counted by the supervisor
constexpr int kMaxMapEntries = 64;          // labels, annotations
constexpr int64_t kMaxDurationSeconds = 315576000000;  // protobuf's own limit

void Add(Violations& violations, const std::string& path, std::string description) {
  if (violations.size() < kMaxViolations) violations.push_back({path, std::move(description)});
}

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

std::string MillisecondsText(int64_t ms) {
  if (ms % 3600000 == 0 && ms != 0) return absl::StrFormat("%dh", ms / 3600000);
  if (ms % 1000 == 0) return absl::StrFormat("%ds", ms / 1000);
  return absl::StrFormat("%dms", ms);
}

const RE2& CompiledPattern(const std::string& pattern) {
  static std::mutex mutex;
  static auto* compiled = new std::map<std::string, std::unique_ptr<RE2>>;  // as many as the protos have patterns
  const std::lock_guard lock(mutex);
  std::unique_ptr<RE2>& entry = (*compiled)[pattern];
  if (entry == nullptr) entry = std::make_unique<RE2>(pattern);
  return *entry;
}

// Brackets are for IPv6 (RFC 3986 section 3.2.2).
bool HasIdleBrackets(const std::string& value) { return value.front() == '[' && value.find(':') > value.find(']'); }

// Empty: the value has the format.
std::string FormatFault(v1::FieldRules::Format format, const std::string& value) {
  switch (format) {
    case v1::FieldRules::FORMAT_BIND:
      if (!SocketAddress::Parse(value).ok() || HasIdleBrackets(value)) return QuotedValue(value) + " is not ADDRESS:PORT with an IP address";
      return "";
    case v1::FieldRules::FORMAT_HOST_PORT: {
      const absl::StatusOr<HostPort> parsed = HostPort::Parse(value);
      // What a far side would refuse to dial is refused here already.
      const bool is_host = parsed.ok() && frontdoor::IsHost(parsed->host) && !HasIdleBrackets(value);
      if (!is_host || parsed->port == 0) return QuotedValue(value) + " is not HOST:PORT with a port from 1 to 65535";
      return "";
    }
    case v1::FieldRules::FORMAT_ADDRESS:
      if (!IpAddress::Parse(value).ok()) return QuotedValue(value) + " is not an IP address";
      return "";
    case v1::FieldRules::FORMAT_FILE:
      if (value.find('\0') != std::string::npos) return "a file name holds no zero byte";
      // The daemon's working folder is no business of who writes a request; files and culvertctl make paths absolute.
      if (value.front() != '/') return QuotedValue(value) + " is not an absolute path";
      return "";
    case v1::FieldRules::FORMAT_REQUEST_ID: {
      static const RE2 kRequestId("[A-Za-z0-9_.:-]{1,64}");
      if (!RE2::FullMatch(value, kRequestId)) return QuotedValue(value) + " is not 1 to 64 letters, digits, '-', '_', '.' and ':'";
      return "";
    }
    default: return "";
  }
}

void CheckText(const std::string& value, const v1::FieldRules& rules, const std::string& path, Violations& violations) {
  if (value.size() > kMaxTextBytes) {
    return Add(violations, path, absl::StrFormat("is longer than %d bytes", kMaxTextBytes));
  }
  if (value.empty()) return;  // "not set"; required says whether that is a fault
  if (!rules.pattern().empty() && !RE2::FullMatch(value, CompiledPattern(rules.pattern()))) {
    return Add(violations, path, QuotedValue(value) + " does not match " + rules.pattern());
  }
  if (std::string fault = FormatFault(rules.format(), value); !fault.empty()) Add(violations, path, std::move(fault));
}

void CheckDuration(const google::protobuf::Duration& value, const v1::FieldRules& rules, const std::string& path,
                   Violations& violations) {
  const bool has_one_sign = (value.seconds() >= 0 && value.nanos() >= 0) || (value.seconds() <= 0 && value.nanos() <= 0);
  if (value.seconds() > kMaxDurationSeconds || value.seconds() < -kMaxDurationSeconds || value.nanos() > 999999999 ||
      value.nanos() < -999999999 || !has_one_sign) {
    return Add(violations, path, "is not a valid duration");
  }
  if (rules.min() == 0 && rules.max() == 0) return;
  const double milliseconds = static_cast<double>(value.seconds()) * 1e3 + value.nanos() / 1e6;
  if (milliseconds < static_cast<double>(rules.min()) || milliseconds > static_cast<double>(rules.max())) {
    const std::string text = milliseconds == static_cast<double>(static_cast<int64_t>(milliseconds))
                                 ? MillisecondsText(static_cast<int64_t>(milliseconds))
                                 : absl::StrFormat("%gms", milliseconds);
    Add(violations, path,
        text + " is not in [" + MillisecondsText(rules.min()) + ", " + MillisecondsText(rules.max()) + "]");
  }
}

// A number as int64; values beyond it are beyond every range too.
int64_t NumberOf(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64: return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.GetUInt32(message, &field);
    default: {
      const uint64_t value = reflection.GetUInt64(message, &field);
      return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value);
    }
  }
}

bool IsInteger(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64: return true;
    default: return false;
  }
}

void CheckMap(const Message& message, const FieldDescriptor& field, const std::string& path, Violations& violations) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  if (size > kMaxMapEntries) return Add(violations, path, absl::StrFormat("has %d entries, at most %d are taken", size, kMaxMapEntries));
  if (field.message_type()->map_key()->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return;
  for (int i = 0; i < size; ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const std::string key = entry.GetReflection()->GetString(entry, field.message_type()->map_key());
    if (key.empty() || key.size() > 253) Add(violations, path, QuotedValue(key) + ": a key has 1 to 253 bytes");
    if (field.message_type()->map_value()->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
        entry.GetReflection()->GetString(entry, field.message_type()->map_value()).size() > kMaxTextBytes) {
      Add(violations, path, QuotedValue(key) + absl::StrFormat(": the value is longer than %d bytes", kMaxTextBytes));
    }
  }
}

void CheckRepeated(const Message& message, const FieldDescriptor& field, const v1::FieldRules& rules,
                   const std::string& path, Violations& violations) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  const int most = rules.max_items() != 0 ? static_cast<int>(rules.max_items()) : kMaxRepeated;
  if (size > most) return Add(violations, path, absl::StrFormat("has %d entries, at most %d are taken", size, most));
  for (int i = 0; i < size; ++i) {
    const std::string element = absl::StrFormat("%s[%d]", path, i);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ValidateTree(reflection.GetRepeatedMessage(message, &field, i), element, violations);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const std::string value = reflection.GetRepeatedString(message, &field, i);
      if (value.empty()) {
        Add(violations, element, "must not be empty");
      } else {
        CheckText(value, rules, element, violations);
      }
    }
  }
}

void CheckSecret(const Message& message, const FieldDescriptor& field, const std::string& path, Violations& violations) {
  if (message.GetReflection()->GetString(message, &field).size() > kMaxTextBytes) {
    Add(violations, path, absl::StrFormat("is longer than %d bytes", kMaxTextBytes));
  }
}

void CheckSingular(const Message& message, const FieldDescriptor& field, const v1::FieldRules& rules,
                   const std::string& path, Violations& violations) {
  const Reflection& reflection = *message.GetReflection();
  if (rules.secret()) return CheckSecret(message, field, path, violations);
  if (IsDuration(field)) {
    return CheckDuration(static_cast<const google::protobuf::Duration&>(reflection.GetMessage(message, &field)), rules,
                         path, violations);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return ValidateTree(reflection.GetMessage(message, &field), path, violations);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return CheckText(reflection.GetString(message, &field), rules, path, violations);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    const int value = reflection.GetEnumValue(message, &field);
    if (field.enum_type()->FindValueByNumber(value) == nullptr) {
      Add(violations, path, absl::StrFormat("%d is not a value of %s", value, field.enum_type()->name()));
    }
    return;
  }
  if (IsInteger(field) && (rules.min() != 0 || rules.max() != 0)) {
    const int64_t value = NumberOf(message, field);
    if (value < rules.min() || value > rules.max()) {
      Add(violations, path, absl::StrFormat("%d is not in [%d, %d]", value, rules.min(), rules.max()));
    }
  }
}

}  // namespace

std::string QuotedValue(const std::string& value) {
  constexpr size_t kShown = 64;
  size_t shown = value.size();
  if (shown > kShown) {
    // Whole letters only: a part of one would make all of the answer unreadable (RFC 3629 section 3).
    shown = kShown;
    while (shown > 0 && (static_cast<unsigned char>(value[shown]) & 0xc0) == 0x80) --shown;
  }
  std::string text = "\"" + absl::Utf8SafeCHexEscape(value.substr(0, shown)) + "\"";
  if (shown < value.size()) text += "...";
  return text;
}

namespace {

bool IsDeclaredObject(const FieldDescriptor& field) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return false;
  const Descriptor* type = field.message_type();
  return type == v1::Object::descriptor() || type == v1::Listener::descriptor() || type == v1::Dialer::descriptor() ||
         type == v1::Forward::descriptor();
}

void ValidateField(const Message& message, const FieldDescriptor& field, const std::string& prefix, Violations& violations) {
  const Reflection& reflection = *message.GetReflection();
  const v1::FieldRules& rules = RulesOf(field);
  if (rules.output_only()) return;  // cleared, not judged
  const std::string path = JoinPath(prefix, field.name());
  const bool is_set = field.is_repeated() ? reflection.FieldSize(message, &field) > 0 : reflection.HasField(message, &field);
  if (!is_set) {
    if (rules.required()) Add(violations, path, "must be set");
  } else if (field.is_map()) {
    CheckMap(message, field, path, violations);
  } else if (field.is_repeated()) {
    CheckRepeated(message, field, rules, path, violations);
  } else {
    CheckSingular(message, field, rules, path, violations);
  }
}

}  // namespace

void ValidateTree(const Message& message, const std::string& prefix, Violations& violations) {
  const Descriptor& type = *message.GetDescriptor();
  if (type.file()->package() == "google.protobuf") return;
  for (int i = 0; i < type.field_count(); ++i) ValidateField(message, *type.field(i), prefix, violations);
}

void ValidateRequest(const Message& request, Violations& violations) {
  const Descriptor& type = *request.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool is_set = field.is_repeated() || request.GetReflection()->HasField(request, &field);
    if (!IsDeclaredObject(field) || !is_set) ValidateField(request, field, "", violations);
  }
}

}  // namespace culvert::server
