// culvertctl: real streams, signals and surroundings around RunCulvertctl.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/process/interrupt.h"
#include "cli/process/terminal.h"

int main(int argc, char** argv) {
  using namespace culvert::cli;
  // gRPC's own log lines would mix with ours; what went wrong reaches us as a status.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  InstallInterruptHandlers();
  Environment environment;
  environment.user_id = ::geteuid();
  environment.get = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  environment.replace_program = [](const std::string& path, const std::vector<std::string>& arguments) {
    std::vector<char*> words;
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    ::execv(path.c_str(), words.data());
    return errno;
  };
  Streams streams{std::cout, std::cerr, std::cin, ::isatty(STDIN_FILENO) == 1, ::isatty(STDOUT_FILENO) == 1};
  streams.in_descriptor = STDIN_FILENO;
  if (streams.out_is_terminal) {
    const ScreenSize size = TerminalSize();
    streams.columns = size.columns;
    streams.rows = size.rows;
  }
  const ExitCode code =
      RunCulvertctl(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), streams, environment);
  std::cout.flush();
  if (!std::cout && code == ExitCode::kOk) {
    std::cerr << "error: standard output cannot be written\n";
    return static_cast<int>(ExitCode::kServer);
  }
  return static_cast<int>(code);
}
