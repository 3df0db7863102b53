#include "cli/process/plugins.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace culvert::cli {
namespace {

constexpr char kPrefix[] = "culvertctl-";

std::vector<std::string> Folders(const Environment& environment) {
  std::vector<std::string> folders;
  const std::vector<std::string> all = absl::StrSplit(environment.get("PATH").value_or(""), ':', absl::SkipEmpty());
  for (const std::string& folder : all) {
    if (folder[0] == '/' && std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
  }
  return folders;
}

bool IsExecutable(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

// What can be the end of a file's name and cannot be a flag.
bool IsVerb(const std::string& verb) {
  return !verb.empty() && verb[0] != '-' && std::all_of(verb.begin(), verb.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace

std::vector<Plugin> FindPlugins(const Environment& environment) {
  std::vector<Plugin> plugins;
  std::map<std::string, std::string> first;  // verb to path
  for (const std::string& folder : Folders(environment)) {
    std::error_code error;
    std::vector<std::string> names;
    for (auto entry = std::filesystem::directory_iterator(folder, error); !error && entry != std::filesystem::directory_iterator();
         entry.increment(error)) {
      std::string name = entry->path().filename().string();
      if (absl::StartsWith(name, kPrefix) && IsVerb(name.substr(sizeof kPrefix - 1))) names.push_back(std::move(name));
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      Plugin plugin{name.substr(sizeof kPrefix - 1), absl::StrCat(folder, "/", name), false, ""};
      plugin.is_executable = IsExecutable(plugin.path);
      if (const auto found = first.find(plugin.verb); found != first.end()) {
        plugin.shadowed_by = found->second;
      } else if (plugin.is_executable) {
        first.emplace(plugin.verb, plugin.path);
      }
      plugins.push_back(std::move(plugin));
    }
  }
  return plugins;
}

std::string PluginFor(const std::string& verb, const Environment& environment) {
  if (!IsVerb(verb)) return "";
  for (const std::string& folder : Folders(environment)) {
    const std::string path = absl::StrCat(folder, "/", kPrefix, verb);
    if (IsExecutable(path)) return path;
  }
  return "";
}

}  // namespace culvert::cli
