// The flags every verb takes, and what of the surroundings they depend on.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"

namespace culvert::cli {

// kJsonLines: one document a line, for what has no end. The last three take an expression: -o jsonpath=EXPRESSION.
enum class Format : uint8_t { kTable, kWide, kJson, kJsonLines, kYaml, kName, kJsonPath, kJmesPath, kCustomColumns };

// Of --dry-run. kServer: the daemon is asked and changes nothing. kLocal: nobody is asked.
enum class DryRun : uint8_t { kNo, kServer, kLocal };

// What TLS to a daemon at HOST:PORT needs. Paths; empty: not given.
struct TlsFlags {
  std::string ca_file;           // --ca-file: whom to trust; empty: the system's roots
  std::string certificate_file;  // --certificate-file: what we show, with
  std::string key_file;          // --key-file
  std::string server_name;       // --tls-server-name: expected in the daemon's certificate; empty: the host
};

struct Globals {
  std::string context;  // --context; empty: CULVERTCTL_CONTEXT, or the current one
  std::string address;  // unix:PATH or HOST:PORT; empty: the context's, or the default places
  TlsFlags tls;
  std::string output;   // as given to -o
  std::string color = "auto";
  std::string timeout_text = "10s";
  std::string filter;    // --filter, in the API's grammar (server/query/filter.h)
  std::string selector;  // -l: "tier=edge,site!=a"
  std::string dry_run_text;
  bool no_headers = false;
  bool no_input = false;  // never ask
  bool yes = false;
  bool verbose = false;
  bool quiet = false;

  // Filled in from the texts above before a command completes itself.
  Format format = Format::kTable;
  std::string expression;  // of the formats that take one
  DryRun dry_run = DryRun::kNo;
  Duration request_timeout = std::chrono::seconds(10);

  // Of the daemon that is meant (target.h), filled in likewise.
  std::string context_name;    // empty: none
  bool is_protected = false;   // the context asks for care before anything is changed
  std::string target_address;  // where requests go: "unix:PATH" or HOST:PORT; empty: what was given makes no sense
};

struct Environment {
  // nullopt: the variable is not set.
  std::function<std::optional<std::string>(const std::string& name)> get = [](const std::string&) {
    return std::nullopt;
  };
  uint32_t user_id = 0;
  // Replaces this program with another one (argv[0] first); comes back only when that fails, with errno.
  std::function<int(const std::string& path, const std::vector<std::string>& arguments)> replace_program =
      [](const std::string&, const std::vector<std::string>&) { return 38; };  // ENOSYS
};

}  // namespace culvert::cli
