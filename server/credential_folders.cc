#include "server/credential_folders.h"

#include <algorithm>

#include "server/validate.h"

namespace culvert::server {
namespace {

bool IsPlainPart(std::string_view part) {
  return !part.empty() && part != "." && part != ".." && part.find('\0') == std::string_view::npos;
}

// What stands between slashes, empty parts included.
std::vector<std::string_view> Split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

template <typename Parts>
std::string Join(const Parts& parts, std::string_view between) {
  std::string text;
  for (const std::string_view part : parts) {
    if (!text.empty()) text += between;
    text += part;
  }
  return text;
}

// "/a/b" and such, where every part is a name.
bool IsPlain(std::string_view path) { return path.starts_with('/') && std::ranges::all_of(Split(path.substr(1)), IsPlainPart); }

bool IsBelow(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

// Without empty parts and '.', which change nothing.
std::vector<std::string_view> PartsOf(std::string_view path) {
  std::vector<std::string_view> parts = Split(path);
  std::erase_if(parts, [](std::string_view part) { return part.empty() || part == "."; });
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
  return shown + " is no path below " + Join(folders_, " or ") + " without '.', '..' and empty parts: an admin may name other files";
}

std::optional<CredentialFolders::Place> CredentialFolders::PlaceOf(std::string_view path) const {
  if (!path.starts_with('/')) return std::nullopt;
  const std::vector<std::string_view> parts = PartsOf(path);
  for (const std::string& folder : folders_) {
    const std::vector<std::string_view> head = PartsOf(folder);
    if (parts.size() <= head.size() || !std::equal(head.begin(), head.end(), parts.begin())) continue;
    const std::vector<std::string_view> rest(parts.begin() + static_cast<std::ptrdiff_t>(head.size()), parts.end());
    int depth = 0;
    const bool stays = std::ranges::all_of(rest, [&depth](std::string_view part) { return (depth += part == ".." ? -1 : 1) >= 0; });
    if (stays && depth > 0) return Place{folder, Join(rest, "/")};
  }
  return std::nullopt;
}

}  // namespace culvert::server
