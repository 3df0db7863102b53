#include "cli/objects/field_path.h"

#include <charconv>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/faults.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/scalar.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using manifest::Quotable;

constexpr size_t kMaxPathBytes = 512;

absl::Status Wrong(std::string_view path, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(path), ": ", std::string(what)));
}

std::string StepText(const FieldPath::Step& step) {
  std::string text = step.field->name();
  if (step.index) absl::StrAppend(&text, "[", *step.index, "]");
  if (step.key) absl::StrAppend(&text, ".", Quotable(*step.key));
  return text;
}

// Takes "[...]" off the front of `rest`, whose brackets may hold quotes.
absl::StatusOr<std::string> TakeBrackets(std::string_view& rest, const std::string& done) {
  const size_t end = rest.find(']');
  if (end == std::string_view::npos) return Wrong(done, "\"[\" without \"]\"");
  std::string_view inside = rest.substr(1, end - 1);
  rest.remove_prefix(end + 1);
  if (inside.size() >= 2 && (inside.front() == '"' || inside.front() == '\'') && inside.back() == inside.front()) {
    inside = inside.substr(1, inside.size() - 2);
  }
  return std::string(inside);
}

absl::Status ReadIndex(const std::string& text, FieldPath::Step& step, const std::string& done) {
  constexpr int kMaxIndex = 1'000'000;
  int index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || index < 0 || index > kMaxIndex) {
    return Wrong(done, absl::StrFormat("[%s] is no place in a list: [0] is the first", Quotable(text)));
  }
  step.index = index;
  return absl::OkStatus();
}

// Of a map, whose entries are messages of a key and a value. nullptr: there is none. Keys are texts.
const Message* FindEntry(const Message& message, const FieldDescriptor& field, const std::string& key) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* key_field = field.message_type()->map_key();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    if (entry.GetReflection()->GetString(entry, key_field) == key) return &entry;
  }
  return nullptr;
}

// Entries of a map in the order of their keys.
std::map<std::string, const Message*> SortedEntries(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  std::map<std::string, const Message*> entries;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    entries[entry.GetReflection()->GetString(entry, field.message_type()->map_key())] = &entry;
  }
  return entries;
}

void RemoveAt(Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  for (int i = index; i + 1 < reflection.FieldSize(message, &field); ++i) reflection.SwapElements(&message, &field, i, i + 1);
  reflection.RemoveLast(&message, &field);
}

int IndexOfEntry(const Message& message, const FieldDescriptor& field, const std::string& key) {
  const Message* entry = FindEntry(message, field, key);
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    if (&message.GetReflection()->GetRepeatedMessage(message, &field, i) == entry) return i;
  }
  return -1;
}

std::string BlockText(const Message& message);

