// FolderWatch: waits until something may have changed in one of some folders (inotify). It watches the folders, not the files: a mounted
// ConfigMap changes by a link in the folder that is put in another's place, of which who watches a file hears only that it is gone.
// Where the system has no watches left, or a folder is not there, nothing comes of it: who waits looks now and then by itself.
// Thread: Wake from any; the rest from one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/io/file_descriptor.h"

namespace culvert::io {

class FolderWatch {
 public:
  // Errors: RESOURCE_EXHAUSTED when the system refuses an eventfd.
  static absl::StatusOr<std::unique_ptr<FolderWatch>> Create(std::vector<std::string> folders);

  enum class Event : uint8_t { kNothing, kChange, kWake };
  // Waits for `time` at most. A wake-up is told before changes.
  [[nodiscard]] Event Wait(Duration time);
  // Ends a Wait, now or the next one.
  void Wake();
  // Folders that were not there, or were put in another's place, are watched from now on.
  void WatchAgain();

 private:
  FolderWatch(std::vector<std::string> folders, FileDescriptor wake, FileDescriptor watch)
      : folders_(std::move(folders)), wake_(std::move(wake)), watch_(std::move(watch)) {}

  const std::vector<std::string> folders_;
  const FileDescriptor wake_;
  const FileDescriptor watch_;  // may be closed: no inotify
};

}  // namespace culvert::io
