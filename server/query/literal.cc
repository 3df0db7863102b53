#include "server/query/literal.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "core/egress/address_class.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/suggest.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::TimeUtil;

absl::Status Problem(const std::string& text) { return absl::InvalidArgumentError(text); }

bool IsOrder(Comparison comparison) {
  return comparison != Comparison::kEqual && comparison != Comparison::kUnequal && comparison != Comparison::kHas;
}

bool IsNumber(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: return true;
    default: return false;
  }
}

template <typename T>
bool Compare(Comparison comparison, const T& value, const T& literal) {
  switch (comparison) {
    case Comparison::kHas:
    case Comparison::kEqual: return value == literal;
    case Comparison::kUnequal: return value != literal;
    case Comparison::kLess: return value < literal;
    case Comparison::kAtMost: return value <= literal;
    case Comparison::kGreater: return value > literal;
    case Comparison::kAtLeast: break;
  }
  return value >= literal;
}

struct Network {
  IpAddress base;
  int bits = 0;
};

// "10.0.0.0/8", "fd00::/8", "10.0.0.1".
std::optional<Network> ParseNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  const absl::StatusOr<IpAddress> base = IpAddress::Parse(text.substr(0, slash));
  if (!base.ok()) return std::nullopt;
  const int most = base->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return Network{*base, most};
  int bits = -1;
  const std::string_view digits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc() || end != digits.data() + digits.size() || bits < 0 || bits > most) return std::nullopt;
  return Network{*base, bits};
}

// The address in "10.0.0.1", "10.0.0.1:53", "[::1]:53".
std::optional<IpAddress> AddressIn(const std::string& value) {
  if (const auto address = IpAddress::Parse(value); address.ok()) return *address;
  if (const auto socket = SocketAddress::Parse(value); socket.ok()) return socket->ip;
  return std::nullopt;
}

// "ACTIVE" of STATE_ACTIVE.
std::string ShortName(const google::protobuf::EnumDescriptor& type, const std::string& full) {
  const std::string& zero = type.value(0)->name();  // PREFIX_UNSPECIFIED
  const size_t prefix = zero.rfind("UNSPECIFIED");
  return prefix != std::string::npos && prefix > 0 && full.starts_with(zero.substr(0, prefix)) ? full.substr(prefix) : full;
}

}  // namespace

std::optional<long double> ParseQuantity(std::string_view text) {
  // Not the words that mean infinity and no number.
  if (text.empty() || (!absl::ascii_isdigit(static_cast<unsigned char>(text.front())) && text.front() != '-' && text.front() != '.')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  constexpr std::pair<std::string_view, long double> kUnits[] = {
      {"", 1.0L},     {"k", 1e3L},    {"M", 1e6L},        {"G", 1e9L},           {"T", 1e12L},
      {"Ki", 1024.0L}, {"Mi", 1048576.0L}, {"Gi", 1073741824.0L}, {"Ti", 1099511627776.0L}};
  if (unit.ends_with('B')) unit.remove_suffix(1);
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    // Whole numbers keep all of their digits.
    uint64_t whole = 0;
    const auto [whole_end, whole_error] = std::from_chars(text.data(), text.data() + text.size(), whole);
    const bool is_whole = whole_error == std::errc() && whole_end == end;
    return (is_whole ? static_cast<long double>(whole) : static_cast<long double>(value)) * factor;
  }
  return std::nullopt;
}

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  // The usual walk with one point to go back to: the last star, and where its text began.
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t after_star = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after_star = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++after_star;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::optional<long double> NumberIn(const Message& owner, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *owner.GetReflection();
  const bool in_list = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return in_list ? reflection.GetRepeatedInt32(owner, &field, index) : reflection.GetInt32(owner, &field);
    case FieldDescriptor::CPPTYPE_INT64: return in_list ? reflection.GetRepeatedInt64(owner, &field, index) : reflection.GetInt64(owner, &field);
    case FieldDescriptor::CPPTYPE_UINT32: return in_list ? reflection.GetRepeatedUInt32(owner, &field, index) : reflection.GetUInt32(owner, &field);
    case FieldDescriptor::CPPTYPE_UINT64: return in_list ? reflection.GetRepeatedUInt64(owner, &field, index) : reflection.GetUInt64(owner, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE: return in_list ? reflection.GetRepeatedDouble(owner, &field, index) : reflection.GetDouble(owner, &field);
    case FieldDescriptor::CPPTYPE_FLOAT: return in_list ? reflection.GetRepeatedFloat(owner, &field, index) : reflection.GetFloat(owner, &field);
    case FieldDescriptor::CPPTYPE_ENUM: return in_list ? reflection.GetRepeatedEnumValue(owner, &field, index) : reflection.GetEnumValue(owner, &field);
    case FieldDescriptor::CPPTYPE_BOOL: return (in_list ? reflection.GetRepeatedBool(owner, &field, index) : reflection.GetBool(owner, &field)) ? 1 : 0;
    default: break;
  }
  if (in_list || (!IsDurationField(field) && !IsTimestampField(field)) || !reflection.HasField(owner, &field)) return std::nullopt;
  constexpr long double kNanosecondsPerSecond = 1e9L;
  const Message& value = reflection.GetMessage(owner, &field);
  if (IsDurationField(field)) {
    const auto& duration = static_cast<const google::protobuf::Duration&>(value);
    return duration.seconds() * kNanosecondsPerSecond + duration.nanos();
  }
  const auto& time = static_cast<const google::protobuf::Timestamp&>(value);
  return time.seconds() * kNanosecondsPerSecond + time.nanos();
}

