#include "server/credential_folders.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

bool IsPlainPart(std::string_view part) {
  return !part.empty() && part != "." && part != ".." && part.find('\0') == std::string_view::npos;
}

// "/a/b" and such, where every part is a name.
bool IsPlain(std::string_view path) {
  if (!path.starts_with('/')) return false;
  const std::vector<std::string_view> parts = absl::StrSplit(path.substr(1), '/');
  return std::ranges::all_of(parts, IsPlainPart);
}

bool IsBelow(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

// Without empty parts and '.', which change nothing.
std::vector<std::string_view> PartsOf(std::string_view path) {
  std::vector<std::string_view> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  std::erase(parts, ".");
  return parts;
}

}  // namespace

absl::Status CredentialFolders::Judge(std::string_view folder) {
  if (folder.size() > 1 && folder.ends_with('/')) folder.remove_suffix(1);
  if (IsPlain(folder)) return absl::OkStatus();
  return absl::InvalidArgumentError("must be an absolute path other than /, without '.', '..' and empty parts, is " + std::string(folder));
}

CredentialFolders::CredentialFolders(const std::vector<std::string>& folders) {
  for (std::string folder : folders) {
    if (!Judge(folder).ok()) continue;
    if (folder.ends_with('/')) folder.pop_back();
    folders_.push_back(std::move(folder));
  }
}

std::string CredentialFolders::FaultOf(std::string_view path) const {
  const bool is_below = std::ranges::any_of(folders_, [path](const std::string& folder) { return IsBelow(path, folder); });
  if (is_below && IsPlain(path)) return "";
  const std::string shown = QuotedValue(std::string(path));
  if (folders_.empty()) return shown + " may be named by an admin only: the daemon has no --credentials-dir for files that others may name";
  return shown + " is no path below " + absl::StrJoin(folders_, " or ") + " without '.', '..' and empty parts: an admin may name other files";
}

std::optional<CredentialFolders::Place> CredentialFolders::PlaceOf(std::string_view path) const {
  if (!path.starts_with('/')) return std::nullopt;
  const std::vector<std::string_view> parts = PartsOf(path);
  for (const std::string& folder : folders_) {
    const std::vector<std::string_view> head = PartsOf(folder);
    if (parts.size() <= head.size() || !std::equal(head.begin(), head.end(), parts.begin())) continue;
    const auto rest = parts.begin() + static_cast<std::ptrdiff_t>(head.size());
    int depth = 0;
    const bool stays = std::all_of(rest, parts.end(), [&depth](std::string_view part) { return (depth += part == ".." ? -1 : 1) >= 0; });
    if (stays && depth > 0) return Place{folder, absl::StrJoin(rest, parts.end(), "/")};
  }
  return std::nullopt;
}

}  // namespace culvert::server
