// Filter: the one language in which every List, watch and stream of the API is narrowed down.
//
//   filter     = term { AND term } | term { OR term }      AND with OR wants parentheses: nobody has to know which binds first
//   term       = [ NOT ] ( "(" filter ")" | comparison )
//   comparison = field operator value
//   operator   = "="  "!="  "<"  "<="  ">"  ">="  ":"
//   value      = a word (up to the next space or parenthesis) or "text in quotes", where a backslash stands before a quote or itself
//
// Fields are those of field_path.h. What a value is depends on the field: numbers take k, M, G, T and Ki, Mi, Gi, Ti ("tx_bytes>1Mi"),
// durations 250ms, 1m30s; times are RFC 3339; enums are written short or long ("state=ACTIVE"); booleans true and false. In an
// unquoted word that is compared with = or != a * stands for any text. ":" means "has": a text that contains the value, an address
// inside a network ("remote:10.0.0.0/8", "remote:10.0.0.1"), an element of a list, a key of a map ("labels:app"); "field:*" that the
// field is there. A duration, a time or a message that is absent matches nothing but != and NOT.
// Limits: kMaxFilterBytes of text, kMaxFilterTerms comparisons, kMaxFilterDepth parentheses.
// Thread: parsing any; a filter is immutable and may be shared.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace culvert::server {

inline constexpr size_t kMaxFilterBytes = 2048;
inline constexpr size_t kMaxFilterTerms = 64;
inline constexpr size_t kMaxFilterDepth = 16;

class Filter {
 public:
  // Matches everything.
  Filter() = default;

  // For messages of `type`. An empty or blank text matches everything.
  // Errors: INVALID_ARGUMENT, INVALID_FILTER: what is wrong and where; metadata "position" counts bytes from 0, the message has a
  // second and third line with the filter and a caret below the place.
  static absl::StatusOr<Filter> Parse(const std::string& text, const google::protobuf::Descriptor& type);

  // REQUIRES: `message` is of the type that was parsed for.
  [[nodiscard]] bool Matches(const google::protobuf::Message& message) const;
  [[nodiscard]] bool MatchesAll() const { return root_ == nullptr; }

  struct Node;

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace culvert::server
