#include "cli/json.h"

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/base/check.h"
#include "google/protobuf/util/json_util.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

std::string Convert(const google::protobuf::Message& message, bool over_lines) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = over_lines;
  std::string json;
  // Only an Any of an unknown type cannot be converted, and no message of the API holds one.
  CULVERT_CHECK(google::protobuf::util::MessageToJsonString(message, &json, options).ok());
  return json;
}

// Puts apiVersion and kind behind the opening brace.
std::string WithKind(std::string json, std::string_view kind) {
  const bool is_empty = json.find('"') == std::string::npos;
  const std::string head =
      absl::StrFormat("{\n \"apiVersion\": \"culvert/v1\",\n \"kind\": \"%s\"%s", kind, is_empty ? "\n}\n" : ",");
  return is_empty ? head : head + json.substr(1);
}

}  // namespace

std::string ToJsonLine(const google::protobuf::Message& message) { return Convert(message, false); }
std::string ToJson(const google::protobuf::Message& message) { return Convert(message, true); }

std::string ObjectToJson(const v1::Object& object) {
  const google::protobuf::Message* message = &object.forward();
  if (object.has_listener()) message = &object.listener();
  if (object.has_dialer()) message = &object.dialer();
  return WithKind(ToJson(*message), manifest::KindOf(object));
}

std::string ObservedToJson(const google::protobuf::Message& message) {
  return WithKind(ToJson(message), message.GetDescriptor()->name());
}

std::string ListToJson(const std::vector<std::string>& items) {
  std::string out = "{\n \"apiVersion\": \"culvert/v1\",\n \"kind\": \"List\",\n \"items\": [";
  for (size_t i = 0; i < items.size(); ++i) {
    // Newlines inside texts are escaped in JSON: every one here ends a line.
    std::string item = items[i];
    while (!item.empty() && item.back() == '\n') item.pop_back();
    out += (i == 0 ? "\n  " : ",\n  ") + absl::StrReplaceAll(item, {{"\n", "\n  "}});
  }
  return out + (items.empty() ? "]\n}\n" : "\n ]\n}\n");
}

}  // namespace culvert::cli
