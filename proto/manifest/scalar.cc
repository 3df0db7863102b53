#include "proto/manifest/scalar.h"

#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <cstdint>
#include <limits>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "proto/manifest/faults.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::manifest {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool CountsBytes(const FieldDescriptor* field) { return absl::StrContains(field->name(), "bytes"); }

struct Suffix {
  std::string_view text;
  uint64_t factor;
};
constexpr Suffix kSuffixes[] = {
    {"Ki", 1ull << 10}, {"Mi", 1ull << 20}, {"Gi", 1ull << 30}, {"k", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000},
};

struct Integer {
  bool negative = false;
  uint64_t magnitude = 0;
};

// nullopt: not an integer, or beyond 64 bits.
std::optional<Integer> ParseInteger(std::string_view text, bool with_suffix) {
  Integer value;
  if (!text.empty() && text[0] == '-') {
    value.negative = true;
    text.remove_prefix(1);
  }
  uint64_t factor = 1;
  unsigned base = 10;
  if (text.substr(0, 2) == "0x") {
    base = 16;
    text.remove_prefix(2);
  } else if (with_suffix) {
    for (const Suffix& suffix : kSuffixes) {
      if (text.size() <= suffix.text.size() || text.substr(text.size() - suffix.text.size()) != suffix.text) continue;
      factor = suffix.factor;
      text.remove_suffix(suffix.text.size());
      break;
    }
  }
  // 010 is eight in YAML 1.1 and ten in YAML 1.2: refused rather than guessed.
  if (text.empty() || (base == 10 && text.size() > 1 && text[0] == '0')) return std::nullopt;
  for (const char c : text) {
    unsigned digit = 16;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base || __builtin_mul_overflow(value.magnitude, base, &value.magnitude) ||
        __builtin_add_overflow(value.magnitude, digit, &value.magnitude)) {
      return std::nullopt;
    }
  }
  if (__builtin_mul_overflow(value.magnitude, factor, &value.magnitude)) return std::nullopt;
  return value;
}

absl::Status SetInteger(Message& message, const FieldDescriptor* field, Written written) {
  const bool is_wide =
      field->cpp_type() == FieldDescriptor::CPPTYPE_INT64 || field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  const bool is_signed =
      field->cpp_type() == FieldDescriptor::CPPTYPE_INT32 || field->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
  if (written.quoted && !is_wide) {
    return absl::InvalidArgumentError(
        absl::StrFormat("\"%s\" is a text, a number is wanted (leave the quotes out)", Quotable(written.text)));
  }
  const std::optional<Integer> value = ParseInteger(written.text, CountsBytes(field));
  if (!value) {
    return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not a whole number%s", Quotable(written.text),
                                                      CountsBytes(field) ? " of bytes, e.g. 65536 or 64Ki" : ""));
  }
  const uint64_t most =
      is_signed
          ? (is_wide ? uint64_t{std::numeric_limits<int64_t>::max()} : uint64_t{std::numeric_limits<int32_t>::max()})
          : (is_wide ? std::numeric_limits<uint64_t>::max() : uint64_t{std::numeric_limits<uint32_t>::max()});
  const bool below = value->negative && value->magnitude > (is_signed ? most + 1 : 0);
  if (below || (!value->negative && value->magnitude > most)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s is not in [%s, %d]", Quotable(written.text),
                                                      is_signed ? absl::StrFormat("-%d", most + 1) : "0", most));
  }
  const uint64_t bits = value->negative ? 0 - value->magnitude : value->magnitude;
  const google::protobuf::Reflection* reflection = message.GetReflection();
  const bool add = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      add ? reflection->AddInt32(&message, field, static_cast<int32_t>(bits))
          : reflection->SetInt32(&message, field, static_cast<int32_t>(bits));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      add ? reflection->AddInt64(&message, field, static_cast<int64_t>(bits))
          : reflection->SetInt64(&message, field, static_cast<int64_t>(bits));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      add ? reflection->AddUInt32(&message, field, static_cast<uint32_t>(bits))
          : reflection->SetUInt32(&message, field, static_cast<uint32_t>(bits));
      break;
    default:
      add ? reflection->AddUInt64(&message, field, bits) : reflection->SetUInt64(&message, field, bits);
  }
  return absl::OkStatus();
}

