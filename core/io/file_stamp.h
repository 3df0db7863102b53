// FileStamp: tells cheaply whether a file may have changed. Links are followed, so a link that leads elsewhere is another stamp.
// Thread: any.
#pragma once

#include <cstdint>
#include <string>

namespace culvert::io {

// Of device, inode, size and times of change; 0: it is not there, or cannot be looked at.
uint64_t FileStamp(const std::string& path);

}  // namespace culvert::io
