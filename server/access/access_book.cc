#include "server/access/access_book.h"

#include <utility>

namespace culvert::server {

absl::StatusOr<std::unique_ptr<AccessBook>> AccessBook::FromFile(const std::string& path, ReadFile read_file) {
  absl::StatusOr<std::string> content = read_file(path);
  if (!content.ok()) return std::move(content).status();
  absl::StatusOr<AccessPolicy> policy = AccessPolicy::Parse(*content, path);
  if (!policy.ok()) return std::move(policy).status();
  auto book = std::make_unique<AccessBook>(*std::move(policy));
  book->path_ = path;
  book->read_file_ = std::move(read_file);
  book->content_ = *std::move(content);
  return book;
}

std::shared_ptr<const AccessPolicy> AccessBook::policy() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

AccessBook::Look AccessBook::LookAgain() {
  Look look;
  if (path_.empty()) return look;
  absl::Status fault;
  absl::StatusOr<std::string> content = read_file_(path_);
  if (!content.ok()) {
    fault = content.status();
  } else if (*content != content_) {
    absl::StatusOr<AccessPolicy> policy = AccessPolicy::Parse(*content, path_);
    if (policy.ok()) {
      content_ = *std::move(content);
      const std::lock_guard lock(mutex_);
      policy_ = std::make_shared<const AccessPolicy>(*std::move(policy));
      look.has_changed = true;
    } else {
      fault = policy.status();
    }
  }
  const std::string text(fault.message());
  if (text != told_fault_) look.fault = fault;
  told_fault_ = text;
  return look;
}

}  // namespace culvert::server