absl::Status SetBool(Message& message, const FieldDescriptor* field, Written written) {
  // YAML 1.1's yes, no, on and off are texts here: a name "no" must not turn into a boolean, nor the other way round.
  if (written.quoted || (written.text != "true" && written.text != "false")) {
    return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not true or false%s", Quotable(written.text),
                                                      written.quoted ? " (leave the quotes out)" : ""));
  }
  const google::protobuf::Reflection* reflection = message.GetReflection();
  const bool value = written.text == "true";
  field->is_repeated() ? reflection->AddBool(&message, field, value) : reflection->SetBool(&message, field, value);
  return absl::OkStatus();
}

absl::Status SetEnum(Message& message, const FieldDescriptor* field, Written written) {
  const google::protobuf::EnumValueDescriptor* value = FindEnumValue(field->enum_type(), written.text);
  if (value == nullptr) {
    const std::vector<std::string> names = ShortNames(field->enum_type());
    return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not one of %s%s", Quotable(written.text),
                                                      absl::StrJoin(names, ", "), DidYouMean(written.text, names)));
  }
  const google::protobuf::Reflection* reflection = message.GetReflection();
  field->is_repeated() ? reflection->AddEnum(&message, field, value) : reflection->SetEnum(&message, field, value);
  return absl::OkStatus();
}

void SetText(Message& message, const FieldDescriptor* field, Written written, std::string_view base_dir) {
  std::string value(written.text);
  if (RulesOf(field).format() == v1::FieldRules::FORMAT_FILE && !value.empty() && value[0] != '/' &&
      !base_dir.empty()) {
    value = absl::StrFormat("%s%s%s", base_dir, base_dir.back() == '/' ? "" : "/", value);
  }
  const google::protobuf::Reflection* reflection = message.GetReflection();
  field->is_repeated() ? reflection->AddString(&message, field, std::move(value))
                       : reflection->SetString(&message, field, std::move(value));
}

// As protobuf JSON and the emitter write them: RFC 3339.
absl::Status SetTime(Message& message, const FieldDescriptor* field, Written written) {
  google::protobuf::Timestamp time;
  if (!google::protobuf::util::TimeUtil::FromString(std::string(written.text), &time)) {
    return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not a time, e.g. 2026-12-01T08:00:00Z", Quotable(written.text)));
  }
  const google::protobuf::Reflection* reflection = message.GetReflection();
  (field->is_repeated() ? reflection->AddMessage(&message, field) : reflection->MutableMessage(&message, field))->CopyFrom(time);
  return absl::OkStatus();
}

}  // namespace

absl::Status SetScalar(Message& message, const FieldDescriptor* field, Written value, std::string_view base_dir) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return SetInteger(message, field, value);
    case FieldDescriptor::CPPTYPE_BOOL:
      return SetBool(message, field, value);
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(message, field, value);
    case FieldDescriptor::CPPTYPE_STRING:
      SetText(message, field, value, base_dir);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (IsTimestamp(field)) return SetTime(message, field, value);
      if (!IsDuration(field)) break;
      CULVERT_ASSIGN_OR_RETURN(const google::protobuf::Duration duration, ParseDuration(value.text));
      const google::protobuf::Reflection* reflection = message.GetReflection();
      (field->is_repeated() ? reflection->AddMessage(&message, field) : reflection->MutableMessage(&message, field))
          ->CopyFrom(duration);
      return absl::OkStatus();
    }
    default:
      break;
  }
  return absl::InvalidArgumentError("this field cannot be written in a file");
}

}  // namespace culvert::manifest