// One value: the field itself when `index` is below 0.
std::string OneText(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool in_list = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(in_list ? reflection.GetRepeatedInt32(message, &field, index) : reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(in_list ? reflection.GetRepeatedInt64(message, &field, index) : reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(in_list ? reflection.GetRepeatedUInt32(message, &field, index) : reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(in_list ? reflection.GetRepeatedUInt64(message, &field, index) : reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(in_list ? reflection.GetRepeatedDouble(message, &field, index) : reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return absl::StrCat(in_list ? reflection.GetRepeatedFloat(message, &field, index) : reflection.GetFloat(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (in_list ? reflection.GetRepeatedBool(message, &field, index) : reflection.GetBool(message, &field)) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = in_list ? reflection.GetRepeatedEnumValue(message, &field, index) : reflection.GetEnumValue(message, &field);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      return value ? manifest::ShortName(value) : absl::StrCat(number);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return in_list ? reflection.GetRepeatedString(message, &field, index) : reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const Message& value = in_list ? reflection.GetRepeatedMessage(message, &field, index) : reflection.GetMessage(message, &field);
  if (manifest::IsDuration(&field)) {
    google::protobuf::Duration duration;
    duration.CopyFrom(value);
    return manifest::FormatDuration(duration);
  }
  if (manifest::IsTimestamp(&field)) {
    google::protobuf::Timestamp time;
    time.CopyFrom(value);
    return google::protobuf::util::TimeUtil::ToString(time);
  }
  return BlockText(value);
}

std::string BlockText(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::vector<std::string> parts;
  for (const FieldDescriptor* field : fields) {
    if (manifest::RulesOf(field).secret()) continue;
    parts.push_back(field->name() + ": " + ValueText(message, *field).value_or(""));
  }
  return "{" + absl::StrJoin(parts, ", ") + "}";
}

// The message that holds the last step's field; absent messages on the way are made. nullptr with a fault in `status`.
Message* OwnerFor(Message& message, const FieldPath& path, absl::Status& status) {
  Message* at = &message;
  for (size_t i = 0; i + 1 < path.steps.size(); ++i) {
    const FieldPath::Step& step = path.steps[i];
    const Reflection& reflection = *at->GetReflection();
    if (!step.index) {
      at = reflection.MutableMessage(at, step.field);
    } else if (*step.index < reflection.FieldSize(*at, step.field)) {
      at = reflection.MutableRepeatedMessage(at, step.field, *step.index);
    } else {
      status = Wrong(path.ToString(), absl::StrFormat("%s has %d entries", step.field->name(), reflection.FieldSize(*at, step.field)));
      return nullptr;
    }
  }
  return at;
}

absl::Status WriteEntry(Message& owner, const FieldDescriptor& field, const std::string& key, std::string_view text) {
  const Descriptor& type = *field.message_type();
  const Reflection& reflection = *owner.GetReflection();
  const int at = IndexOfEntry(owner, field, key);
  Message* entry = at >= 0 ? reflection.MutableRepeatedMessage(&owner, &field, at) : reflection.AddMessage(&owner, &field);
  entry->GetReflection()->SetString(entry, type.map_key(), key);
  return manifest::SetScalar(*entry, type.map_value(), {text}, "");
}

absl::Status WriteElement(Message& owner, const FieldDescriptor& field, int index, std::string_view text, std::string_view base_dir) {
  const Reflection& reflection = *owner.GetReflection();
  const int size = reflection.FieldSize(owner, &field);
  if (index > size) return absl::InvalidArgumentError(absl::StrFormat("has %d entries, the next one is [%d]", size, size));
  CULVERT_RETURN_IF_ERROR(manifest::SetScalar(owner, &field, {text}, base_dir));  // adds it at the end
  if (index == size) return absl::OkStatus();
  reflection.SwapElements(&owner, &field, index, size);
  reflection.RemoveLast(&owner, &field);
  return absl::OkStatus();
}

absl::Status WriteInto(Message& owner, const FieldPath::Step& step, std::string_view text, std::string_view base_dir) {
  const FieldDescriptor& field = *step.field;
  const Reflection& reflection = *owner.GetReflection();
  if (field.is_map()) {
    if (!step.key) return absl::InvalidArgumentError("has keys of its own, name one of them");
    return WriteEntry(owner, field, *step.key, text);
  }
  if (manifest::IsBlock(&field)) {
    if (field.is_repeated() || text != "{}") return absl::InvalidArgumentError("has fields of its own, name one of them");
    reflection.MutableMessage(&owner, &field)->Clear();
    return absl::OkStatus();
  }
  if (step.index) return WriteElement(owner, field, *step.index, text, base_dir);
  if (!field.is_repeated()) return manifest::SetScalar(owner, &field, {text}, base_dir);
  reflection.ClearField(&owner, &field);
  const std::vector<std::string> parts = absl::StrSplit(std::string(text), ',', absl::SkipEmpty());
  for (const std::string& part : parts) CULVERT_RETURN_IF_ERROR(manifest::SetScalar(owner, &field, {part}, base_dir));
  return absl::OkStatus();
}

}  // namespace

std::string FieldPath::ToString() const {
  return absl::StrJoin(steps, ".", [](std::string* out, const Step& step) { out->append(StepText(step)); });
}

std::string FieldPath::Mask() const {
  std::string mask;
  for (const Step& step : steps) {
    absl::StrAppend(&mask, mask.empty() ? "" : ".", step.field->name());
    if (step.field->is_repeated()) break;
  }
  return mask;
}

absl::StatusOr<FieldPath> ParseFieldPath(const Descriptor& type, std::string_view text) {
  FieldPath path;
  if (text.empty()) return absl::InvalidArgumentError("a field is wanted");
  if (text.size() > kMaxPathBytes) return Wrong(Quotable(text), absl::StrFormat("a path has at most %d bytes", kMaxPathBytes));
  const Descriptor* at = &type;
  std::string_view rest = text;
  while (true) {
    const size_t end = rest.find_first_of(".[");
    const std::string name(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    std::string done = path.steps.empty() ? "" : path.ToString() + ".";
    const FieldDescriptor* field = manifest::FindField(at, name);
    if (field == nullptr) {
      return Wrong(done + Quotable(name), "unknown field" + manifest::DidYouMean(name, manifest::FieldNames(at)));
    }
    done += field->name();
    FieldPath::Step step{field, {}, {}};
    if (field->is_map() && !rest.empty()) {
      if (rest[0] == '.') {
        step.key = std::string(rest.substr(1));
        rest = {};
      } else {
        CULVERT_ASSIGN_OR_RETURN(step.key, TakeBrackets(rest, done));
      }
      if (step.key->empty()) return Wrong(done, "a key is wanted behind it");
    } else if (!rest.empty() && rest[0] == '[') {
      CULVERT_ASSIGN_OR_RETURN(const std::string index, TakeBrackets(rest, done));
      if (!field->is_repeated()) return Wrong(done, "is no list");
      CULVERT_RETURN_IF_ERROR(ReadIndex(index, step, done));
    }
    path.steps.push_back(std::move(step));
    if (rest.empty()) return path;
    if (rest[0] != '.') return Wrong(path.ToString(), absl::StrFormat("\"%s\" behind it is no field", Quotable(rest)));
    rest.remove_prefix(1);
    if (!manifest::IsBlock(field)) return Wrong(path.ToString(), "has no fields of its own");
    if (field->is_repeated() && !path.steps.back().index) return Wrong(path.ToString(), "is a list, name a place in it: [0]");
    at = field->message_type();
  }
}

absl::Status WriteField(Message& message, const FieldPath& path, std::string_view text, std::string_view base_dir) {
  absl::Status status;
  Message* owner = OwnerFor(message, path, status);
  if (owner == nullptr) return status;
  status = WriteInto(*owner, path.steps.back(), text, base_dir);
  return status.ok() ? status : Wrong(path.ToString(), std::string(status.message()));
}

absl::Status EraseField(Message& message, const FieldPath& path) {
  Message* at = &message;
  for (size_t i = 0; i + 1 < path.steps.size(); ++i) {
    const FieldPath::Step& step = path.steps[i];
    const Reflection& reflection = *at->GetReflection();
    if (!step.index) {
      if (!reflection.HasField(*at, step.field)) return absl::OkStatus();  // nothing below it either
      at = reflection.MutableMessage(at, step.field);
    } else if (*step.index < reflection.FieldSize(*at, step.field)) {
      at = reflection.MutableRepeatedMessage(at, step.field, *step.index);
    } else {
      return Wrong(path.ToString(), "there is no such entry");
    }
  }
  const FieldPath::Step& last = path.steps.back();
  const Reflection& reflection = *at->GetReflection();
  if (last.key || last.index) {
    const int index = last.key ? IndexOfEntry(*at, *last.field, *last.key) : *last.index;
    if (index < 0) return absl::OkStatus();  // a label that is not there is gone already
    if (index >= reflection.FieldSize(*at, last.field)) return Wrong(path.ToString(), "there is no such entry");
    RemoveAt(*at, *last.field, index);
  } else {
    reflection.ClearField(at, last.field);
  }
  return absl::OkStatus();
}

std::optional<std::string> ReadField(const Message& message, const FieldPath& path) {
  const Message* at = &message;
  for (size_t i = 0; i + 1 < path.steps.size(); ++i) {
    const FieldPath::Step& step = path.steps[i];
    const Reflection& reflection = *at->GetReflection();
    if (!step.index) {
      if (!reflection.HasField(*at, step.field)) return std::nullopt;
      at = &reflection.GetMessage(*at, step.field);
    } else {
      if (*step.index >= reflection.FieldSize(*at, step.field)) return std::nullopt;
      at = &reflection.GetRepeatedMessage(*at, step.field, *step.index);
    }
  }
  const FieldPath::Step& last = path.steps.back();
  if (last.key) {
    const Message* entry = FindEntry(*at, *last.field, *last.key);
    return entry ? ValueText(*entry, *last.field->message_type()->map_value()) : std::nullopt;
  }
  if (!last.index) return ValueText(*at, *last.field);
  if (*last.index >= at->GetReflection()->FieldSize(*at, last.field)) return std::nullopt;
  return OneText(*at, *last.field, *last.index);
}

std::optional<std::string> ValueText(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_map()) {
    std::vector<std::string> parts;
    for (const auto& [key, entry] : SortedEntries(message, field)) {
      parts.push_back(key + ": " + OneText(*entry, *field.message_type()->map_value(), -1));
    }
    return parts.empty() ? std::nullopt : std::optional("{" + absl::StrJoin(parts, ", ") + "}");
  }
  if (field.is_repeated()) {
    std::vector<std::string> parts;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) parts.push_back(OneText(message, field, i));
    return parts.empty() ? std::nullopt : std::optional("[" + absl::StrJoin(parts, ", ") + "]");
  }
  if (field.has_presence() && !reflection.HasField(message, &field)) return std::nullopt;
  return OneText(message, field, -1);
}

}  // namespace culvert::cli
