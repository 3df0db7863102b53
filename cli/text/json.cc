#include "cli/text/json.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/base/check.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/utf8.h"

namespace culvert::cli {
namespace {

// protobuf escapes most of what moves a cursor or turns a line round, but not all that IsUnsafeToPrint knows. Outside of texts a
// document is ASCII, and a text may be escaped anywhere.
std::string Escaped(std::string json) {
  std::string out;
  size_t kept = 0;
  for (size_t at = 0; at < json.size();) {
    if (static_cast<signed char>(json[at]) >= 0 && json[at] != 0x7f) {
      ++at;
      continue;
    }
    const manifest::CodePoint point = manifest::DecodeUtf8(std::string_view(json).substr(at));
    const size_t length = std::max<size_t>(1, point.length);
    if (point.length == 0 || manifest::IsUnsafeToPrint(point.value)) {
      out.append(json, kept, at - kept);
      // A byte that is no UTF-8 cannot be said in JSON.
      const uint32_t value = point.length == 0 ? 0xfffd : static_cast<uint32_t>(point.value);
      if (value > 0xffff) {
        absl::StrAppendFormat(&out, "\\u%04x\\u%04x", 0xd800 + ((value - 0x10000) >> 10), 0xdc00 + ((value - 0x10000) & 0x3ff));
      } else {
        absl::StrAppendFormat(&out, "\\u%04x", value);
      }
      kept = at + length;
    }
    at += length;
  }
  if (kept == 0) return json;
  out.append(json, kept);
  return out;
}

// The nearest time or span that can be written, of all in the message.
void TameTimes(google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  constexpr int64_t kFirstSecond = -62'135'596'800, kLastSecond = 253'402'300'799;  // of the years 1 to 9999
  constexpr int64_t kLongestSeconds = 315'576'000'000;                              // 10,000 years
  constexpr int32_t kMostNanos = 999'999'999;
  if (message.GetDescriptor() == google::protobuf::Timestamp::descriptor()) {
    auto& time = static_cast<google::protobuf::Timestamp&>(message);
    time.set_seconds(std::clamp(time.seconds(), kFirstSecond, kLastSecond));
    time.set_nanos(std::clamp(time.nanos(), 0, kMostNanos));
    return;
  }
  if (message.GetDescriptor() == google::protobuf::Duration::descriptor()) {
    auto& span = static_cast<google::protobuf::Duration&>(message);
    span.set_seconds(std::clamp(span.seconds(), -kLongestSeconds, kLongestSeconds));
    const bool is_negative = span.seconds() < 0;
    span.set_nanos(std::clamp(span.nanos(), is_negative ? -kMostNanos : 0, is_negative ? 0 : kMostNanos));
    return;
  }
  const google::protobuf::Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      TameTimes(*reflection->MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) TameTimes(*reflection->MutableRepeatedMessage(&message, field, i));
  }
}

std::string Convert(const google::protobuf::Message& message, bool over_lines) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = over_lines;
  std::string json;
  if (google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return Escaped(std::move(json));
  // Times that no clock has and spans that no calendar has cannot be written. A daemon does not send them; who means harm does.
  const std::unique_ptr<google::protobuf::Message> tamed(message.New());
  tamed->CopyFrom(message);
  TameTimes(*tamed);
  json.clear();
  // What is left is an Any of an unknown type, and no message of the API holds one.
  CULVERT_CHECK(google::protobuf::util::MessageToJsonString(*tamed, &json, options).ok());
  return Escaped(std::move(json));
}

// Puts apiVersion and kind behind the opening brace.
std::string WithKind(std::string json, std::string_view kind, bool over_lines) {
  const bool is_empty = json.find('"') == std::string::npos;
  const std::string head = absl::StrFormat(over_lines ? "{\n \"apiVersion\": \"culvert/v1\",\n \"kind\": \"%s\"%s"
                                                      : "{\"apiVersion\":\"culvert/v1\",\"kind\":\"%s\"%s",
                                           kind, !is_empty ? "," : over_lines ? "\n}\n" : "}");
  return is_empty ? head : head + json.substr(1);
}

const google::protobuf::Message& MessageIn(const v1::Object& object) {
  if (object.has_listener()) return object.listener();
  if (object.has_dialer()) return object.dialer();
  return object.forward();
}

}  // namespace

std::string ToJsonLine(const google::protobuf::Message& message) { return Convert(message, false); }
std::string ToJson(const google::protobuf::Message& message) { return Convert(message, true); }

std::string ObjectToJson(const v1::Object& object) {
  return WithKind(ToJson(MessageIn(object)), manifest::KindOf(object), true);
}
std::string ObservedToJson(const google::protobuf::Message& message) {
  return WithKind(ToJson(message), message.GetDescriptor()->name(), true);
}
std::string ObjectToJsonLine(const v1::Object& object) {
  return WithKind(ToJsonLine(MessageIn(object)), manifest::KindOf(object), false);
}
std::string ObservedToJsonLine(const google::protobuf::Message& message) {
  return WithKind(ToJsonLine(message), message.GetDescriptor()->name(), false);
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
