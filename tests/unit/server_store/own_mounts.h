// A folder on a small file system of its own, that can be filled and made read-only without anybody else noticing. Root only.
#pragma once

#include <functional>
#include <string>

namespace culvert::server {

class OwnMounts {
 public:
  // Runs `body` on a thread with mounts of its own, and so do the threads it starts. Skips the test loudly where that is not
  // permitted; fails it with CULVERT_REQUIRE_ROOT_TESTS=1.
  static void Run(const std::function<void()>& body);

  // Within Run: puts an empty file system of so many bytes, mode 0700, over the folder.
  static void Mount(const std::string& folder, size_t bytes);
  static void SetReadOnly(const std::string& folder, bool is_read_only);  // true and false in turn
  // Takes all room but this many bytes, by a file "filler"; a second call changes how many.
  static void Fill(const std::string& folder, size_t bytes_left);
};

}  // namespace culvert::server
