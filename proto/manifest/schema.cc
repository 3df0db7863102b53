#include "proto/manifest/schema.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "culvert/v1/types.pb.h"

namespace culvert::manifest {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

const v1::FieldRules& RulesOf(const FieldDescriptor* field) { return field->options().GetExtension(v1::rules); }

const FieldDescriptor* FindField(const Descriptor* message, std::string_view key) {
  const std::string name(key);
  if (const FieldDescriptor* field = message->FindFieldByName(name)) return field;
  for (int i = 0; i < message->field_count(); ++i) {
    if (message->field(i)->json_name() == name) return message->field(i);
  }
  return nullptr;
}

std::vector<std::string> FieldNames(const Descriptor* message) {
  std::vector<std::string> names;
  for (int i = 0; i < message->field_count(); ++i) names.push_back(message->field(i)->name());
  return names;
}

namespace {

// "TRANSPORT_", from TRANSPORT_UNSPECIFIED, which every enum of ours begins with.
std::string PrefixOf(const EnumDescriptor* type) {
  static constexpr std::string_view kSuffix = "UNSPECIFIED";
  const std::string& first = type->value(0)->name();
  if (first.size() < kSuffix.size() || first.substr(first.size() - kSuffix.size()) != kSuffix) return "";
  return first.substr(0, first.size() - kSuffix.size());
}

}  // namespace

std::string ShortName(const EnumValueDescriptor* value) {
  const std::string prefix = PrefixOf(value->type());
  return absl::StartsWith(value->name(), prefix) ? value->name().substr(prefix.size()) : value->name();
}

std::vector<std::string> ShortNames(const EnumDescriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() != 0) names.push_back(ShortName(type->value(i)));
  }
  return names;
}

const EnumValueDescriptor* FindEnumValue(const EnumDescriptor* type, std::string_view text) {
  std::string wanted(text);
  if (type == v1::PacketHeader_descriptor() && wanted == absl::AsciiStrToLower(wanted)) {
    wanted = absl::AsciiStrToUpper(absl::StrReplaceAll(wanted, {{"-", "_"}}));
  }
  for (int i = 0; i < type->value_count(); ++i) {
    const EnumValueDescriptor* value = type->value(i);
    if (value->number() != 0 && (value->name() == wanted || ShortName(value) == wanted)) return value;
  }
  return nullptr;
}

bool IsDuration(const FieldDescriptor* field) {
  return field->message_type() && field->message_type()->full_name() == "google.protobuf.Duration";
}

bool IsTimestamp(const FieldDescriptor* field) {
  return field->message_type() && field->message_type()->full_name() == "google.protobuf.Timestamp";
}

bool IsBlock(const FieldDescriptor* field) {
  return field->message_type() && !field->is_map() && !IsDuration(field) && !IsTimestamp(field);
}

}  // namespace culvert::manifest
