// Files that say whom we trust and who we are: read only when nobody else can have written them, or read them where that matters, and
// replaced as a whole. Failures name the file, its mode and the command that puts it right.
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/process/failure.h"

namespace culvert::cli {

// The content of `path`; nullopt when there is no such file. The file must be `user`'s and closed to all others (0600), the folder it
// stands in likewise (0700). A link is followed when it is `user`'s too.
Outcome ReadPrivateFile(const std::string& path, uint32_t user, std::optional<std::string>& content);

// Makes `content` the file, 0600, in one step; makes its folder, 0700, when there is none. Behind a link, what it leads to is
// replaced. REQUIRES: ReadPrivateFile went well.
Outcome WritePrivateFile(const std::string& path, const std::string& content);

// A private key: of `user` and closed to all others, or of root and at most open to its group. `origin`: what named it, "--key-file".
Outcome ReadKeyFile(const std::string& path, const std::string& origin, uint32_t user, std::string& content);

// Certificates, which anybody may read.
Outcome ReadPublicFile(const std::string& path, const std::string& origin, std::string& content);

}  // namespace culvert::cli
