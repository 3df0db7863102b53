// Literal: the right side of a comparison in a filter, typed by the field it is compared with.
// Thread: any; immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "server/query/field_path.h"

namespace culvert::server {

enum class Comparison : uint8_t { kEqual, kUnequal, kLess, kAtMost, kGreater, kAtLeast, kHas };

class Literal {
 public:
  // `quoted`: it stood in quotes. Errors: INVALID_ARGUMENT, whose message is a sentence for people.
  static absl::StatusOr<Literal> Make(const FieldPath& path, Comparison comparison, std::string_view text, bool quoted);

  // Whether the field compares so. `message` has the type that the path was found in.
  [[nodiscard]] bool Holds(const FieldPath& path, Comparison comparison, const google::protobuf::Message& message) const;

 private:
  enum class Meaning : uint8_t { kPresence, kMapKey, kText, kNumber, kEnum, kBool };
  // Every integer of 64 bits, exactly; numbers as they are, durations and times in nanoseconds.
  using Number = long double;

  absl::Status SetValue(const google::protobuf::FieldDescriptor& field, Comparison comparison, std::string_view text, bool quoted);
  void SetText(Comparison comparison, std::string_view text, bool quoted);
  absl::Status SetEnum(const google::protobuf::FieldDescriptor& field, Comparison comparison, std::string_view text);
  [[nodiscard]] bool HoldsText(Comparison comparison, const std::string& value) const;
  [[nodiscard]] bool HoldsInMap(const FieldPath& path, Comparison comparison, const google::protobuf::Message& owner) const;
  // `index` below 0: the field is single.
  [[nodiscard]] bool HoldsAt(const google::protobuf::FieldDescriptor& field, Comparison comparison,
                             const google::protobuf::Message& owner, int index) const;

  Meaning meaning_ = Meaning::kPresence;
  std::string text_;
  bool is_pattern_ = false;              // text_ has * that stand for anything
  Number number_ = 0;                    // also of enums and booleans
  std::optional<IpAddress> network_;     // kHas with an address or a network
  int network_bits_ = 0;
};

// A number as filters write it; nullopt: it is none.
std::optional<long double> ParseQuantity(std::string_view text);
// Whether `text` is `pattern`, in which each * stands for any text. In time of the product of their lengths.
bool MatchesPattern(std::string_view pattern, std::string_view text);

// A single number, enum, boolean, duration or time of `owner`; nullopt: an absent duration or time, or something else.
std::optional<long double> NumberIn(const google::protobuf::Message& owner, const google::protobuf::FieldDescriptor& field, int index);

}  // namespace culvert::server
