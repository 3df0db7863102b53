// Ctrl-C and SIGTERM as something to wait on, so that every measurement ends early and cleans up after itself.
#pragma once

#include "core/base/time.h"

namespace culvert::bench {

// Takes SIGINT, SIGTERM and SIGHUP from the whole process. Call it before any thread is started.
void WatchForInterrupt();
// Thread: any.
bool IsInterrupted();
// Sleeps. False: interrupted meanwhile.
bool SleepUnlessInterrupted(Duration duration);

}  // namespace culvert::bench
