#include "cli/objects/object_changes.h"

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "cli/objects/field_path.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsSet(const Message& message, const FieldDescriptor* field) {
  return field->is_repeated() ? message.GetReflection()->FieldSize(message, field) > 0 : message.GetReflection()->HasField(message, field);
}

void CopyField(const Message& from, const FieldDescriptor* field, Message& to) {
  const std::unique_ptr<Message> copy(from.New());
  copy->CopyFrom(from);
  to.GetReflection()->SwapFields(&to, copy.get(), {field});
}

// Equal in this one field, maps in any order.
bool IsSame(const Message& before, const Message& after, const FieldDescriptor* field) {
  if (IsSet(before, field) != IsSet(after, field)) return false;
  const std::unique_ptr<Message> a(before.New()), b(before.New());
  CopyField(before, field, *a);
  CopyField(after, field, *b);
  return google::protobuf::util::MessageDifferencer::Equals(*a, *b);
}

void Collect(const Message& before, const Message& after, const std::string& prefix, std::vector<std::string>& paths) {
  const google::protobuf::Descriptor* type = before.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const bool is_etag = type == v1::Metadata::descriptor() && field->name() == "etag";
    if (manifest::RulesOf(field).output_only() || is_etag || IsSame(before, after, field)) continue;
    const std::string path = prefix + field->name();
    const size_t found = paths.size();
    // A block that went goes as a whole: clearing its fields one by one would leave an empty one.
    if (manifest::IsBlock(field) && !field->is_repeated() && IsSet(after, field)) {
      Collect(before.GetReflection()->GetMessage(before, field), after.GetReflection()->GetMessage(after, field), path + ".", paths);
    }
    if (paths.size() == found) paths.push_back(path);
  }
}

template <typename Object>
auto& BodyIn(Object& object) {
  const FieldDescriptor* kind = object.GetReflection()->GetOneofFieldDescriptor(object, object.GetDescriptor()->oneof_decl(0));
  if constexpr (std::is_const_v<Object>) {
    return object.GetReflection()->GetMessage(object, kind);
  } else {
    return *object.GetReflection()->MutableMessage(&object, kind);
  }
}

}  // namespace

std::vector<std::string> ChangedPaths(const Message& before, const Message& after) {
  std::vector<std::string> paths;
  Collect(before, after, "", paths);
  return paths;
}

void CopyPaths(const Message& from, const std::vector<std::string>& paths, Message& to) {
  for (const std::string& path : paths) {
    const std::vector<std::string> names = absl::StrSplit(path, '.');
    const Message* source = &from;
    Message* target = &to;
    for (size_t i = 0; i < names.size(); ++i) {
      const FieldDescriptor* field = source->GetDescriptor()->FindFieldByName(names[i]);
      if (field == nullptr) break;
      if (i + 1 == names.size()) {
        CopyField(*source, field, *target);
      } else {
        source = &source->GetReflection()->GetMessage(*source, field);
        target = target->GetReflection()->MutableMessage(target, field);
      }
    }
  }
}

std::string ShownAt(const Message& message, const std::string& path) {
  const auto parsed = ParseFieldPath(*message.GetDescriptor(), path);
  if (!parsed.ok()) return "<unknown>";  // of a daemon that knows more fields than we do
  if (manifest::RulesOf(&parsed->field()).secret()) return "<secret>";
  const Message* owner = &message;
  for (size_t i = 0; i + 1 < parsed->steps.size(); ++i) {
    if (parsed->steps[i].field->is_repeated()) return ReadField(message, *parsed).value_or("<unset>");
    owner = &owner->GetReflection()->GetMessage(*owner, parsed->steps[i].field);
  }
  // A number that is 0 and a text that is empty stand for the default.
  if (!IsSet(*owner, &parsed->field())) return "<unset>";
  return ReadField(message, *parsed).value_or("<unset>");
}

std::string BriefPath(const std::string& path) {
  for (const char* head : {"spec.", "metadata."}) {
    if (absl::StartsWith(path, head)) return path.substr(std::string_view(head).size());
  }
  return path;
}

const Message& BodyOf(const v1::Object& object) { return BodyIn(object); }
Message& MutableBodyOf(v1::Object& object) { return BodyIn(object); }

v1::Metadata& MutableMetadataOf(v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kDialer:
      return *object.mutable_dialer()->mutable_metadata();
    case v1::Object::kForward:
      return *object.mutable_forward()->mutable_metadata();
    default:
      return *object.mutable_listener()->mutable_metadata();
  }
}

}  // namespace culvert::cli
