// Files of declared objects on their way to the daemon, and what it says about them on the way back to their lines.
// Thread: confined to main.
#pragma once

#include <string>
#include <vector>

#include "cli/process/failure.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {

// Reads files, folders and "-". Errors: kUsage with a line for each fault; also when there is no object in any of them.
Outcome LoadManifests(const std::vector<std::string>& files, std::vector<manifest::SourceObject>& out);
// Refuses what cannot be read before anything is: no file at all, standard input twice. `verb` for the advice.
Outcome CheckFileNames(const std::vector<std::string>& files, const std::string& verb);

// "objects[2].spec.bind" → "FILE:LINE: spec.bind" of the third object; other texts stay as they are, made printable.
std::string AtSource(const std::string& path, const std::vector<manifest::SourceObject>& sources);
// `failure` with every fault that names a field brought back to its line.
Failure AtSources(const ServerError& error, Failure failure, const std::vector<manifest::SourceObject>& sources);

}  // namespace culvert::cli
