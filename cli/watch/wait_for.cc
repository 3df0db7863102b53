#include "cli/watch/wait_for.h"

#include <memory>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/objects/field_path.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
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

constexpr const char* kForms = "condition=TYPE[=False], create, delete, state=STATE, .FIELD.PATH=VALUE or jsonpath={PATH}=VALUE";

// Where the "}" stands that belongs to the "{" in front, past what is quoted in between. npos: nowhere.
size_t EndOfBraces(std::string_view text) {
  char quote = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == quote) quote = 0;
    } else if (text[i] == '\'' || text[i] == '"') {
      quote = text[i];
    } else if (text[i] == '}') {
      return i;
    }
  }
  return std::string::npos;
}

// Where the "=" stands that ends a path: not one of "==" in brackets.
size_t EndOfPath(std::string_view text) {
  int depth = 0;
  size_t at = 0;
  for (; at < text.size() && (text[at] != '=' || depth > 0); ++at) depth += text[at] == '[' ? 1 : text[at] == ']' ? -1 : 0;
  return at;
}

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

// "condition Ready is False: 2 of 2 targets failing (AllTargetsFailing)"
std::string ConditionText(const v1::Condition& condition) {
  std::string text = absl::StrFormat("condition %s is %s", Visible(condition.type()), StatusWord(condition.status()));
  if (!condition.message().empty()) absl::StrAppend(&text, ": ", Visible(condition.message()));
  if (!condition.reason().empty()) absl::StrAppend(&text, " (", Visible(condition.reason()), ")");
  return text;
}

Standing JudgeCondition(const WaitFor& wanted, const Message& subject) {
  Standing standing;
  const v1::Condition* condition = FindCondition(subject, wanted.name);
  if (condition == nullptr) {
    standing.text = absl::StrFormat("has no condition %s", Visible(wanted.name));
  } else {
    standing.text = ConditionText(*condition);
    // One that was found out before the last change says nothing about it.
    const bool is_current = condition->observed_generation() == 0 || condition->observed_generation() >= GenerationOf(subject);
    standing.is_met = is_current && absl::EqualsIgnoreCase(StatusWord(condition->status()), wanted.value.value_or(""));
    // What is about to be deleted takes nothing new any more.
    standing.is_hopeless = !standing.is_met && wanted.value == "TRUE" && condition->type() == "Ready" &&
                           condition->reason() == "Draining" && StateOf(subject) == v1::STATE_DRAINING;
  }
  return standing;
}

// Whether a value is the one that is wanted, and how that is said.
Standing Compare(const WaitFor& wanted, const std::string& what, const std::optional<std::string>& value) {
  Standing standing;
  const bool is_there = value && !value->empty();
  standing.text = what + " is " + (is_there ? Visible(*value) : "<unset>");
  standing.is_met = wanted.value ? value == wanted.value : is_there;
  return standing;
}

Standing JudgeField(const WaitFor& wanted, const Message& subject) {
  const auto path = ParseFieldPath(*subject.GetDescriptor(), wanted.name);
  return Compare(wanted, "." + wanted.name, path.ok() ? ReadField(subject, *path) : std::nullopt);
}

// The short name of an enum's value that JSON spells out: "ACTIVE" of "STATE_ACTIVE", for the enums of `type` and of what it holds.
// Empty: it is none.
std::string ShortNameIn(const Descriptor& type, const std::string& value, std::set<const Descriptor*>& seen) {
  if (!seen.insert(&type).second) return "";
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const auto* found = field.enum_type() != nullptr ? field.enum_type()->FindValueByName(value) : nullptr;
    if (found != nullptr) return manifest::ShortName(found);
    if (field.message_type() == nullptr) continue;
    if (std::string name = ShortNameIn(*field.message_type(), value, seen); !name.empty()) return name;
  }
  return "";
}

Standing JudgeExpression(const WaitFor& wanted, const Message& subject) {
  std::optional<std::string> found;
  const auto printed = wanted.expression->Print(Document(ObservedToJsonLine(subject), *subject.GetDescriptor()));
  if (printed.ok()) found = std::string(absl::StripTrailingAsciiWhitespace(*printed));
  // People write "True" and "ACTIVE", as everything else that shows them does.
  std::set<const Descriptor*> seen;
  const std::string name = found ? ShortNameIn(*subject.GetDescriptor(), *found, seen) : "";
  if (!name.empty() && wanted.value != found) found = absl::EqualsIgnoreCase(name, wanted.value.value_or("")) ? wanted.value : name;
  return Compare(wanted, "{" + Visible(wanted.name) + "}", found);
}

bool IsEnd(v1::State state) { return state == v1::STATE_FAILED || state == v1::STATE_CLOSED; }

// What will not come about by itself any more. The daemon goes on dialing, so a dialer that is FAILED has no end. Nothing else comes
// back from FAILED, and no session from CLOSED; only a change of the object mends it, and then its generation is another.
bool HasEnded(const Message& subject) {
  if (subject.GetDescriptor() == v1::Dialer::descriptor()) return false;
  const v1::State state = StateOf(subject);
  return subject.GetDescriptor() == v1::Session::descriptor() ? IsEnd(state) : state == v1::STATE_FAILED;
}

