// Verbs of others: a program culvertctl-foo on PATH is "culvertctl foo", never in place of a verb of ours.
// Thread: any; looks at the file system.
#pragma once

#include <string>
#include <vector>

#include "cli/process/globals.h"

namespace culvert::cli {

struct Plugin {
  std::string verb;  // "foo"
  std::string path;
  bool is_executable = false;
  std::string shadowed_by;  // a path that stands earlier on PATH; empty: none
};

// All that are on PATH, in its order, names sorted within a folder. Only absolute folders count: what "." is, others may decide.
std::vector<Plugin> FindPlugins(const Environment& environment);

// The program behind a verb that is not ours; empty: none.
std::string PluginFor(const std::string& verb, const Environment& environment);

}  // namespace culvert::cli
