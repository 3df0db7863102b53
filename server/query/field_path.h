// FieldPath: a field of an API message by the name that people write in filters and orders.
//
// A name is a dotted path from the top of the message ("status.counters.tx_bytes"), or a shortened one: what is not a field of the
// top is looked for in metadata, spec, status, counters and path, in this order and at every level, so that "tx_bytes", "transport"
// and "labels.app" mean what they seem to. Behind a map stands the key; it may be quoted: labels."example.com/tier".
// What is secret, and what lies below it, does not exist here: a filter must not be a way to guess it.
// Thread: any; no state. Descriptors live as long as the program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace culvert::server {

struct FieldPath {
  std::vector<const google::protobuf::FieldDescriptor*> steps;  // the last is the field itself; the others are single messages
  std::string map_key;        // of a map; empty: the map as a whole

  const google::protobuf::FieldDescriptor& field() const { return *steps.back(); }
  // The message that holds the field. Where a message on the way is absent, its default value.
  const google::protobuf::Message& OwnerIn(const google::protobuf::Message& message) const;
};

// Errors: INVALID_ARGUMENT, whose message is a sentence about `name` for people, with what was probably meant.
absl::StatusOr<FieldPath> FindField(const google::protobuf::Descriptor& type, std::string_view name);

bool IsDurationField(const google::protobuf::FieldDescriptor& field);
bool IsTimestampField(const google::protobuf::FieldDescriptor& field);

}  // namespace culvert::server
