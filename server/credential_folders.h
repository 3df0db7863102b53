// CredentialFolders: the folders of --credentials-dir. Below them a caller of the API whose role is less than admin may name files, and
// nowhere else (reliability.md T54): the daemon can read what its callers cannot, and must not read it for them. What lies below one is
// opened so that no link leads out of it, whoever named it and whenever it is read (seed_file.h).
//
// Everything here is a matter of spelling: no file is looked at, so an answer tells nothing of what there is.
// Thread: any; immutable.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace culvert::server {

class CredentialFolders {
 public:
  CredentialFolders() = default;
  // Errors of one are those of Judge, which is for whoever reads the flag.
  explicit CredentialFolders(const std::vector<std::string>& folders);
  // What may be such a folder: an absolute path other than "/", without '.', '..' and empty parts but for a slash at its end.
  static absl::Status Judge(std::string_view folder);

  // Why who may name files below the folders only may not name this one; empty: it may be named. Only the plainest spelling may, so
  // that what is judged and what is opened are the same.
  [[nodiscard]] std::string FaultOf(std::string_view path) const;

  struct Place {
    std::string folder;
    std::string rest;  // relative to it; at no point above it, by its spelling
  };
  // Where a file lies, if it is below one of the folders; any spelling that says so counts.
  [[nodiscard]] std::optional<Place> PlaceOf(std::string_view path) const;

 private:
  std::vector<std::string> folders_;  // without a slash at the end
};

}  // namespace culvert::server
