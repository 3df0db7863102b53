#include "server/message_walk.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/message_differencer.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/crypto/secret.h"
#include "culvert/v1/options.pb.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::MessageDifferencer;

// Durations and timestamps are values, not structures, to everything here.
bool IsStructure(const FieldDescriptor& field) {
  return !field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->file()->package() != "google.protobuf";
}

bool IsSet(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(message, &field) > 0 : reflection.HasField(message, &field);
}

bool FieldsEqual(const Message& before, const Message& after, const FieldDescriptor& field) {
  const bool is_set = IsSet(before, field);
  if (is_set != IsSet(after, field)) return false;  // presence counts: an empty seed is not an absent one
  if (!is_set) return true;
  MessageDifferencer differencer;
  return differencer.CompareWithFields(before, after, {&field}, {&field});
}

// `value` of field of `from` becomes that of `to`, or is cleared there; the messages have one type.
void CopyField(const Message& from, const FieldDescriptor& field, Message& to) {
  std::unique_ptr<Message> copy(from.New());
  copy->CopyFrom(from);
  to.GetReflection()->SwapFields(&to, copy.get(), {&field});
}

void Visit(Message& message, const std::string& prefix,
           const std::function<bool(Message&, const FieldDescriptor&, const std::string&)>& enter) {
  std::vector<const FieldDescriptor*> fields;
  const Reflection& reflection = *message.GetReflection();
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string path = JoinPath(prefix, field->name());
    if (!enter(message, *field, path) || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      Visit(*reflection.MutableMessage(&message, field), path, enter);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      Visit(*reflection.MutableRepeatedMessage(&message, field, i), path + "[" + std::to_string(i) + "]", enter);
    }
  }
}

// Where in messages the fields of some mark are, so that who looks for them visits no others. Views of all objects are made many times a
// minute, and hardly any has a secret in it.
class MarkedFields {
 public:
  explicit MarkedFields(bool (*is_marked)(const FieldDescriptor&)) : is_marked_(is_marked) {}

  // Calls `found(owner, field)` for every marked field that is set.
  void Visit(Message& message, const std::function<void(Message&, const FieldDescriptor&)>& found) {
    const Reflection& reflection = *message.GetReflection();
    const Plan& plan = PlanOf(*message.GetDescriptor());
    for (const FieldDescriptor* field : plan.marked) {
      if (IsSet(message, *field)) found(message, *field);
    }
    for (const FieldDescriptor* field : plan.ways) {
      if (!IsSet(message, *field)) continue;
      if (!field->is_repeated()) {
        Visit(*reflection.MutableMessage(&message, field), found);
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) Visit(*reflection.MutableRepeatedMessage(&message, field, i), found);
    }
  }

 private:
  struct Plan {
    std::vector<const FieldDescriptor*> marked;
    std::vector<const FieldDescriptor*> ways;  // messages in which there may be some
    [[nodiscard]] bool IsEmpty() const { return marked.empty() && ways.empty(); }
  };
  // Plans are made once and stay where they are.
  const Plan& PlanOf(const Descriptor& type) {
    const std::lock_guard lock(mutex_);
    return Make(type);
  }
  const Plan& Make(const Descriptor& type) {
    const auto [at, is_new] = plans_.try_emplace(&type);  // a type in itself finds itself empty, so nothing goes round in circles
    if (!is_new) return at->second;
    Plan plan;
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (is_marked_(field)) {
        plan.marked.push_back(&field);
      } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !Make(*field.message_type()).IsEmpty()) {
        plan.ways.push_back(&field);
      }
    }
    return plans_[&type] = std::move(plan);
  }

  bool (*const is_marked_)(const FieldDescriptor&);
  std::mutex mutex_;
  std::map<const Descriptor*, Plan> plans_;  // guarded by mutex_; nodes do not move
};

void CollectChanges(const Message& before, const Message& after, const std::string& prefix,
                    std::vector<std::string>& paths) {
  const Descriptor& type = *before.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (RulesOf(field).output_only() || FieldsEqual(before, after, field)) continue;
    const std::string path = JoinPath(prefix, field.name());
    if (!IsStructure(field)) {
      paths.push_back(path);
      continue;
    }
    const size_t found = paths.size();
    CollectChanges(before.GetReflection()->GetMessage(before, &field), after.GetReflection()->GetMessage(after, &field),
                   path, paths);
    const bool came_or_went = IsSet(before, field) != IsSet(after, field);
    if (came_or_went && paths.size() == found) paths.push_back(path);  // an empty block
  }
}

void CollectFiles(const Message* before, const Message& after, const std::string& prefix, std::vector<NamedFile>& found) {
  const Reflection& reflection = *after.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(after, &fields);
  for (const FieldDescriptor* field : fields) {
    if (before != nullptr && FieldsEqual(*before, after, *field)) continue;
    const std::string path = JoinPath(prefix, field->name());
    if (RulesOf(*field).format() == v1::FieldRules::FORMAT_FILE) {
      const int count = field->is_repeated() ? reflection.FieldSize(after, field) : 1;
      for (int i = 0; i < count; ++i) {
        found.push_back({path, field->is_repeated() ? reflection.GetRepeatedString(after, field, i) : reflection.GetString(after, field)});
      }
    } else if (IsStructure(*field)) {
      CollectFiles(before != nullptr ? &before->GetReflection()->GetMessage(*before, field) : nullptr, reflection.GetMessage(after, field),
                   path, found);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field->is_repeated()) {
      // Which element was which before is not known, so all of them count as new.
      for (int i = 0; i < reflection.FieldSize(after, field); ++i) {
        CollectFiles(nullptr, reflection.GetRepeatedMessage(after, field, i), path + "[" + std::to_string(i) + "]", found);
      }
    }
  }
}

