#include "core/io/thread_settings.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace culvert::io {

void SetThreadNiceness(int niceness) {
  // On Linux every thread has a niceness of its own, whatever POSIX says of processes.
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), niceness));
}

void NameThread(const std::string& name) { static_cast<void>(prctl(PR_SET_NAME, name.c_str())); }

}  // namespace culvert::io
