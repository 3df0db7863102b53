// Order: "tx_bytes desc, name": fields of field_path.h, each with an optional asc or desc, the first one deciding.
// A key made of them compares as bytes the way the order says, which is what pages of a list need: the place where the next page
// begins is a value, not a position that moves when items come and go.
// Thread: parsing any; an order is immutable and may be shared.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/query/field_path.h"

namespace culvert::server {

inline constexpr size_t kMaxOrderFields = 4;
// Of a text in a key; what differs only behind it is in the order of names.
inline constexpr size_t kMaxOrderTextBytes = 64;

class Order {
 public:
  // By name alone.
  Order() = default;

  // Errors: INVALID_ARGUMENT, INVALID_FIELD for field "order_by": an unknown field, a list, a map or a message.
  static absl::StatusOr<Order> Parse(const std::string& text, const google::protobuf::Descriptor& type);

  [[nodiscard]] bool ByNameOnly() const { return terms_.empty(); }
  // `name` breaks ties. REQUIRES: `message` is of the type that was parsed for.
  [[nodiscard]] std::string KeyOf(const google::protobuf::Message& message, const std::string& name) const;

 private:
  struct Term {
    FieldPath path;
    bool descending = false;
  };
  std::vector<Term> terms_;
};

}  // namespace culvert::server
