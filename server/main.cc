// culvertd: flags, signals, wiring; no logic.
#include <malloc.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "core/base/log.h"
#include "server/cpu_budget.h"
#include "server/daemon.h"
#include "server/log_book.h"
#include "server/log_sink.h"
#include "server/options.h"
#include "server/process.h"

namespace {

using namespace culvert::server;  // NOLINT: this file is the program

Surroundings LookAround() {
  Surroundings surroundings;
  surroundings.is_root = IsRoot();
  surroundings.has_terminal = StandardErrorIsTerminal();
  if (const char* folder = std::getenv("XDG_RUNTIME_DIR")) surroundings.runtime_dir = folder;
  if (const char* folder = std::getenv("XDG_STATE_HOME"); folder != nullptr && *folder == '/') {
    surroundings.state_home = folder;
  } else if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    surroundings.state_home = std::string(home) + "/.local/state";
  }
  surroundings.cpu_budget = CpuBudget();
  return surroundings;
}

// SIGHUP reads files again. Waits for the first stop signal, then stops in order; a second signal ends the process at once.
void RunUntilSignal(Daemon& daemon) {
  for (Signal signal = WaitForSignal(); signal != Signal::kStop; signal = WaitForSignal()) {
    if (signal == Signal::kReload) daemon.Reload();
  }
  culvert::Log(culvert::LogLevel::kInfo, "daemon", "stopping");
  std::thread stopper([&daemon] {
    daemon.Stop();
    WakeSignalWaiter();
  });
  Signal second = WaitForSignal();
  while (second == Signal::kReload) second = WaitForSignal();
  if (second == Signal::kStop) {
    culvert::Log(culvert::LogLevel::kWarning, "daemon", "stopped at once by a second signal");
    RemoveControlSocket(daemon.control_path());
    ExitNow(1);
  }
  stopper.join();
  culvert::Log(culvert::LogLevel::kInfo, "daemon", "stopped");
}

// glibc gives threads heaps of their own, eight a processor, and each keeps what its busiest moment took: a client that floods the control API
// left half as much again behind. Workers allocate nothing for what they carry, so they do not miss them; the control plane shares three.
void LimitHeaps(uint32_t workers) { mallopt(M_ARENA_MAX, static_cast<int>(workers) + 3); }

}  // namespace

int main(int argc, char** argv) {
  PrepareProcess();
  BlockSignals();
  auto parsed = ParseOptions(argc, argv, LookAround());
  if (const auto* early = std::get_if<ExitEarly>(&parsed)) {
    std::fputs(early->text.c_str(), early->code == 0 ? stdout : stderr);
    return early->code;
  }
  const Options& options = std::get<Options>(parsed);
  LimitHeaps(options.workers);
  LogBook logs;
  const std::unique_ptr<culvert::LogSink> standard_error = CreateLogSink(options.log_format);
  const std::unique_ptr<culvert::LogSink> sink = KeepIn(logs, *standard_error);
  culvert::SetLogSink(sink.get());
  culvert::SetLogLevel(options.log_level);
  culvert::SetLogLevel("audit", culvert::LogLevel::kInfo);  // who changed what is written down whatever else is

  int exit_code = 0;
  {
    Daemon daemon(options, logs);
    if (const auto failure = daemon.Start()) {
      for (const std::string& line : failure->lines) std::fprintf(stderr, "culvertd: %s\n", line.c_str());
      exit_code = failure->exit_code;
    } else {
      RunUntilSignal(daemon);
    }
  }
  culvert::SetLogSink(nullptr);
  return exit_code;
}
