// filepush: see filepush.h and --help.
#include "tests/testing/filepush.h"

#include <signal.h>
#include <stdio.h>

#include <map>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/link_flags.h"

namespace culvert::testing {
namespace {

constexpr const char* kUsage = R"(Usage:
  filepush receive --listen ADDRESS:PORT [--connections N]
  filepush send FILE --to ADDRESS:PORT [--label TEXT] [--congestion NAME] [--limit 20s] [--quiet yes]
send prints one line of JSON: bytes, delivered, seconds, mbit_per_second, retransmitted, complete, sha256.
Exit code: 0 the receiver has the whole file and its SHA-256 agrees, 1 an error, 3 the limit came first, 4 this kernel has
no such congestion control.
)";
constexpr int kNoSuchAlgorithm = 4;

struct Arguments {
  std::vector<std::string> words;
  std::map<std::string, std::string> flags;
};

absl::StatusOr<Arguments> Split(const std::vector<std::string>& all) {
  Arguments arguments;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].starts_with("--")) {
      arguments.words.push_back(all[i]);
    } else if (i + 1 < all.size()) {
      arguments.flags[all[i].substr(2)] = all[i + 1];
      ++i;
    } else {
      return absl::InvalidArgumentError(all[i] + " wants a value");
    }
  }
  return arguments;
}

absl::StatusOr<int> RunReceive(const Arguments& arguments) {
  ReceiveOptions options;
  for (const auto& [flag, value] : arguments.flags) {
    if (flag == "listen") {
      CULVERT_ASSIGN_OR_RETURN(options.listen, SocketAddress::Parse(value));
    } else if (flag == "connections") {
      CULVERT_ASSIGN_OR_RETURN(const uint64_t count, ParseSize(value));
      options.connections = static_cast<int>(count);
    } else {
      return absl::InvalidArgumentError("unknown option --" + flag);
    }
  }
  CULVERT_RETURN_IF_ERROR(Receive(options));
  return 0;
}

absl::StatusOr<int> RunSend(const Arguments& arguments) {
  if (arguments.words.size() != 2) return absl::InvalidArgumentError("send wants one FILE");
  SendOptions options;
  options.file = arguments.words[1];
  for (const auto& [flag, value] : arguments.flags) {
    if (flag == "to") {
      CULVERT_ASSIGN_OR_RETURN(options.to, SocketAddress::Parse(value));
    } else if (flag == "limit") {
      CULVERT_ASSIGN_OR_RETURN(options.limit, ParseTime(value));
    } else if (flag == "label") {
      options.label = value;
    } else if (flag == "congestion") {
      options.congestion_control = value;
    } else if (flag == "quiet") {
      options.quiet = value == "yes";
    } else {
      return absl::InvalidArgumentError("unknown option --" + flag);
    }
  }
  CULVERT_ASSIGN_OR_RETURN(const SendResult result, Send(options));
  printf(
      R"({"bytes":%llu,"delivered":%llu,"seconds":%.3f,"mbit_per_second":%.2f,"retransmitted":%llu,"complete":%s,"sha256":"%s"})"
      "\n",
      static_cast<unsigned long long>(result.bytes), static_cast<unsigned long long>(result.delivered), result.seconds,
      static_cast<double>(result.delivered) * 8 / std::max(result.seconds, 1e-9) / 1e6,
      static_cast<unsigned long long>(result.retransmitted), result.complete ? "true" : "false", result.sha256.c_str());
  if (result.delivered == result.bytes && !result.complete)
    return absl::DataLossError("the receiver's SHA-256 differs");
  return result.complete ? 0 : 3;
}

int Main(const std::vector<std::string>& words) {
  (void)signal(SIGPIPE, SIG_IGN);
  const absl::StatusOr<Arguments> arguments = Split(words);
  if (words.empty() || words[0] == "--help" || words[0] == "-h") {
    fputs(kUsage, words.empty() ? stderr : stdout);
    return words.empty() ? 2 : 0;
  }
  absl::StatusOr<int> code = absl::InvalidArgumentError("the first argument is receive or send");
  if (!arguments.ok()) {
    code = arguments.status();
  } else if (words[0] == "receive") {
    code = RunReceive(*arguments);
  } else if (words[0] == "send") {
    code = RunSend(*arguments);
  }
  if (code.ok()) return *code;
  fprintf(stderr, "filepush: %s\n", std::string(code.status().message()).c_str());
  if (absl::IsFailedPrecondition(code.status())) return kNoSuchAlgorithm;
  return absl::IsInvalidArgument(code.status()) ? 2 : 1;
}

}  // namespace
}  // namespace culvert::testing

int main(int argc, char** argv) { return culvert::testing::Main({argv + 1, argv + argc}); }
