#include "server/file_objects.h"

#include <charconv>
#include <utility>

#include "proto/manifest/faults.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

// "objects[2].spec.bind" apart into 2 and "spec.bind". False: it is no such path.
bool SplitPath(const std::string& path, size_t& index, std::string& rest) {
  constexpr std::string_view kHead = "objects[";
  if (!path.starts_with(kHead)) return false;
  const char* end = path.data() + path.size();
  const auto [at, error] = std::from_chars(path.data() + kHead.size(), end, index);
  if (error != std::errc() || at == end || *at != ']') return false;
  rest.assign(at + 1, end);
  if (rest.starts_with('.')) rest.erase(0, 1);
  return true;
}

std::string Explain(const std::string& path, const std::string& description,
                    const std::vector<manifest::SourceObject>& objects) {
  size_t index = 0;
  std::string rest;
  if (!SplitPath(path, index, rest) || index >= objects.size()) return path + ": " + description;
  const manifest::SourceObject& source = objects[index];
  return source.Where(rest) + ": " + manifest::QuotableName(manifest::DisplayName(source.object)) + ": " + rest + ": " + description;
}

}  // namespace

absl::StatusOr<std::vector<manifest::SourceObject>> LoadFolders(const std::vector<std::string>& folders) {
  if (folders.empty()) return std::vector<manifest::SourceObject>();
  return manifest::Load(folders);
}

ChangeSet ToChangeSet(const std::vector<manifest::SourceObject>& objects) {
  ChangeSet set;
  set.manager = kFileManager;
  set.is_apply = true;
  set.may_name_any_file = true;
  for (const manifest::SourceObject& source : objects) set.changes.emplace_back().object = source.object;
  return set;
}

std::vector<std::string> ExplainError(const absl::Status& error, const std::vector<manifest::SourceObject>& objects) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(error);
  const auto bad_request = DetailOf<google::rpc::BadRequest>(error);
  std::vector<std::string> lines;
  for (const auto& violation : bad_request.field_violations()) {
    lines.push_back(Explain(violation.field(), violation.description(), objects));
  }
  if (lines.empty()) {
    const std::string message(error.message());
    const auto field = info.metadata().find("field");
    const std::string head = field == info.metadata().end() ? "" : field->second + ": ";
    const bool names_field = !head.empty() && message.starts_with(head);
    lines.push_back(names_field ? Explain(field->second, message.substr(head.size()), objects) : message);
  }
  if (const auto omitted = info.metadata().find("omitted"); omitted != info.metadata().end()) {
    lines.push_back("and " + omitted->second + " more");
  }
  return lines;
}

}  // namespace culvert::server
