#include "core/io/file_stamp.h"

#include <sys/stat.h>

#include <algorithm>
#include <initializer_list>

namespace culvert::io {

uint64_t FileStamp(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return 0;
  // FNV-1a over whole words: nobody gains by a collision but who may write the file.
  uint64_t stamp = 0xcbf29ce484222325;
  for (const int64_t part : {static_cast<int64_t>(found.st_dev), static_cast<int64_t>(found.st_ino), static_cast<int64_t>(found.st_size),
                             static_cast<int64_t>(found.st_mtim.tv_sec), static_cast<int64_t>(found.st_mtim.tv_nsec),
                             static_cast<int64_t>(found.st_ctim.tv_sec), static_cast<int64_t>(found.st_ctim.tv_nsec)}) {
    stamp = (stamp ^ static_cast<uint64_t>(part)) * 0x100000001b3;
  }
  return std::max<uint64_t>(stamp, 1);
}

}  // namespace culvert::io
