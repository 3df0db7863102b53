#include "cli/watch/wait_for.h"

#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/objects/field_path.h"
#include "cli/text/escape.h"
#include "core/base/status_macros.h"
#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/forward.pb.h"
#include "culvert/v1/listener.pb.h"
#include "culvert/v1/session.pb.h"
#include "culvert/v1/types.pb.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr const char* kForms = "condition=TYPE[=False], create, delete, state=STATE or .FIELD.PATH=VALUE";

// The field called `name` of `message` or of its status. nullptr: there is none.
const FieldDescriptor* InStatus(const Message& message, const char* name, const Message** owner) {
  *owner = &message;
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  const FieldDescriptor* status = message.GetDescriptor()->FindFieldByName("status");
  if (field != nullptr || status == nullptr) return field;
  *owner = &message.GetReflection()->GetMessage(message, status);
  return (*owner)->GetDescriptor()->FindFieldByName(name);
}

v1::State StateOf(const Message& subject) {
  const Message* owner = nullptr;
  const FieldDescriptor* field = InStatus(subject, "state", &owner);
  return field == nullptr ? v1::STATE_UNSPECIFIED : static_cast<v1::State>(owner->GetReflection()->GetEnumValue(*owner, field));
}

const v1::Condition* FindCondition(const Message& subject, const std::string& type) {
  const Message* owner = nullptr;
  const FieldDescriptor* field = InStatus(subject, "conditions", &owner);
  if (field == nullptr) return nullptr;
  for (int i = 0; i < owner->GetReflection()->FieldSize(*owner, field); ++i) {
    const auto& one = static_cast<const v1::Condition&>(owner->GetReflection()->GetRepeatedMessage(*owner, field, i));
    if (absl::EqualsIgnoreCase(one.type(), type)) return &one;
  }
  return nullptr;
}

int64_t GenerationOf(const Message& subject) {
  const FieldDescriptor* field = subject.GetDescriptor()->FindFieldByName("metadata");
  if (field == nullptr) return 0;
  return static_cast<const v1::Metadata&>(subject.GetReflection()->GetMessage(subject, field)).generation();
}

std::string StatusWord(v1::Condition::Status status) {
  return status == v1::Condition::STATUS_TRUE ? "True" : status == v1::Condition::STATUS_FALSE ? "False" : "Unknown";
}

Standing JudgeCondition(const WaitFor& wanted, const Message& subject) {
  Standing standing;
  const v1::Condition* condition = FindCondition(subject, wanted.name);
  if (condition == nullptr) {
    standing.text = absl::StrFormat("has no condition %s", Visible(wanted.name));
  } else {
    standing.text = absl::StrFormat("condition %s is %s", Visible(condition->type()), StatusWord(condition->status()));
    if (!condition->message().empty()) absl::StrAppend(&standing.text, ": ", Visible(condition->message()));
    if (!condition->reason().empty()) absl::StrAppend(&standing.text, " (", Visible(condition->reason()), ")");
    // One that was found out before the last change says nothing about it.
    const bool is_current = condition->observed_generation() == 0 || condition->observed_generation() >= GenerationOf(subject);
    standing.is_met = is_current && absl::EqualsIgnoreCase(StatusWord(condition->status()), wanted.value.value_or(""));
    // What is about to be deleted takes nothing new any more. FAILED is no end: the daemon goes on trying.
    standing.is_hopeless = !standing.is_met && wanted.value == "TRUE" && condition->type() == "Ready" &&
                           condition->reason() == "Draining" && StateOf(subject) == v1::STATE_DRAINING;
  }
  return standing;
}

Standing JudgeField(const WaitFor& wanted, const Message& subject) {
  Standing standing;
  const auto path = ParseFieldPath(*subject.GetDescriptor(), wanted.name);
  const std::optional<std::string> value = path.ok() ? ReadField(subject, *path) : std::nullopt;
  standing.text = absl::StrFormat(".%s is %s", wanted.name, value ? Visible(*value) : "<unset>");
  standing.is_met = value.has_value() && (!wanted.value || *value == *wanted.value);
  return standing;
}

}  // namespace

