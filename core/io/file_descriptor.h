// FileDescriptor: owns one descriptor and closes it. Move-only; the default value owns none.
// Thread: confined to its owner, who may hand it on.
#pragma once

#include <utility>

#include "absl/status/statusor.h"

namespace culvert::io {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { Close(); }

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] int get() const { return fd_; }
  void Close();
  // The descriptor, which is now the caller's to close.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  // A second descriptor of the same open file. Errors: RESOURCE_EXHAUSTED when the process has too many.
  [[nodiscard]] absl::StatusOr<FileDescriptor> Duplicate() const;

 private:
  int fd_ = -1;
};

}  // namespace culvert::io