absl::StatusOr<Literal> Literal::Make(const FieldPath& path, Comparison comparison, std::string_view text, bool quoted) {
  const FieldDescriptor& field = path.field();
  Literal literal;
  if (comparison == Comparison::kHas && text == "*" && !quoted) {
    if (path.map_key.empty()) return literal;
    literal.meaning_ = Meaning::kMapKey;
    literal.text_ = path.map_key;
    return literal;
  }
  if (field.is_map() && path.map_key.empty()) {
    if (comparison != Comparison::kHas) {
      return Problem("\"" + field.name() + "\" is a map: write " + field.name() + ".KEY, or " + field.name() + ":KEY for \"has the key\"");
    }
    literal.meaning_ = Meaning::kMapKey;
    literal.text_ = text;
    return literal;
  }
  if (field.is_repeated() && !field.is_map() && IsOrder(comparison)) {
    return Problem("\"" + field.name() + "\" is a list: only \":\", \"=\" and \"!=\" go with it");
  }
  const FieldDescriptor& value = field.is_map() ? *field.message_type()->map_value() : field;
  if (absl::Status status = literal.SetValue(value, comparison, text, quoted); !status.ok()) return status;
  return literal;
}

absl::Status Literal::SetValue(const FieldDescriptor& field, Comparison comparison, std::string_view text, bool quoted) {
  const std::string shown = QuotedValue(std::string(text));
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    SetText(comparison, text, quoted);
    return absl::OkStatus();
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) return SetEnum(field, comparison, text);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    if (IsOrder(comparison)) return Problem("\"" + field.name() + "\" is true or false: only = and != go with it");
    if (text != "true" && text != "false") return Problem(shown + " is not true or false");
    meaning_ = Meaning::kBool;
    number_ = text == "true" ? 1 : 0;
    return absl::OkStatus();
  }
  meaning_ = Meaning::kNumber;
  if (IsNumber(field)) {
    const std::optional<Number> number = ParseQuantity(text);
    if (!number) return Problem(shown + " is not a number; 1500, 1.5k, 64Ki and 10M are");
    number_ = *number;
    return absl::OkStatus();
  }
  if (IsDurationField(field)) {
    const absl::StatusOr<google::protobuf::Duration> duration = manifest::ParseDuration(text);
    if (!duration.ok()) return Problem(shown + " is not a duration; 250ms, 10s and 1m30s are");
    number_ = duration->seconds() * 1e9L + duration->nanos();
    return absl::OkStatus();
  }
  if (IsTimestampField(field)) {
    google::protobuf::Timestamp time;
    if (!TimeUtil::FromString(std::string(text), &time)) return Problem(shown + " is not a time; 2026-12-01T08:00:00Z is");
    number_ = time.seconds() * 1e9L + time.nanos();
    return absl::OkStatus();
  }
  return Problem("\"" + field.name() + "\" has fields of its own: compare one of them, or ask with " + field.name() + ":* whether it is there");
}