absl::StatusOr<WaitFor> WaitFor::Parse(std::string_view text) {
  const std::string shown = Visible(text.substr(0, 64));
  if (text == "create" || text == "created") return WaitFor{What::kCreation, "", std::nullopt};
  if (text == "delete" || text == "deleted") return Deletion();
  const size_t equals = text.find('=');
  const std::string word(text.substr(0, equals));
  const std::string rest(equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1));
  if (word == "condition") {
    WaitFor wanted = Condition(rest.substr(0, rest.find('=')));
    if (wanted.name.empty()) return absl::InvalidArgumentError("--for condition=: the type of a condition is wanted, e.g. condition=Ready");
    if (rest.size() == wanted.name.size()) return wanted;
    wanted.value = absl::AsciiStrToUpper(rest.substr(wanted.name.size() + 1));
    if (wanted.value == "TRUE" || wanted.value == "FALSE" || wanted.value == "UNKNOWN") return wanted;
    return absl::InvalidArgumentError(absl::StrFormat("--for %s: a condition is True, False or Unknown", shown));
  }
  if (word == "state") {
    if (rest.empty()) return absl::InvalidArgumentError("--for state=: a state is wanted, e.g. state=ACTIVE");
    return WaitFor{What::kField, "state", rest};
  }
  std::string path(text);
  if (word == "jsonpath") path = rest;
  if (word != "jsonpath" && !absl::StartsWith(path, ".")) {
    return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\" is not one of %s%s", shown, kForms,
                                                      manifest::DidYouMean(word, {"condition", "create", "delete", "state", "jsonpath"})));
  }
  WaitFor wanted{What::kField, "", std::nullopt};
  std::string value;
  if (absl::StartsWith(path, "{")) {
    const size_t close = path.find('}');
    if (close == std::string::npos) return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\": \"{\" without \"}\"", shown));
    wanted.name = path.substr(1, close - 1);
    value = path.substr(close + 1);
    if (!value.empty() && value[0] != '=')
      return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\": \"=VALUE\" is wanted behind \"}\"", shown));
  } else {
    wanted.name = path.substr(0, path.find('='));
    value = path.substr(wanted.name.size());
  }
  if (absl::StartsWith(wanted.name, "$")) wanted.name.erase(0, 1);
  if (absl::StartsWith(wanted.name, ".")) wanted.name.erase(0, 1);
  if (wanted.name.empty())
    return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\": a field is wanted, e.g. .status.state=ACTIVE", shown));
  if (!value.empty()) wanted.value = value.substr(1);
  return wanted;
}

absl::Status WaitFor::Fit(const Descriptor& type) {
  if (what == What::kCondition && type.FindFieldByName("conditions") == nullptr && type.FindFieldByName("status") == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--for condition=%s: a %s has no conditions, its state can be waited for: state=ACTIVE", Visible(name),
                        absl::AsciiStrToLower(type.name())));
  }
  if (what != What::kField) return absl::OkStatus();
  if (name == "state" && type.FindFieldByName("state") == nullptr) name = "status.state";
  const auto path = ParseFieldPath(type, name);
  if (!path.ok()) return absl::InvalidArgumentError("--for ." + std::string(path.status().message()));
  for (const FieldPath::Step& step : path->steps) {
    if (manifest::RulesOf(step.field).secret()) return absl::InvalidArgumentError("--for ." + name + ": a secret is never shown");
  }
  name = path->ToString();
  const FieldDescriptor& field = path->field();
  const bool is_whole = manifest::IsBlock(&field) || field.is_repeated();
  if (!value || is_whole) return absl::OkStatus();
  // Written and read again, the value has the spelling of ReadField; one that the field cannot have is refused here.
  const std::unique_ptr<Message> trial(google::protobuf::MessageFactory::generated_factory()->GetPrototype(field.containing_type())->New());
  FieldPath last;
  last.steps.push_back(path->steps.back());
  if (const absl::Status status = WriteField(*trial, last, *value, ""); !status.ok()) {
    return absl::InvalidArgumentError("--for ." + std::string(status.message()));
  }
  value = ReadField(*trial, last);
  return absl::OkStatus();
}

std::string WaitFor::ToString() const {
  switch (what) {
    case What::kCondition:
      return "condition " + Visible(name) +
             (value == "TRUE" ? "" : "=" + StatusWord(value == "FALSE" ? v1::Condition::STATUS_FALSE : v1::Condition::STATUS_UNKNOWN));
    case What::kField:
      return "." + name + (value ? "=" + Visible(*value) : "");
    case What::kCreation:
      return "created";
    case What::kDeletion:
      break;
  }
  return "deleted";
}

Standing Judge(const WaitFor& wanted, const Message* subject, bool was_there) {
  Standing standing;
  if (wanted.what == WaitFor::What::kDeletion) return {subject == nullptr, false, "is still there"};
  if (subject == nullptr) return {false, false, was_there ? "was deleted" : "does not exist yet"};
  if (wanted.what == WaitFor::What::kCreation) return {true, false, "exists"};
  standing = wanted.what == WaitFor::What::kCondition ? JudgeCondition(wanted, *subject) : JudgeField(wanted, *subject);
  return standing;
}

}  // namespace culvert::cli
