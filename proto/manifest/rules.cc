#include "proto/manifest/rules.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/address.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/faults.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/schema.h"
#include "re2/re2.h"

namespace culvert::manifest {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A number or a duration in milliseconds, as the rules count; nullopt for other types.
std::optional<double> Measure(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<double>(reflection->GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<double>(reflection->GetUInt64(message, field));
    default:
      break;
  }
  if (!IsDuration(field)) return std::nullopt;
  const auto& duration = static_cast<const google::protobuf::Duration&>(reflection->GetMessage(message, field));
  return static_cast<double>(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration)) / 1e6;
}

std::string Bound(int64_t bound, const FieldDescriptor* field) {
  if (!IsDuration(field)) return absl::StrCat(bound);
  return FormatDuration(google::protobuf::util::TimeUtil::MillisecondsToDuration(bound));
}

std::string Shown(const Message& message, const FieldDescriptor* field, double value) {
  if (!IsDuration(field)) return absl::StrFormat("%.0f", value);
  return FormatDuration(
      static_cast<const google::protobuf::Duration&>(message.GetReflection()->GetMessage(message, field)));
}

class Checker {
 public:
  std::vector<Violation> found;

  void CheckMessage(const Message& message, const std::string& prefix) {
    const google::protobuf::Descriptor* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      if (!RulesOf(field).output_only()) CheckField(message, field, prefix + field->name());
    }
  }

 private:
  void Add(const std::string& path, std::string message) { found.push_back({path, std::move(message)}); }

  void CheckField(const Message& message, const FieldDescriptor* field, const std::string& path) {
    const Reflection* reflection = message.GetReflection();
    const v1::FieldRules& rules = RulesOf(field);
    const int size = field->is_repeated() ? reflection->FieldSize(message, field) : 0;
    const bool is_set = field->is_repeated() ? size > 0 : reflection->HasField(message, field);
    if (rules.required() && !is_set) return Add(path, "required");
    if (!is_set) return;  // the daemon takes its default
    if (field->is_map()) return;
    if (field->is_repeated()) {
      for (int i = 0; i < size; ++i) {
        const std::string element = absl::StrCat(path, "[", i, "]");
        if (IsBlock(field)) {
          CheckMessage(reflection->GetRepeatedMessage(message, field, i), element + ".");
        } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
          CheckText(rules, reflection->GetRepeatedString(message, field, i), element);
        }
      }
      return;
    }
    if (IsBlock(field)) return CheckMessage(reflection->GetMessage(message, field), path + ".");
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      return CheckText(rules, reflection->GetString(message, field), path);
    }
    CheckRange(rules, message, field, path);
  }

  void CheckRange(const v1::FieldRules& rules, const Message& message, const FieldDescriptor* field,
                  const std::string& path) {
    const std::optional<double> value = Measure(message, field);
    // min 0 with max 0 reads as "no bound".
    const bool bounded = rules.min() != 0 || rules.max() != 0;
    if (!value || !bounded) return;
    if (*value < static_cast<double>(rules.min()) || *value > static_cast<double>(rules.max())) {
      Add(path, absl::StrFormat("%s is not in [%s, %s]", Shown(message, field, *value), Bound(rules.min(), field),
                                Bound(rules.max(), field)));
    }
  }

  void CheckText(const v1::FieldRules& rules, const std::string& value, const std::string& path) {
    const std::string shown = rules.secret() ? "the value" : absl::StrFormat("\"%s\"", Quotable(value));
    if (!rules.pattern().empty() && !RE2::FullMatch(value, rules.pattern())) {
      return Add(path, absl::StrFormat("%s does not match %s", shown, rules.pattern()));
    }
    switch (rules.format()) {
      case v1::FieldRules::FORMAT_BIND:
        if (!SocketAddress::Parse(value).ok())
          Add(path, shown + " is not ADDRESS:PORT, e.g. 127.0.0.1:5432 or [::]:4000");
        break;
      case v1::FieldRules::FORMAT_HOST_PORT:
        if (!HostPort::Parse(value).ok()) Add(path, shown + " is not HOST:PORT, e.g. site-b.example:4000");
        break;
      case v1::FieldRules::FORMAT_ADDRESS:
        if (!IpAddress::Parse(value).ok()) Add(path, shown + " is not an IP address");
        break;
      default:
        break;
    }
  }
};

}  // namespace

std::vector<Violation> CheckRules(const Message& message) {
  Checker checker;
  checker.CheckMessage(message, "");
  return std::move(checker.found);
}

}  // namespace culvert::manifest
