// What may be waited for, as command lines say it, and whether an object is so.
// Thread: any; no state.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/objects/kinds.h"
#include "cli/text/expression.h"
#include "google/protobuf/message.h"

namespace culvert::cli {

// What is waited for.
struct WaitFor {
  enum class What { kCondition, kField, kExpression, kCreation, kDeletion };
  What what = What::kCondition;
  std::string name = "Ready";         // kCondition: its type; kField: the path, "status.state"; kExpression: what stood in the braces
  std::optional<std::string> value = "TRUE";  // kCondition: TRUE, FALSE or UNKNOWN; else: nullopt: any that is not empty

  std::shared_ptr<const Expression> expression;  // kExpression: set by Fit

  static WaitFor Condition(std::string type) { return {What::kCondition, std::move(type), "TRUE", nullptr}; }
  static WaitFor Deletion() { return {What::kDeletion, "", std::nullopt, nullptr}; }

  // "condition=Ready", "condition=Ready=False", "create", "delete", "state=ACTIVE", ".status.state=ACTIVE",
  // "jsonpath={.status.state}=ACTIVE", ".status.bound_addresses[0]", and as kubectl has it
  // "jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Serving". Errors: INVALID_ARGUMENT.
  static absl::StatusOr<WaitFor> Parse(std::string_view text);
  // Whether objects of this type can be so, with the value as ReadField spells it. Errors: INVALID_ARGUMENT: no such field, a value
  // that it cannot have.
  absl::Status Fit(const google::protobuf::Descriptor& type);
  // "condition Ready", "deleted", ".status.state=ACTIVE", "{.status.targets[*].sessions}=1"
  std::string ToString() const;
};

// How one object stands towards what is waited for.
struct Standing {
  bool is_met = false;
  bool is_hopeless = false;  // it will not come about, however long one waits
  std::string text;          // "condition Ready is False: 2 of 2 targets failing (AllTargetsFailing)"; printable
};
// `subject`: a Listener, Dialer, Forward, Session or Daemon; nullptr: it is not there. `was_there`: but it was.
Standing Judge(const WaitFor& wanted, const google::protobuf::Message* subject, bool was_there);

// Of the kinds that can be watched, events are over as soon as they are there.
inline bool CanBeWaitedFor(Kind kind) { return IsDeclared(kind) || kind == Kind::kSession; }

}  // namespace culvert::cli
