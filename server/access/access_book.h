// AccessBook: the access policy in force. A file is looked at again and again; what has changed and is valid takes the place of what
// was; what is not valid is told once and changes nothing.
// Thread: policy() from any; the rest from one.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "server/access/access_policy.h"

namespace culvert::server {

class AccessBook {
 public:
  using ReadFile = std::function<absl::StatusOr<std::string>(const std::string& path)>;

  explicit AccessBook(AccessPolicy policy) : policy_(std::make_shared<const AccessPolicy>(std::move(policy))) {}
  // Errors: that of reading or of the content, with file, line and field.
  static absl::StatusOr<std::unique_ptr<AccessBook>> FromFile(const std::string& path, ReadFile read_file);

  [[nodiscard]] std::shared_ptr<const AccessPolicy> policy() const;

  struct Look {
    bool has_changed = false;
    absl::Status fault;  // not OK: the file cannot be used; the same fault is told once
  };
  // Reads the file again, if there is one.
  Look LookAgain();

 private:
  std::string path_;  // empty: none
  ReadFile read_file_;
  std::string content_;
  std::string told_fault_;
  mutable std::mutex mutex_;
  std::shared_ptr<const AccessPolicy> policy_;  // guarded by mutex_
};

}  // namespace culvert::server
