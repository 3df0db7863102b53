// Outputs that are compared to the letter with files of golden/. With CULVERT_UPDATE_GOLDEN=1 in the environment the files are written
// anew instead: read the difference before it is committed.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace culvert::cli {

// `name`: of the file, without its folder.
inline void ExpectGolden(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(CULVERT_GOLDEN) / name;
  if (std::getenv("CULVERT_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  ASSERT_TRUE(std::filesystem::exists(path)) << path;
  std::ostringstream there;
  there << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, there.str()) << path;
}

}  // namespace culvert::cli
