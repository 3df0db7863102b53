#include "cli/objects/assignment.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/objects/object_changes.h"
#include "cli/text/escape.h"
#include "core/base/status_macros.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

using google::protobuf::Descriptor;

constexpr size_t kMaxSecretBytes = 4096;
constexpr const char* kOfMetadata[] = {"labels", "annotations", "ttl", "expire_time", "expireTime"};

std::string FirstName(const std::string& path) { return path.substr(0, path.find_first_of(".[")); }

// Where a path begins: "spec.bind" for "bind".
absl::StatusOr<std::string> WholePath(const Descriptor& type, const std::string& path) {
  const std::string first = FirstName(path);
  if (first == "spec" || first == "metadata" || first == "status") return path;
  const Descriptor* spec = type.FindFieldByName("spec")->message_type();
  if (manifest::FindField(spec, first) != nullptr) return "spec." + path;
  if (std::find(std::begin(kOfMetadata), std::end(kOfMetadata), first) != std::end(kOfMetadata)) return "metadata." + path;
  if (first == "name") return absl::InvalidArgumentError("name: an object keeps its name");
  std::vector<std::string> known = manifest::FieldNames(spec);
  known.insert(known.end(), {"labels", "annotations", "ttl", "expire_time"});
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: unknown field%s", Visible(path.substr(0, 64)), manifest::DidYouMean(first, known)));
}

absl::StatusOr<std::string> ReadSecret(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return absl::InvalidArgumentError(absl::StrFormat("%s: %s", Visible(file), std::strerror(errno)));
  std::string text(kMaxSecretBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return absl::InvalidArgumentError(Visible(file) + ": cannot be read");
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxSecretBytes) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: more than %d bytes", Visible(file), kMaxSecretBytes));
  }
  if (absl::EndsWith(text, "\n")) text.pop_back();
  return text;
}

}  // namespace

absl::StatusOr<Assignment> ParseAssignment(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) {
    if (word.size() > 1 && word.back() == '-') return Assignment{std::string(word.substr(0, word.size() - 1)), std::nullopt};
    return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not path=value, nor path- to clear it", Visible(word.substr(0, 64))));
  }
  if (equals == 0) return absl::InvalidArgumentError(absl::StrFormat("\"%s\" has no path before \"=\"", Visible(word.substr(0, 64))));
  Assignment assignment{std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))};
  if (assignment.value->empty()) assignment.value.reset();
  return assignment;
}

absl::StatusOr<FieldPath> FindAssigned(const v1::Object& object, const std::string& path) {
  const Descriptor& type = *BodyOf(object).GetDescriptor();
  CULVERT_ASSIGN_OR_RETURN(const std::string whole, WholePath(type, path));
  CULVERT_ASSIGN_OR_RETURN(FieldPath found, ParseFieldPath(type, whole));
  for (const FieldPath::Step& step : found.steps) {
    if (!manifest::RulesOf(step.field).output_only()) continue;
    return absl::InvalidArgumentError(BriefPath(found.ToString()) + ": set by the daemon");
  }
  const std::string name = found.ToString();
  if (name == "metadata.name") return absl::InvalidArgumentError("metadata.name: an object keeps its name");
  if (name == "metadata.etag") return absl::InvalidArgumentError("metadata.etag: set by the daemon");
  if (found.steps.size() == 1) return absl::InvalidArgumentError(name + ": has fields of its own, name one of them");
  return found;
}

absl::Status Assign(const Assignment& assignment, std::string_view base_dir, v1::Object& object) {
  CULVERT_ASSIGN_OR_RETURN(const FieldPath path, FindAssigned(object, assignment.path));
  google::protobuf::Message& body = MutableBodyOf(object);
  if (!assignment.value) return EraseField(body, path);
  if (!manifest::RulesOf(&path.field()).secret()) return WriteField(body, path, *assignment.value, base_dir);
  const std::string name = BriefPath(path.ToString());
  if (!absl::StartsWith(*assignment.value, "@")) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: a secret on a command line can be seen by others: %s=@FILE reads it, or set %s_file", name, name, name));
  }
  const absl::StatusOr<std::string> secret = ReadSecret(assignment.value->substr(1));
  if (!secret.ok()) return absl::InvalidArgumentError(name + ": " + std::string(secret.status().message()));
  return WriteField(body, path, *secret, base_dir);
}

std::string CurrentFolder() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::current_path(error);
  return error ? "" : folder.string();
}

}  // namespace culvert::cli
