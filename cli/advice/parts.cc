#include "cli/advice/parts.h"

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/text/escape.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr size_t kMostNamed = 3;

}  // namespace

std::string PrintableName(const v1::Object& object) { return Visible(manifest::DisplayName(object)); }

std::string Some(std::vector<std::string> names) {
  const size_t more = names.size() > kMostNamed ? names.size() - kMostNamed : 0;
  names.resize(names.size() - more);
  return absl::StrJoin(names, ", ") + (more > 0 ? absl::StrFormat(" and %d more", more) : "");
}

}  // namespace culvert::cli
