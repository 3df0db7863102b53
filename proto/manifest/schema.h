// What the protobuf descriptors say about the file form: the keys of a message, the short spellings of an enum, the
// rules of a field. Nothing here knows YAML. Thread: any; no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "culvert/v1/options.pb.h"
#include "google/protobuf/descriptor.h"

namespace culvert::manifest {

const v1::FieldRules& RulesOf(const google::protobuf::FieldDescriptor* field);

// The field a key names: its proto name (snake_case) or its JSON name (camelCase). nullptr: none.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor* message, std::string_view key);
std::vector<std::string> FieldNames(const google::protobuf::Descriptor* message);

// "KCP" for TRANSPORT_KCP: the name without the prefix that all values of the enum share.
std::string ShortName(const google::protobuf::EnumValueDescriptor* value);
// The short names of all values but the unspecified one, in the order of their numbers.
std::vector<std::string> ShortNames(const google::protobuf::EnumDescriptor* type);
// The value that `text` spells, short or in full; for packet headers v2ray's spelling too ("wechat-video").
// nullptr: none, and never the unspecified value, which a file says by leaving the field out.
const google::protobuf::EnumValueDescriptor* FindEnumValue(const google::protobuf::EnumDescriptor* type,
                                                           std::string_view text);

bool IsDuration(const google::protobuf::FieldDescriptor* field);
bool IsTimestamp(const google::protobuf::FieldDescriptor* field);
// A message that a file spells as a mapping: neither a well-known scalar nor a map field.
bool IsBlock(const google::protobuf::FieldDescriptor* field);

}  // namespace culvert::manifest
