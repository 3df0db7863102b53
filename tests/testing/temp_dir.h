// A directory of one test, and the files in it. Removed with everything in it when the object goes.
#pragma once

#include <string>
#include <string_view>

namespace culvert::testing {

class TempDir {
 public:
  TempDir();  // ends the process when the system refuses: no test can go on without
  explicit TempDir(const std::string& base);  // in this folder instead of TMPDIR or /tmp
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }
  // Writes a file with the given permissions and returns its path.
  std::string Write(std::string_view name, std::string_view content, int mode = 0644) const;

 private:
  std::string path_;
};

// The whole content; empty when it cannot be read.
std::string ReadFile(const std::string& path);

}  // namespace culvert::testing
