// The contexts of a user: $XDG_CONFIG_HOME/culvertctl/config.yaml, or ~/.config/culvertctl/config.yaml, in the form of
// context_file.proto. Only its owner may see or change it (private_file.h); nothing in it is run.
// Thread: confined to its owner.
#pragma once

#include <string>
#include <vector>

#include "cli/process/failure.h"
#include "cli/process/globals.h"
#include "cli/target/context_file.pb.h"

namespace culvert::cli {

class Contexts {
 public:
  // A file that is not there reads as one without contexts.
  // Failures: modes and owners that are wrong; "FILE:LINE: PATH: what" for what is no such file.
  Outcome Load(const Environment& environment);
  // Failures: those of the file system; no place for the file (neither XDG_CONFIG_HOME nor HOME is set).
  Outcome Save() const;

  const std::string& path() const { return path_; }  // empty: there is no place for it
  file::ContextFile& file() { return file_; }
  const file::ContextFile& file() const { return file_; }
  file::NamedContext* Find(const std::string& name);
  std::vector<std::string> Names() const;
  // "no context "prdo" in FILE (did you mean prod?)". `origin`: what named it, "--context".
  Failure Missing(const std::string& origin, const std::string& name) const;
  // A path of the file as the file means it.
  std::string Absolute(const std::string& path) const;

 private:
  std::string path_;
  file::ContextFile file_;
};

// What is wrong with a context; empty: nothing.
std::string FaultOf(const file::NamedContext& context);

}  // namespace culvert::cli
