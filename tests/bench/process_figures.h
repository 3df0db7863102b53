// What the kernel says a process has used.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace culvert::bench {

// Of all its threads, user and system.
double CpuSeconds(pid_t pid);
size_t ResidentBytes(pid_t pid);
size_t Descriptors(pid_t pid);

}  // namespace culvert::bench
