// What the store asks of the file system: who owns a file, whether it is still the same one, and names that change for good.
// No symbolic link, pipe or device is followed or opened.
// Errors: those of the system, with the path; FAILED_PRECONDITION and RESOURCE_EXHAUSTED as in database.h.
// Thread: any; no state. It waits for the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace culvert::server {

// What lies under a name.
struct FileLook {
  bool exists = false;
  std::string unusable;  // empty, or why it is none of ours: "is a symbolic link"
  int64_t bytes = 0;
  int64_t changed_unix_seconds = 0;
};
// Of a regular file of ours with another mode than 0600 it puts the mode right: nobody else could have come into the folder.
absl::StatusOr<FileLook> LookAt(const std::string& path, int64_t max_bytes);

// Tells whether a file is still the one it was, and as it was left.
struct FileMark {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t bytes = 0;
  int64_t changed_ns = 0;

  bool IsSameFile(const FileMark& other) const { return device == other.device && inode == other.inode; }
  friend bool operator==(const FileMark&, const FileMark&) = default;
};
// nullopt: no such file, or none that can be looked at.
std::optional<FileMark> MarkOf(const std::string& path);

// The folder's own path without any symbolic link. Errors: FAILED_PRECONDITION when it is no folder of ours alone.
absl::StatusOr<std::string> CheckFolder(const std::string& path);
// Whether something could be written into the folder now, as far as can be told without writing.
absl::Status CheckRoom(const std::string& folder);

// A new empty file of mode 0600, in place of what a crash left under the name.
absl::Status MakeFile(const std::string& path);
// Gives a file that is complete its name, in place of what has it: on the disk when it returns.
absl::Status PutInPlace(const std::string& from, const std::string& to);
// Renames whatever it is; OK when there is nothing.
absl::Status MoveAway(const std::string& from, const std::string& to);
// Makes the names in it last.
absl::Status SyncFolder(const std::string& folder);
// Removes what was only begun. Nothing depends on it.
void Discard(const std::string& path);

}  // namespace culvert::server
