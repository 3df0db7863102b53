// Reactor: the epoll set of one worker. Waiting and dispatching are separate calls, so that the worker can read the clock
// once in between:
//   reactor.Wait(deadline); now = Now(); ...; reactor.Dispatch();
//
// Level-triggered unless kEdge is asked for. A handler may remove itself or any other during Dispatch: what was ready for a
// removed handler is forgotten, even if its descriptor's number is in use again.
// Thread: confined to one worker.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/io/file_descriptor.h"

namespace culvert::io {

// Bits of interest and readiness; the values are epoll's. kError and kHangUp are always reported.
inline constexpr uint32_t kReadable = 0x001;
inline constexpr uint32_t kWritable = 0x004;
inline constexpr uint32_t kError = 0x008;
inline constexpr uint32_t kHangUp = 0x010;
inline constexpr uint32_t kPeerFinished = 0x2000;
inline constexpr uint32_t kEdge = 1u << 31;  // report a change once; interest only

class IoHandler {
 public:
  virtual void OnIo(uint32_t ready) = 0;

 protected:
  ~IoHandler() = default;
};

class Reactor {
 public:
  // Errors: RESOURCE_EXHAUSTED, INTERNAL when the system refuses an epoll set.
  static absl::StatusOr<std::unique_ptr<Reactor>> Create();

  // `handler` must stay until Remove. Errors: RESOURCE_EXHAUSTED (the system's limit on watched descriptors).
  [[nodiscard]] absl::Status Add(int fd, uint32_t interest, IoHandler& handler);
  // REQUIRES: `fd` was added.
  void Modify(int fd, uint32_t interest);
  // To be called before `fd` is closed. Nothing happens if it is not in the set.
  void Remove(int fd);

  // Waits until a descriptor is ready or `deadline` has come (nullopt: without limit), with nanosecond resolution where the
  // kernel has it, else rounded up to milliseconds. May return early. Returns how many are ready, at most kMaxReady; the
  // others are reported next time.
  size_t Wait(std::optional<TimePoint> deadline);
  // Calls the handlers of what the last Wait found.
  void Dispatch();

  static constexpr size_t kMaxReady = 256;

 private:
  struct Entry {
    IoHandler* handler = nullptr;
    uint32_t generation = 0;  // changes with every Add, so that stale readiness finds nothing
  };
  struct Ready {
    uint64_t key;
    uint32_t bits;
  };

  explicit Reactor(FileDescriptor epoll) : epoll_(std::move(epoll)) {}

  FileDescriptor epoll_;
  std::vector<Entry> entries_;  // by descriptor
  std::array<Ready, kMaxReady> ready_{};
  size_t ready_count_ = 0;
  bool has_nanosecond_wait_ = true;
};

}  // namespace culvert::io
