#include "proto/manifest/emitter.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "culvert/v1/types.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/utf8.h"

namespace culvert::manifest {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

// Only letters of file names and host names, beginning with a letter or a slash, and none of the words that some YAML
// version reads as a boolean or as nothing.
bool IsPlain(std::string_view text) {
  if (text.empty() || !(absl::ascii_isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/')) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.' && c != '/')
      return false;
  }
  static constexpr std::string_view kReserved[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  std::string lower(text);
  absl::AsciiStrToLower(&lower);
  return std::find(std::begin(kReserved), std::end(kReserved), lower) == std::end(kReserved);
}

std::string Indent(int width) { return std::string(static_cast<size_t>(width), ' '); }

// Element `index` of `field`, or the field itself when index is below 0.
std::string EmitValue(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
  const bool repeated = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(repeated ? reflection->GetRepeatedInt32(message, field, index)
                                   : reflection->GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(repeated ? reflection->GetRepeatedInt64(message, field, index)
                                   : reflection->GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(repeated ? reflection->GetRepeatedUInt32(message, field, index)
                                   : reflection->GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(repeated ? reflection->GetRepeatedUInt64(message, field, index)
                                   : reflection->GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrFormat("%.6g", repeated ? reflection->GetRepeatedDouble(message, field, index)
                                              : reflection->GetDouble(message, field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return absl::StrFormat("%.6g", repeated ? reflection->GetRepeatedFloat(message, field, index)
                                              : reflection->GetFloat(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (repeated ? reflection->GetRepeatedBool(message, field, index) : reflection->GetBool(message, field))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number =
          repeated ? reflection->GetRepeatedEnumValue(message, field, index) : reflection->GetEnumValue(message, field);
      // A newer daemon may know values that we do not.
      const auto* value = field->enum_type()->FindValueByNumber(number);
      return value ? EmitText(ShortName(value)) : absl::StrCat(number);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return EmitText(repeated ? reflection->GetRepeatedString(message, field, index)
                               : reflection->GetString(message, field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const Message& child =
      repeated ? reflection->GetRepeatedMessage(message, field, index) : reflection->GetMessage(message, field);
  if (IsDuration(field)) return FormatDuration(static_cast<const google::protobuf::Duration&>(child));
  return EmitText(google::protobuf::util::TimeUtil::ToString(static_cast<const google::protobuf::Timestamp&>(child)));
}

void EmitMap(const Message& message, const FieldDescriptor* field, int indent, std::string& out) {
  const Reflection* reflection = message.GetReflection();
  std::map<std::string, std::string> sorted;
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& pair = reflection->GetRepeatedMessage(message, field, i);
    sorted[EmitValue(pair, field->message_type()->map_key(), -1)] =
        EmitValue(pair, field->message_type()->map_value(), -1);
  }
  absl::StrAppend(&out, Indent(indent), field->name(), ":\n");
  for (const auto& [key, value] : sorted) absl::StrAppend(&out, Indent(indent + 2), key, ": ", value, "\n");
}

void EmitList(const Message& message, const FieldDescriptor* field, int indent, const EmitOptions& options,
              std::string& out) {
  const Reflection* reflection = message.GetReflection();
  absl::StrAppend(&out, Indent(indent), field->name(), ":\n");
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    if (!IsBlock(field)) {
      absl::StrAppend(&out, Indent(indent + 2), "- ", EmitValue(message, field, i), "\n");
      continue;
    }
    std::string block = EmitFields(reflection->GetRepeatedMessage(message, field, i), indent + 4, options);
    if (block.empty()) {
      absl::StrAppend(&out, Indent(indent + 2), "- {}\n");
    } else {
      block[static_cast<size_t>(indent) + 2] = '-';  // into the indentation of its first line
      out += block;
    }
  }
}

}  // namespace

std::string EmitText(std::string_view text) {
  if (IsPlain(text)) return std::string(text);
  std::string out = "\"";
  while (!text.empty()) {
    CodePoint point = DecodeUtf8(text);
    if (point.length == 0)
      point = {0xfffd, 1};  // no string of a parsed message is malformed; print something all the same
    const std::string_view raw = text.substr(0, point.length);
    text.remove_prefix(point.length);
    if (point.value == '"' || point.value == '\\') {
      absl::StrAppend(&out, "\\", std::string(raw));
    } else if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (IsUnsafeToPrint(point.value) || point.value == 0xfffd) {
      const auto number = static_cast<uint32_t>(point.value);
      out += number > 0xffff ? absl::StrFormat("\\U%08x", number)
             : number > 0xff ? absl::StrFormat("\\u%04x", number)
                             : absl::StrFormat("\\x%02x", number);
    } else {
      out.append(raw);
    }
  }
  return out + "\"";
}

std::string EmitFields(const Message& message, int indent, const EmitOptions& options) {
  const Reflection* reflection = message.GetReflection();
  const google::protobuf::Descriptor* type = message.GetDescriptor();
  std::string out;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const v1::FieldRules& rules = RulesOf(field);
    const bool is_etag = type == v1::Metadata::descriptor() && field->name() == "etag";
    if (rules.secret() || (!options.with_output_only && (rules.output_only() || is_etag))) continue;
    const bool is_set =
        field->is_repeated() ? reflection->FieldSize(message, field) > 0 : reflection->HasField(message, field);
    if (!is_set) continue;
    if (field->is_map()) {
      EmitMap(message, field, indent, out);
    } else if (field->is_repeated()) {
      EmitList(message, field, indent, options, out);
    } else if (IsBlock(field)) {
      const std::string block = EmitFields(reflection->GetMessage(message, field), indent + 2, options);
      absl::StrAppend(&out, Indent(indent), field->name(), block.empty() ? ": {}\n" : ":\n", block);
    } else {
      absl::StrAppend(&out, Indent(indent), field->name(), ": ", EmitValue(message, field, -1), "\n");
    }
  }
  return out;
}

std::string ToYaml(const v1::Object& object, bool with_status) {
  const Reflection* reflection = object.GetReflection();
  const FieldDescriptor* kind = reflection->GetOneofFieldDescriptor(object, object.GetDescriptor()->oneof_decl(0));
  if (kind == nullptr) return "";
  return absl::StrCat("apiVersion: culvert/v1\nkind: ", kind->message_type()->name(), "\n",
                      EmitFields(reflection->GetMessage(object, kind), 0, {with_status}));
}

std::string ToYaml(const std::vector<v1::Object>& objects, bool with_status) {
  std::string out;
  for (const v1::Object& object : objects) {
    if (!out.empty()) out += "---\n";
    out += ToYaml(object, with_status);
  }
  return out;
}

}  // namespace culvert::manifest
