#include "proto/api_rules/api_rules.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace culvert::api_rules {
namespace {

namespace pb = google::protobuf;

// A field of such a name, or whose name ends with it behind an underscore, holds a secret, as long as nobody says it does not.
constexpr std::array<std::string_view, 5> kSecretNames = {"seed", "key", "password", "secret", "token"};
// What is for everybody in spite of its name: the name of a field wherever it stands, or the full name of one.
constexpr std::array<std::string_view, 2> kPublic = {"page_token", "next_page_token"};

bool SoundsSecret(std::string_view name) {
  return std::ranges::any_of(kSecretNames, [name](std::string_view word) { return name == word || name.ends_with("_" + std::string(word)); });
}

bool IsPublic(const pb::FieldDescriptor& field) {
  return std::ranges::any_of(kPublic, [&field](std::string_view one) { return one == field.name() || one == field.full_name(); });
}

class FaultCollector final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*, ErrorLocation, const std::string& message) override {
    text_ += (text_.empty() ? "" : "\n") + file + ": " + element + ": " + message;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// An option of ours on whatever carries options. The set's own descriptors say how it is read.
class OptionReader {
 public:
  // `carrier`: "google.protobuf.MethodOptions". Null members when the set does not have them.
  OptionReader(const pb::DescriptorPool& pool, pb::DynamicMessageFactory& factory, const std::string& carrier, const std::string& option)
      : factory_(factory), carrier_(pool.FindMessageTypeByName(carrier)), option_(pool.FindExtensionByName(option)) {}

  [[nodiscard]] bool is_known() const { return carrier_ != nullptr && option_ != nullptr && option_->message_type() != nullptr; }
  // nullptr: it has none.
  [[nodiscard]] std::unique_ptr<pb::Message> Read(const pb::Message& options) const {
    const std::unique_ptr<pb::Message> all(factory_.GetPrototype(carrier_)->New());
    if (!all->ParseFromString(options.SerializeAsString()) || !all->GetReflection()->HasField(*all, option_)) return nullptr;
    const pb::Message& found = all->GetReflection()->GetMessage(*all, option_);
    std::unique_ptr<pb::Message> copy(found.New());
    copy->CopyFrom(found);
    return copy;
  }

 private:
  pb::DynamicMessageFactory& factory_;
  const pb::Descriptor* const carrier_;
  const pb::FieldDescriptor* const option_;
};

bool BoolOf(const pb::Message& message, const std::string& field) {
  const pb::FieldDescriptor* found = message.GetDescriptor()->FindFieldByName(field);
  return found != nullptr && found->cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL && message.GetReflection()->GetBool(message, found);
}

class Check {
 public:
  explicit Check(const pb::DescriptorPool& pool)
      : factory_(&pool),
        method_rules_(pool, factory_, "google.protobuf.MethodOptions", "culvert.v1.method_rules"),
        field_rules_(pool, factory_, "google.protobuf.FieldOptions", "culvert.v1.rules") {}

  [[nodiscard]] bool is_possible() const { return method_rules_.is_known() && field_rules_.is_known(); }

  void Look(const pb::FileDescriptor& file) {
    for (int i = 0; i < file.service_count(); ++i) {
      for (int k = 0; k < file.service(i)->method_count(); ++k) Look(*file.service(i)->method(k));
    }
    for (int i = 0; i < file.message_type_count(); ++i) Look(*file.message_type(i));
  }
  std::vector<Fault> TakeFaults() { return std::move(faults_); }

 private:
  void Look(const pb::MethodDescriptor& method) {
    const auto [taken, is_first] = by_request_.emplace(method.input_type(), &method);
    if (!is_first) {
      Add(method, absl::StrCat("takes ", method.input_type()->full_name(), " as ", taken->second->full_name(),
                               " does: each method has a request of its own"));
    }

    const std::unique_ptr<pb::Message> rules = method_rules_.Read(method.options());
    const pb::FieldDescriptor* role = rules != nullptr ? rules->GetDescriptor()->FindFieldByName("role") : nullptr;
    const int granted = role != nullptr ? rules->GetReflection()->GetEnumValue(*rules, role) : 0;
    if (granted == 0) return Add(method, "declares no role: say who may call it with option (method_rules).role");
    if (rules->GetReflection()->GetEnum(*rules, role)->name() != "ROLE_VIEWER" && !BoolOf(*rules, "audited")) {
      Add(method, "needs more than the role viewer and is not audited: option (method_rules) = {role: ..., audited: true}");
    }
  }

  void Look(const pb::Descriptor& message) {
    if (message.options().map_entry()) return;  // its "key" is that of a map
    for (int i = 0; i < message.nested_type_count(); ++i) Look(*message.nested_type(i));
    for (int i = 0; i < message.field_count(); ++i) Look(*message.field(i));
  }

  void Look(const pb::FieldDescriptor& field) {
    if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING || !SoundsSecret(field.name()) || IsPublic(field)) return;
    const std::unique_ptr<pb::Message> rules = field_rules_.Read(field.options());
    if (rules != nullptr && BoolOf(*rules, "secret")) return;
    Add(field, "is named like a secret and not marked as one: [(rules).secret = true], or list it in proto/api_rules if everybody may see it");
  }

  template <typename Descriptor>
  void Add(const Descriptor& subject, std::string what) {
    pb::SourceLocation place;
    const bool has_place = subject.GetSourceLocation(&place);
    faults_.push_back({subject.file()->name(), has_place ? place.start_line + 1 : 0, subject.full_name(), std::move(what)});
  }

  pb::DynamicMessageFactory factory_;
  const OptionReader method_rules_;
  const OptionReader field_rules_;
  std::map<const pb::Descriptor*, const pb::MethodDescriptor*> by_request_;
  std::vector<Fault> faults_;
};

}  // namespace

std::string Fault::ToString() const { return absl::StrCat(file, line != 0 ? absl::StrCat(":", line) : "", ": ", subject, ": ", what); }

absl::StatusOr<std::vector<Fault>> FindFaults(const pb::FileDescriptorSet& set) {
  pb::DescriptorPool pool;
  FaultCollector faults;
  for (const pb::FileDescriptorProto& file : set.file()) {
    if (pool.BuildFileCollectingErrors(file, &faults) == nullptr) return absl::InvalidArgumentError(faults.text());
  }
  Check check(pool);
  if (!check.is_possible()) return absl::InvalidArgumentError("culvert.v1.rules and culvert.v1.method_rules are not in the set");
  for (const pb::FileDescriptorProto& file : set.file()) {
    if (file.package().starts_with("culvert.")) check.Look(*pool.FindFileByName(file.name()));
  }
  return check.TakeFaults();
}

}  // namespace culvert::api_rules
