#include "cli/objects/manifest_files.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "cli/text/escape.h"

namespace culvert::cli {

using manifest::SourceObject;

Outcome LoadManifests(const std::vector<std::string>& files, std::vector<SourceObject>& out) {
  auto loaded = manifest::Load(files);
  if (!loaded.ok()) {
    return Failure{ExitCode::kUsage, absl::StrSplit(std::string(loaded.status().message()), '\n'), "", ""};
  }
  if (loaded->empty()) return Usage("no objects in " + Visible(files.front()) + (files.size() > 1 ? " and the others" : ""));
  out = *std::move(loaded);
  return std::nullopt;
}

Outcome CheckFileNames(const std::vector<std::string>& files, const std::string& verb) {
  if (files.empty()) {
    return Usage("-f is wanted: a file, a folder, or - for standard input", "culvertctl " + verb + " -f tunnel.yaml");
  }
  if (std::count(files.begin(), files.end(), "-") > 1) return Usage("standard input can be read once");
  return std::nullopt;
}

std::string AtSource(const std::string& path, const std::vector<SourceObject>& sources) {
  static constexpr std::string_view kPrefix = "objects[";
  if (!absl::StartsWith(path, std::string(kPrefix))) return Visible(path);
  size_t index = 0;
  const char* const end = path.data() + path.size();
  const auto [at, error] = std::from_chars(path.data() + kPrefix.size(), end, index);
  if (error != std::errc() || at == end || *at != ']' || index >= sources.size()) return Visible(path);
  std::string rest(at + 1, end);
  if (absl::StartsWith(rest, ".")) rest.erase(0, 1);
  const SourceObject& source = sources[index];
  return source.Where(rest) + ": " + (rest.empty() ? manifest::DisplayName(source.object) : Visible(rest));
}

// Violations name their field; a socket or file that failed names it in the metadata and in front of the message.
Failure AtSources(const ServerError& error, Failure failure, const std::vector<SourceObject>& sources) {
  const std::string reason = error.info.reason().empty() ? "" : " (" + Visible(error.info.reason()) + ")";
  std::vector<std::string> faults;
  for (const auto& field : error.fields) {
    faults.push_back(AtSource(field.field(), sources) + ": " + Visible(field.description()) + reason);
  }
  const auto field = error.info.metadata().find("field");
  if (faults.empty() && field != error.info.metadata().end()) {
    std::string message = error.status.error_message();
    if (absl::StartsWith(message, field->second + ": ")) message.erase(0, field->second.size() + 2);
    faults.push_back(AtSource(field->second, sources) + ": " + Visible(message) + reason);
  }
  if (!faults.empty()) failure.faults = std::move(faults);
  return failure;
}

}  // namespace culvert::cli
