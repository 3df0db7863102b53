// The flags of culvertd. Each can be given through the environment too: --drain-timeout as CULVERTD_DRAIN_TIMEOUT; a flag wins.
// Thread: main's.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/base/log.h"
#include "core/base/time.h"
#include "server/log_sink.h"

namespace culvert::server {

struct Options {
  std::vector<std::string> config_dirs;
  std::vector<std::string> credentials_dirs;  // credential_folders.h
  std::string control_path;  // of the Unix socket, without "unix:"
  struct ControlTcp {
    std::string bind;  // ADDRESS:PORT; empty: no TCP
    std::string certificate_file;
    std::string private_key_file;
    std::string trust_file;
    bool reflection = false;
  };
  ControlTcp control_tcp;
  std::string access_policy;  // a file; empty: the built-in one
  uint32_t workers = 1;
  std::string observe;  // HOST:PORT of probes and metrics; empty: no port
  bool unready_on_drain = false;
  std::vector<std::string> ready_requires;  // names of dialers
  Duration drain_timeout = std::chrono::seconds(10);
  // Folders for what outlives the daemon, the first that can be used is taken; empty: it keeps nothing.
  std::vector<std::string> state_dirs;
  bool state_dir_is_given = false;  // by a flag: then it is that one or no start
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
};

// There is nothing to run: print `text` and exit with `code`. 0: to standard output; else to standard error.
struct ExitEarly {
  int code = 0;
  std::string text;
};

// What the surroundings decide where a flag does not.
struct Surroundings {
  bool is_root = false;
  bool has_terminal = false;
  std::string runtime_dir;  // XDG_RUNTIME_DIR; empty: not set
  std::string state_home;   // XDG_STATE_HOME, or its default below HOME; empty: neither is set
  uint32_t cpu_budget = 1;
};

std::variant<Options, ExitEarly> ParseOptions(int argc, const char* const* argv, const Surroundings& surroundings);

}  // namespace culvert::server
