#include "tests/testing/temp_dir.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/check.h"

namespace culvert::testing {
namespace {

std::string DefaultBase() {
  const char* base = getenv("TMPDIR");
  return base != nullptr && *base != 0 ? base : "/tmp";
}

}  // namespace

TempDir::TempDir(const std::string& base) : path_(base + "/culvert-test-XXXXXX") { CULVERT_CHECK(mkdtemp(path_.data()) != nullptr); }

TempDir::TempDir() : TempDir(DefaultBase()) {}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(std::string_view name, std::string_view content, int mode) const {
  const std::string path = File(name);
  {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << content;
    CULVERT_CHECK(file.good());
  }
  CULVERT_CHECK(chmod(path.c_str(), static_cast<mode_t>(mode)) == 0);
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace culvert::testing
