// The surroundings of a culvertctl under test: a home of its own, variables, and command lines run in them.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "cli/app.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {

class Surroundings {
 public:
  Surroundings() { variables["XDG_CONFIG_HOME"] = home.path(); }

  Environment environment() const {
    Environment all;
    all.user_id = user;
    all.get = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
    };
    return all;
  }
  Answer Run(std::vector<std::string> arguments, const std::string& input = "") const {
    std::ostringstream out, err;
    std::istringstream in(input);
    Streams streams{out, err, in};
    const ExitCode code = RunCulvertctl(std::move(arguments), streams, environment());
    return {static_cast<int>(code), out.str(), err.str()};
  }
  std::string folder() const { return home.File("culvertctl"); }
  std::string config() const { return folder() + "/config.yaml"; }
  // Makes `text` the file of contexts, with modes.
  void Contexts(const std::string& text, mode_t file = 0600, mode_t its_folder = 0700) const {
    ::mkdir(folder().c_str(), 0700);
    (void)home.Write("culvertctl/config.yaml", text, file);
    ::chmod(config().c_str(), file);
    ::chmod(folder().c_str(), its_folder);
  }

  testing::TempDir home;
  std::map<std::string, std::string> variables;
  uint32_t user = ::geteuid();
};

}  // namespace culvert::cli
