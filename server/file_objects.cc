#include "server/file_objects.h"

#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/crypto/secret.h"
#include "core/crypto/sha256.h"
#include "proto/manifest/faults.h"
#include "server/error_builder.h"
#include "server/message_walk.h"

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

constexpr int kMostReads = 3;

std::string TextOf(const std::array<uint8_t, kSha256Size>& digest) { return std::string(digest.begin(), digest.end()); }

std::string ContentOf(const std::vector<std::string>& folders) {
  const absl::StatusOr<std::vector<std::string>> files = manifest::FilesOf(folders);
  if (!files.ok()) return "";
  std::string all;
  for (const std::string& path : *files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return "";
    std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto digest = Sha256(AsBytes(content));
    SecureErase({reinterpret_cast<uint8_t*>(content.data()), content.size()});
    all += path + '\0' + TextOf(digest);
  }
  return TextOf(Sha256(AsBytes(all)));
}

std::string DigestOfObjects(const std::vector<manifest::SourceObject>& objects) {
  std::map<std::string, std::string> by_name;  // however they are spread over files
  for (const manifest::SourceObject& source : objects) {
    v1::Object object = source.object;
    RedactSecrets(object);
    by_name[manifest::DisplayName(object)] = DeterministicBytes(object);
  }
  std::string all;
  for (const auto& [name, bytes] : by_name) all += name + '\0' + TextOf(Sha256(AsBytes(bytes)));
  return absl::StrCat("sha256/", absl::Base64Escape(TextOf(Sha256(AsBytes(all)))));
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

ConfigFiles ReadConfigFiles(const std::vector<std::string>& folders) {
  ConfigFiles read;
  if (folders.empty()) return read;
  for (int attempt = 0; attempt < kMostReads; ++attempt) {
    read = ConfigFiles();
    read.content = ContentOf(folders);
    absl::StatusOr<std::vector<manifest::SourceObject>> objects = manifest::Load(folders);
    if (objects.ok()) {
      read.objects = *std::move(objects);
      read.digest = DigestOfObjects(read.objects);
    } else {
      read.faults = LinesOf(objects.status());
    }
    if (ContentOf(folders) == read.content) break;
  }
  return read;
}

std::vector<std::string> LinesOf(const absl::Status& status) {
  return absl::StrSplit(absl::StripTrailingAsciiWhitespace(status.message()), '\n');
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
