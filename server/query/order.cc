#include "server/query/order.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/error_builder.h"
#include "server/query/literal.h"

namespace culvert::server {
namespace {

using google::protobuf::FieldDescriptor;

absl::Status Invalid(std::string problem) { return InvalidField("order_by", std::move(problem)); }

// Eight bytes that compare as the number does: of IEEE 754 the sign bit is turned, and of negative numbers all others too.
// Integers beyond 2^53 that differ in their last bits are then equal, and in the order of names.
void AppendNumber(long double number, std::string& key) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  uint64_t bits = std::bit_cast<uint64_t>(static_cast<double>(number));
  bits = (bits & kSign) != 0 ? ~bits : bits | kSign;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(bits >> shift & 0xff);
}

}  // namespace

absl::StatusOr<Order> Order::Parse(const std::string& text, const google::protobuf::Descriptor& type) {
  Order order;
  if (text.find_first_not_of(' ') == std::string::npos) return order;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const std::vector<std::string> words = absl::StrSplit(part, ' ', absl::SkipEmpty());
    if (words.empty() || words.size() > 2) return Invalid("FIELD [asc|desc] is expected between commas");
    if (words.size() == 2 && words[1] != "asc" && words[1] != "desc") return Invalid("behind a field stands asc or desc");
    absl::StatusOr<FieldPath> path = FindField(type, words[0]);
    if (!path.ok()) return Invalid(std::string(path.status().message()));
    const FieldDescriptor& field = path->field();
    const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDurationField(field) && !IsTimestampField(field);
    if (field.is_repeated() || is_message) return Invalid("\"" + field.name() + "\" is no single value to order by");
    if (order.terms_.size() == kMaxOrderFields) return Invalid("at most " + std::to_string(kMaxOrderFields) + " fields");
    order.terms_.push_back({*std::move(path), words.size() == 2 && words[1] == "desc"});
  }
  return order;
}

std::string Order::KeyOf(const google::protobuf::Message& message, const std::string& name) const {
  if (terms_.empty()) return name;
  std::string key;
  for (const Term& term : terms_) {
    const google::protobuf::Message& owner = term.path.OwnerIn(message);
    const FieldDescriptor& field = term.path.field();
    const size_t begin = key.size();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      std::string scratch;
      const std::string& value = owner.GetReflection()->GetStringReference(owner, &field, &scratch);
      // A zero ends it, and comes before whatever makes another text longer.
      for (const char c : std::string_view(value).substr(0, kMaxOrderTextBytes)) key += c == '\0' ? '\1' : c;
      key += '\0';
    } else {
      const std::optional<long double> number = NumberIn(owner, field, -1);
      key += number ? '\1' : '\0';  // absent ones first
      AppendNumber(number.value_or(0), key);
    }
    if (!term.descending) continue;
    for (size_t i = begin; i < key.size(); ++i) key[i] = static_cast<char>(~key[i]);
  }
  return key + name;
}

}  // namespace culvert::server
