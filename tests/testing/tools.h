// Programs of others that tests run, as Debian installs them (deploy/setup).
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace culvert::testing {

// Where a program is: in PATH, or where only root's has it. Empty: nowhere.
inline std::string FindProgram(const std::string& name) {
  std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  path += ":/usr/sbin:/sbin:/usr/bin:/bin";
  size_t begin = 0;
  while (begin < path.size()) {
    size_t end = path.find(':', begin);
    if (end == std::string::npos) end = path.size();
    const std::string candidate = path.substr(begin, end - begin) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return "";
}

}  // namespace culvert::testing
