// Paths into the JSON of resources as people write them, made into JSONPath for the library that evaluates it:
//   .status.state   $.status.state   @.status.state   status.state   ["status"].state   .items[0]   .items[?(@.kind=="Dialer")]
// Names may be the JSON's or the proto's (boundAddresses, bound_addresses); a dot inside a name, as labels have, is written \. or
// the name stands in brackets and quotes. A name that no document can have is an error, not an empty answer.
// Thread: any; no state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

namespace culvert::cli {

// What a value may hold, as far as names go.
struct Shape {
  bool is_open = false;     // anything: a map, or behind a step that cannot be followed
  bool is_list = false;     // a document of kind List, whose items are of `types`
  bool is_document = false; // apiVersion and kind stand beside the fields
  std::vector<const google::protobuf::Descriptor*> types;

  // A document of one of the types, or a List of such.
  static Shape Document(std::vector<const google::protobuf::Descriptor*> types, bool is_list) {
    return {.is_list = is_list, .is_document = true, .types = std::move(types)};
  }
};

struct JsonPath {
  std::string text;             // "$['status']['state']"
  std::vector<size_t> origins;  // where in the path as it was written each byte of `text` comes from
  Shape shape;                  // of what it leads to
};

// Errors: INVALID_ARGUMENT, "character N: ...", counted from 1 and from `offset` further on. Brackets are only looked at as far as
// they must close; what stands in them is judged by who evaluates it.
absl::StatusOr<JsonPath> ParseJsonPath(std::string_view path, const Shape& shape, size_t offset = 0);

}  // namespace culvert::cli
