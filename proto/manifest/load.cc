// Files and folders into texts; the only part of the library that touches the file system.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "proto/manifest/identity.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

namespace fs = std::filesystem;

absl::Status FromErrno(const std::string& path, int error) {
  const std::string message = absl::StrCat(path, ": ", std::strerror(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  return absl::InvalidArgumentError(message);
}

// Reads to the end, or to one byte more than a file may have. Pipes and standard input have no size to ask for.
absl::StatusOr<std::string> ReadAll(std::FILE* file, const std::string& name) {
  std::string text;
  char buffer[64 * 1024];
  while (text.size() <= kMaxFileBytes) {
    const size_t count = std::fread(buffer, 1, sizeof buffer, file);
    text.append(buffer, count);
    if (count < sizeof buffer) {
      if (std::ferror(file)) return FromErrno(name, errno);
      return text;
    }
  }
  return absl::InvalidArgumentError(absl::StrFormat("%s: larger than %d MiB", name, kMaxFileBytes >> 20));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file) return FromErrno(path, errno);
  return ReadAll(file.get(), path);
}

bool IsManifestName(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string extension = path.extension().string();
  return !name.empty() && name[0] != '.' && (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    // is_directory follows links: a mounted ConfigMap is a folder of links.
    std::error_code ignored;
    if (IsManifestName(at->path()) && !at->is_directory(ignored)) files.push_back(at->path().string());
  }
  if (error) return FromErrno(path, error.value());
  std::sort(files.begin(), files.end());
  return files;
}

std::string FolderOf(const std::string& file) {
  std::error_code error;
  const fs::path absolute = fs::absolute(file, error);
  return error ? "" : absolute.parent_path().lexically_normal().string();
}

absl::Status LoadOne(const std::string& path, std::vector<SourceObject>& out) {
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "<stdin>" : path;
  CULVERT_ASSIGN_OR_RETURN(const std::string text, is_stdin ? ReadAll(stdin, name) : ReadFile(path));
  CULVERT_ASSIGN_OR_RETURN(std::vector<SourceObject> objects, Parse(text, name, FolderOf(is_stdin ? "./-" : path)));
  out.insert(out.end(), std::make_move_iterator(objects.begin()), std::make_move_iterator(objects.end()));
  if (out.size() > kMaxObjects) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: more than %d objects in all", name, kMaxObjects));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FilesOf(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path == "-") continue;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    CULVERT_ASSIGN_OR_RETURN(std::vector<std::string> inside, ListFolder(path));
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

absl::StatusOr<std::vector<SourceObject>> Load(const std::vector<std::string>& paths) {
  std::vector<SourceObject> objects;
  Faults faults;  // of all files: one run shows what is wrong everywhere
  for (const std::string& path : paths) {
    std::error_code error;
    std::vector<std::string> files = {path};
    if (path != "-" && fs::is_directory(path, error)) {
      CULVERT_ASSIGN_OR_RETURN(files, ListFolder(path));
    }
    for (const std::string& file : files) {
      const absl::Status status = LoadOne(file, objects);
      if (status.ok()) continue;
      if (!absl::IsInvalidArgument(status)) return status;
      faults.AddLine(std::string(status.message()));
      if (faults.full()) return faults.ToStatus();
    }
  }
  FindDuplicates(objects, faults);
  CULVERT_RETURN_IF_ERROR(faults.ToStatus());
  return objects;
}

}  // namespace culvert::manifest