void MergePopulated(const Message& patch, Message& target) {
  std::vector<const FieldDescriptor*> fields;
  patch.GetReflection()->ListFields(patch, &fields);
  for (const FieldDescriptor* field : fields) {
    if (IsStructure(*field)) {
      MergePopulated(patch.GetReflection()->GetMessage(patch, field),
                     *target.GetReflection()->MutableMessage(&target, field));
    } else {
      CopyField(patch, *field, target);
    }
  }
}

// Copies the field that `path` names. False: there is no such field, or it is not the caller's to set.
bool MergePath(const Message& patch, std::string_view path, Message& target) {
  const size_t dot = path.find('.');
  const std::string head(path.substr(0, dot));
  const FieldDescriptor* field = patch.GetDescriptor()->FindFieldByName(head);
  if (field == nullptr) field = patch.GetDescriptor()->FindFieldByCamelcaseName(head);
  if (field == nullptr || RulesOf(*field).output_only()) return false;
  if (dot == std::string_view::npos) {
    CopyField(patch, *field, target);
    return true;
  }
  if (!IsStructure(*field)) return false;
  return MergePath(patch.GetReflection()->GetMessage(patch, field), path.substr(dot + 1),
                   *target.GetReflection()->MutableMessage(&target, field));
}

void MergeAll(const Message& patch, Message& target) {
  const Descriptor& type = *patch.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (RulesOf(field).output_only()) continue;
    if (IsStructure(field) && IsSet(patch, field)) {
      MergeAll(patch.GetReflection()->GetMessage(patch, &field), *target.GetReflection()->MutableMessage(&target, &field));
    } else {
      CopyField(patch, field, target);
    }
  }
}

}  // namespace

const v1::FieldRules& RulesOf(const FieldDescriptor& field) { return field.options().GetExtension(v1::rules); }

std::string JoinPath(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

void RedactSecrets(Message& message) {
  static MarkedFields secrets([](const FieldDescriptor& field) { return RulesOf(field).secret(); });
  secrets.Visit(message, [](Message& owner, const FieldDescriptor& field) {
    std::string scratch;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field.is_repeated()) {
      // The reference is to the field's own storage: what it held is overwritten where it stands.
      const std::string& value = owner.GetReflection()->GetStringReference(owner, &field, &scratch);
      SecureErase({reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), value.size()});
    }
    owner.GetReflection()->ClearField(&owner, &field);
  });
}

void ClearOutputOnly(Message& message, const std::string& prefix, std::vector<v1::Warning>& warnings) {
  Visit(message, prefix, [&warnings](Message& owner, const FieldDescriptor& field, const std::string& path) {
    if (!RulesOf(field).output_only()) return true;
    owner.GetReflection()->ClearField(&owner, &field);
    v1::Warning& warning = warnings.emplace_back();
    warning.set_field(path);
    warning.set_reason("OUTPUT_ONLY");
    warning.set_message("set by the daemon; the given value is ignored");
    return false;
  });
}

void ClearLive(Message& message) {
  static MarkedFields live([](const FieldDescriptor& field) { return RulesOf(field).live() || field.message_type() == v1::Counters::descriptor(); });
  live.Visit(message, [](Message& owner, const FieldDescriptor& field) { owner.GetReflection()->ClearField(&owner, &field); });
}

void FindImmutableChanges(const Message& before, const Message& after, const std::string& prefix,
                          Violations& violations) {
  const Descriptor& type = *before.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string path = JoinPath(prefix, field.name());
    if (RulesOf(field).immutable()) {
      if (!FieldsEqual(before, after, field)) {
        violations.push_back({path, "cannot change; delete the object and create it anew", "FIELD_IMMUTABLE"});
      }
    } else if (IsStructure(field)) {
      FindImmutableChanges(before.GetReflection()->GetMessage(before, &field),
                           after.GetReflection()->GetMessage(after, &field), path, violations);
    }
  }
}

std::vector<std::string> ChangedPaths(const Message& before, const Message& after) {
  std::vector<std::string> paths;
  CollectChanges(before, after, "", paths);
  return paths;
}

std::vector<NamedFile> NewlyNamedFiles(const Message* before, const Message& after, const std::string& prefix) {
  std::vector<NamedFile> found;
  CollectFiles(before, after, prefix, found);
  return found;
}

std::string DeterministicBytes(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

void MergeUpdate(const Message& patch, const std::vector<std::string>& mask_paths, Message& target,
                 Violations& violations) {
  if (mask_paths.empty()) return MergePopulated(patch, target);
  if (mask_paths.size() == 1 && mask_paths.front() == "*") return MergeAll(patch, target);
  for (const std::string& path : mask_paths) {
    if (!MergePath(patch, path, target)) {
      violations.push_back({"update_mask", QuotedValue(path) + " is not a field that can be set"});
    }
  }
}

}  // namespace culvert::server
