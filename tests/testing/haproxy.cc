#include "tests/testing/haproxy.h"

#include "absl/strings/str_format.h"
#include "tests/testing/listening.h"
#include "tests/testing/peer_files.h"

namespace culvert::testing {
namespace {

constexpr Duration kStartLimit = std::chrono::seconds(20);

// Splicing lets the kernel move the bytes, which is haproxy at its best.
std::string Config(const Haproxy::Options& options) {
  return absl::StrFormat(
      "global\n"
      "  maxconn 4000\n"
      "defaults\n"
      "  mode tcp\n"
      "  option splice-auto\n"
      "  timeout connect 20s\n"
      "  timeout client 10m\n"
      "  timeout server 10m\n"
      "listen relay\n"
      "  bind %s\n"
      "  server far %s\n",
      options.listen.ToString(), options.target.ToString());
}

}  // namespace

bool Haproxy::IsInstalled() { return !FindInstalled("haproxy").empty(); }

absl::StatusOr<std::unique_ptr<Haproxy>> Haproxy::Start(const Options& options) {
  const std::string binary = FindInstalled("haproxy");
  if (binary.empty()) return absl::NotFoundError("haproxy is missing: run deploy/setup");
  std::unique_ptr<Haproxy> haproxy(new Haproxy);
  ProcessOptions process;
  // -db: one process in the foreground, whose CPU time and memory are the whole of it.
  process.arguments = {binary, "-db", "-f", haproxy->directory_.Write("haproxy.cfg", Config(options))};
  process.netns = options.netns;
  absl::StatusOr<Process> started = Process::Start(process);
  if (!started.ok()) return started.status();
  haproxy->process_ = *std::move(started);
  if (!WaitForTcpListener(options.listen.port, *haproxy->process_, kStartLimit)) {
    return absl::InternalError("haproxy did not start: " + haproxy->process_->Stderr());
  }
  return haproxy;
}

}  // namespace culvert::testing
