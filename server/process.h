// What the daemon asks of the operating system for itself: limits, signals, the control socket's place in the file system.
// Beside core/io the only part of the server with system calls (tests/tidy).
// Thread: main's, at start and stop.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace culvert::server {

// Raises the limit of open files to the hard one, forbids core dumps (they would hold seeds), ignores SIGPIPE.
void PrepareProcess();

// Descriptors that this process may have open.
uint64_t MaxOpenFiles();

// From now on SIGTERM, SIGINT, SIGHUP and the private wake-up signal wait for WaitForSignal, in this thread and all it starts.
void BlockSignals();
enum class Signal : uint8_t { kStop, kReload, kWake };  // SIGTERM or SIGINT; SIGHUP; WakeSignalWaiter
Signal WaitForSignal();
// Makes WaitForSignal return kWake, from any thread.
void WakeSignalWaiter();
// As if SIGTERM had come.
void StopProcess();
// Ends the process now, without destructors. For the second stop signal.
[[noreturn]] void ExitNow(int code);

// Gives back to the system what the heap holds and does not use, when the process has grown by more than `most` bytes since it last did so:
// a moment in which much was asked leaves holes that nothing fills again. May take some milliseconds. One thread at a time.
void TrimGrownHeap(size_t most);

uint64_t ResidentBytes();
double ProcessCpuSeconds();  // of all threads, in user and system mode
bool IsRoot();
uint32_t UserId();   // that we act as
uint32_t GroupId();
bool StandardErrorIsTerminal();
std::string HostName();
int64_t ProcessId();
// Whether something keeps the machine's clock right, as far as the kernel was told.
bool ClockIsSynchronized();
// File descriptors that are open; how many may be: MaxOpenFiles.
uint64_t OpenFiles();

// Makes `path` ready to be bound as a Unix socket: creates its folder (0750) if it is missing, and removes a socket that
// nobody listens on any more.
// Errors: INVALID_ARGUMENT for a path that no Unix socket can have; FAILED_PRECONDITION when another process listens there, or
// something stands there that is no socket; PERMISSION_DENIED and others from the file system.
absl::Status PrepareControlSocket(const std::string& path);
void RemoveControlSocket(const std::string& path);

}  // namespace culvert::server