// "state FAILED", and why as far as Ready knows: what tells more than a value that is not the wanted one.
std::string StateText(const Message& subject) {
  const v1::State state = StateOf(subject);
  if (state == v1::STATE_UNSPECIFIED) return "";
  const auto* value = v1::State_descriptor()->FindValueByNumber(state);
  return "state " + (value == nullptr ? std::to_string(state) : manifest::ShortName(value));
}

std::string ReadyText(const Message& subject) {
  const v1::Condition* ready = FindCondition(subject, "Ready");
  if (ready == nullptr || ready->status() == v1::Condition::STATUS_TRUE) return "";
  return ConditionText(*ready);
}

}  // namespace

absl::StatusOr<WaitFor> WaitFor::Parse(std::string_view text) {
  const std::string shown = Visible(text.substr(0, 64));
  if (text == "create" || text == "created") return WaitFor{What::kCreation, "", std::nullopt, nullptr};
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
    return WaitFor{What::kField, "state", rest, nullptr};
  }
  std::string path(text);
  if (word == "jsonpath") path = rest;
  if (word != "jsonpath" && !absl::StartsWith(path, ".")) {
    return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\" is not one of %s%s", shown, kForms,
                                                      manifest::DidYouMean(word, {"condition", "create", "delete", "state", "jsonpath"})));
  }
  WaitFor wanted{What::kField, "", std::nullopt, nullptr};
  std::string value;
  if (absl::StartsWith(path, "{")) {
    const size_t close = EndOfBraces(path);
    if (close == std::string::npos) return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\": \"{\" without \"}\"", shown));
    wanted.name = path.substr(1, close - 1);
    value = path.substr(close + 1);
    if (!value.empty() && value[0] != '=')
      return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\": \"=VALUE\" is wanted behind \"}\"", shown));
  } else {
    const size_t end = EndOfPath(path);
    wanted.name = path.substr(0, end);
    value = path.substr(end);
  }
  // What chooses among several is for the expressions; a plain path is a field, whose value is known by its type.
  if (wanted.name.find_first_of("*?@:,'\"") != std::string::npos || absl::StrContains(wanted.name, "..")) {
    wanted.what = What::kExpression;
  } else {
    if (absl::StartsWith(wanted.name, "$")) wanted.name.erase(0, 1);
    if (absl::StartsWith(wanted.name, ".")) wanted.name.erase(0, 1);
  }
  if (wanted.name.empty())
    return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\": a field is wanted, e.g. .status.state=ACTIVE", shown));
  if (!value.empty()) wanted.value = value.substr(1);
  if (wanted.value == "")
    return absl::InvalidArgumentError(absl::StrFormat("--for \"%s\": a value is wanted behind \"=\"; without \"=\" any will do", shown));
  return wanted;
}

absl::Status WaitFor::Fit(const Descriptor& type) {
  if (what == What::kCondition && type.FindFieldByName("conditions") == nullptr && type.FindFieldByName("status") == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--for condition=%s: a %s has no conditions, its state can be waited for: state=ACTIVE", Visible(name),
                        absl::AsciiStrToLower(type.name())));
  }
  if (what == What::kExpression) {
    auto parsed = ParseJsonPathTemplate("{" + name + "}", Shape::Document({&type}, false));
    if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrFormat("--for {%s}: %s", Visible(name), std::string(parsed.status().message())));
    expression = *std::move(parsed);
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
    case What::kExpression:
      return "{" + Visible(name) + "}" + (value ? "=" + Visible(*value) : "");
    case What::kCreation:
      return "created";
    case What::kDeletion:
      break;
  }
  return "deleted";
}

Standing Judge(const WaitFor& wanted, const Message* subject, bool was_there) {
  if (wanted.what == WaitFor::What::kDeletion) return {subject == nullptr, false, "is still there"};
  if (subject == nullptr) return {false, false, was_there ? "was deleted" : "does not exist yet"};
  if (wanted.what == WaitFor::What::kCreation) return {true, false, "exists"};
  const bool is_condition = wanted.what == WaitFor::What::kCondition;
  Standing standing = is_condition                                 ? JudgeCondition(wanted, *subject)
                      : wanted.what == WaitFor::What::kExpression ? JudgeExpression(wanted, *subject)
                                                                  : JudgeField(wanted, *subject);
  if (standing.is_met) return standing;
  // Of a spec people may always make something else.
  const bool is_of_spec = absl::StrContains(wanted.name, "spec.") || absl::StrContains(wanted.name, "metadata.");
  standing.is_hopeless = standing.is_hopeless || (!is_of_spec && HasEnded(*subject));
  const bool shows_state = !is_condition && wanted.name.find("state") != std::string::npos;
  for (const std::string& more : {shows_state ? "" : StateText(*subject), is_condition ? "" : ReadyText(*subject)}) {
    if (!more.empty()) absl::StrAppend(&standing.text, "; ", more);
  }
  return standing;
}

}  // namespace culvert::cli
