// Mailbox: the bounded queue through which other threads reach a worker, with an eventfd that wakes its reactor.
// Thread: Post, Wake and Close from any; Drain and the descriptor belong to the worker.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "core/io/file_descriptor.h"

namespace culvert::io {

class Mailbox {
 public:
  using Task = std::function<void()>;

  // `capacity`: tasks that may wait at a time. Errors: RESOURCE_EXHAUSTED when the system refuses an eventfd.
  static absl::StatusOr<std::unique_ptr<Mailbox>> Create(size_t capacity);

  // False, and no effect, when the mailbox is full or closed.
  [[nodiscard]] bool Post(Task task);
  // Makes the descriptor readable without a task. Never fails.
  void Wake();
  // From now on nothing can be posted; what was posted is still to be drained.
  void Close();

  // Runs everything that was posted before the call, in order, and returns how many. What the tasks post waits.
  size_t Drain();
  // Readable when there may be something to drain.
  [[nodiscard]] int fd() const { return wake_.get(); }

 private:
  Mailbox(FileDescriptor wake, size_t capacity) : wake_(std::move(wake)), capacity_(capacity) {}

  const FileDescriptor wake_;
  const size_t capacity_;
  std::mutex mutex_;
  std::vector<Task> waiting_;  // guarded by mutex_
  bool closed_ = false;        // guarded by mutex_
  std::vector<Task> running_;  // the worker's; swapped with waiting_ so that both keep their memory
};

}  // namespace culvert::io
