// The user's editor on a text of ours: $VISUAL, $EDITOR or vi, on a file that only they can read.
// Thread: confined to main.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/process/globals.h"

namespace culvert::cli {

// A private folder with one file in it, mode 0600. Removed in the end, unless it is kept.
class EditedFile {
 public:
  // `name` of the file, so that the editor knows its syntax. Errors: what the system answers.
  static absl::StatusOr<EditedFile> Create(const std::string& name, const Environment& environment);
  EditedFile(EditedFile&& other) noexcept;
  EditedFile& operator=(EditedFile&&) = delete;
  ~EditedFile();

  const std::string& path() const { return path_; }
  // It stays when the object goes: what somebody wrote must not get lost.
  void Keep() { is_kept_ = true; }
  // Makes `text` its content. Errors: what the system answers.
  absl::Status Write(const std::string& text);
  // Runs the editor and waits for its end; interrupts are the editor's meanwhile. Answers the content.
  // Errors: FAILED_PRECONDITION when the editor cannot be run or fails; INVALID_ARGUMENT when the file is larger than a file of
  // objects may be; what the system answers.
  absl::StatusOr<std::string> Edit(const Environment& environment);

 private:
  EditedFile(std::string folder, std::string path) : folder_(std::move(folder)), path_(std::move(path)) {}

  std::string folder_;
  std::string path_;
  bool is_kept_ = false;
};

}  // namespace culvert::cli
