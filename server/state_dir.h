// StateDir: the folder for what outlives the daemon. Mode 0700 and ours, its files 0600 and ours, one daemon at a time.
//
// A file is replaced as a whole: written under another name, fsync, rename, fsync of the folder; so after a crash it is the old one
// or the new one. No symbolic link, pipe or device is ever followed or read in it.
// Thread: confined to its owner; it waits for a local disk. Source: reliability.md T61, T62.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace culvert::server {

class StateDir {
 public:
  // Makes the folder, and those above it, where they are missing.
  // Errors, with what to do about them: ABORTED when another daemon uses it; FAILED_PRECONDITION when it is a link or no folder,
  // belongs to somebody else or lets others in; those of the system.
  static absl::StatusOr<std::unique_ptr<StateDir>> Open(const std::string& path);
  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::string& path() const { return path_; }

  // The content of a file, which the caller erases; nullopt: there is none.
  // Errors: DATA_LOSS when it is not a regular file of ours of at most `max_bytes`; those of the system.
  absl::StatusOr<std::optional<std::string>> Read(const std::string& name, size_t max_bytes) const;
  // Makes `content` the file's. After an error the file is what it was.
  absl::Status Write(const std::string& name, ByteView content) const;
  // Gives a file that cannot be used another name, "NAME.damaged", which takes the place of an earlier one. Returns that name.
  absl::StatusOr<std::string> SetAside(const std::string& name) const;

 private:
  StateDir(std::string path, int folder, int lock) : path_(std::move(path)), folder_(folder), lock_(lock) {}

  const std::string path_;
  const int folder_;
  const int lock_;
};

}  // namespace culvert::server
