#include "tests/testing/peer_files.h"

#include <stdlib.h>
#include <unistd.h>

#include <sstream>

namespace culvert::testing {
namespace {

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

std::string CacheFolder() {
  const std::string cache = Environment("CULVERT_CACHE");
  if (!cache.empty()) return cache;
  const std::string xdg = Environment("XDG_CACHE_HOME");
  return (xdg.empty() ? Environment("HOME") + "/.cache" : xdg) + "/culvert";
}

std::string PeerFolder(std::string_view peer) { return CacheFolder() + "/peers/" + std::string(peer); }

}  // namespace

std::string FindPeer(std::string_view peer, std::string_view program) {
  const std::string path = PeerFolder(peer) + "/usr/bin/" + std::string(program);
  return access(path.c_str(), X_OK) == 0 ? path : "";
}

std::string FindPythonModules(std::string_view peer, std::string_view module) {
  const std::string folder = PeerFolder(peer) + "/usr/lib/python3/dist-packages";
  return access((folder + "/" + std::string(module) + "/__init__.py").c_str(), R_OK) == 0 ? folder : "";
}

std::string FindTool(std::string_view name) {
  const std::string path = CacheFolder() + "/tools/" + std::string(name) + "/bin/" + std::string(name);
  return access(path.c_str(), X_OK) == 0 ? path : "";
}

std::string FindInstalled(std::string_view program) {
  std::istringstream folders(Environment("PATH") + ":/usr/sbin:/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string path = folder + "/" + std::string(program);
    if (!folder.empty() && access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

}  // namespace culvert::testing