void Literal::SetText(Comparison comparison, std::string_view text, bool quoted) {
  meaning_ = Meaning::kText;
  text_ = text;
  const bool is_equality = comparison == Comparison::kEqual || comparison == Comparison::kUnequal;
  is_pattern_ = is_equality && !quoted && text.find('*') != std::string_view::npos;
  if (comparison != Comparison::kHas) return;
  if (const std::optional<Network> network = ParseNetwork(text)) {
    network_ = network->base;
    network_bits_ = network->bits;
  }
}

absl::Status Literal::SetEnum(const FieldDescriptor& field, Comparison comparison, std::string_view text) {
  if (IsOrder(comparison)) return Problem("\"" + field.name() + "\" is one of a few words: only = and != go with it");
  const google::protobuf::EnumDescriptor& type = *field.enum_type();
  const std::string wanted = absl::AsciiStrToUpper(std::string(text));
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string& full = type.value(i)->name();
    names.push_back(ShortName(type, full));
    if (wanted != full && wanted != names.back()) continue;
    meaning_ = Meaning::kEnum;
    number_ = type.value(i)->number();
    return absl::OkStatus();
  }
  std::string list;
  for (size_t i = 1; i < names.size() && i < 12; ++i) list += (list.empty() ? "" : ", ") + names[i];
  return Problem(QuotedValue(std::string(text)) + " is no " + field.name() + manifest::DidYouMean(wanted, names) + "; there are " + list);
}

bool Literal::HoldsText(Comparison comparison, const std::string& value) const {
  if (comparison == Comparison::kHas) {
    if (network_) {
      const std::optional<IpAddress> address = AddressIn(value);
      if (address) return address->family() == network_->family() && egress::IsInPrefix(*address, *network_, network_bits_);
    }
    return value.find(text_) != std::string::npos;
  }
  if (is_pattern_) return MatchesPattern(text_, value) == (comparison == Comparison::kEqual);
  return Compare(comparison, value, text_);
}

bool Literal::HoldsAt(const FieldDescriptor& field, Comparison comparison, const Message& owner, int index) const {
  if (meaning_ == Meaning::kText) {
    std::string scratch;
    const Reflection& reflection = *owner.GetReflection();
    return HoldsText(comparison, index >= 0 ? reflection.GetRepeatedStringReference(owner, &field, index, &scratch)
                                            : reflection.GetStringReference(owner, &field, &scratch));
  }
  const std::optional<Number> number = NumberIn(owner, field, index);
  if (!number) return comparison == Comparison::kUnequal;
  return Compare(comparison, *number, number_);
}

bool Literal::HoldsInMap(const FieldPath& path, Comparison comparison, const Message& owner) const {
  const FieldDescriptor& field = path.field();
  const FieldDescriptor& key = *field.message_type()->map_key();
  const std::string& wanted = meaning_ == Meaning::kMapKey ? text_ : path.map_key;
  const Reflection& reflection = *owner.GetReflection();
  for (int i = 0; i < reflection.FieldSize(owner, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(owner, &field, i);
    if (key.cpp_type() != FieldDescriptor::CPPTYPE_STRING || entry.GetReflection()->GetString(entry, &key) != wanted) continue;
    return meaning_ == Meaning::kMapKey || HoldsAt(*field.message_type()->map_value(), comparison, entry, -1);
  }
  return meaning_ != Meaning::kMapKey && comparison == Comparison::kUnequal;
}

bool Literal::Holds(const FieldPath& path, Comparison comparison, const Message& message) const {
  const Message& owner = path.OwnerIn(message);
  const FieldDescriptor& field = path.field();
  const Reflection& reflection = *owner.GetReflection();
  if (meaning_ == Meaning::kPresence) {
    return field.is_repeated() ? reflection.FieldSize(owner, &field) > 0 : reflection.HasField(owner, &field);
  }
  if (field.is_map()) return HoldsInMap(path, comparison, owner);
  if (!field.is_repeated()) return HoldsAt(field, comparison, owner, -1);
  // A list: some element; != is the opposite of =.
  const bool is_negated = comparison == Comparison::kUnequal;
  const Comparison each = is_negated ? Comparison::kEqual : comparison;
  for (int i = 0; i < reflection.FieldSize(owner, &field); ++i) {
    if (HoldsAt(field, each, owner, i)) return !is_negated;
  }
  return is_negated;
}

}  // namespace culvert::server
