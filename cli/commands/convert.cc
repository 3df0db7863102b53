// culvertctl convert: configurations of other programs as files of ours. Asks no daemon.
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/convert/v2ray.h"
#include "cli/process/private_file.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

constexpr size_t kMaxBytes = size_t{4} << 20;

class Convert : public Command {
 public:
  std::string path;
  ConvertOptions options;

  Outcome Validate(const Globals&) override {
    const std::string help = "culvertctl convert v2ray --help";
    if (path.empty()) return Usage("a file is wanted, or - for standard input", "culvertctl convert v2ray config.json");
    if (!options.host.empty() && !options.is_peer) return Usage("--host: goes with --peer", help);
    if (!options.seed_dir.empty()) options.seed_dir = std::filesystem::absolute(options.seed_dir).lexically_normal().string();
    while (options.seed_dir.size() > 1 && options.seed_dir.back() == '/') options.seed_dir.pop_back();
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    std::string text;
    if (Outcome failed = Read(context, text)) return failed;
    auto converted = ConvertV2ray(text, path == "-" ? "standard input" : path, options);
    if (!converted.ok()) {
      Failure failure{ExitCode::kUsage, {}, "", ""};
      const std::vector<std::string> faults = absl::StrSplit(converted.status().message(), '\n');
      for (const std::string& fault : faults) failure.faults.push_back(Visible(fault));
      return failure;
    }
    for (const Note& note : converted->notes) {
      if (note.is_warning || !context.globals.quiet) context.streams.err << (note.is_warning ? "warning: " : "note: ") << note.text << "\n";
    }
    if (converted->objects == 0) {
      return Fail(ExitCode::kFalse, absl::StrFormat("%s: no streamSettings of network kcp or quic that could be converted", Visible(path)));
    }
    if (Outcome failed = WriteSecrets(converted->secrets)) return failed;
    context.streams.out << converted->yaml;
    return std::nullopt;
  }

 private:
  Outcome Read(Context& context, std::string& text) const {
    if (path != "-") return ReadPublicFile(path, "convert", text);
    std::ostringstream all;
    all << context.streams.in.rdbuf();
    text = std::move(all).str();
    if (text.size() > kMaxBytes) return Usage("standard input: is larger than 4 MiB");
    return std::nullopt;
  }

  // All or none: what is there with another content stays, and nothing is printed that would name it.
  static Outcome WriteSecrets(const std::vector<SecretFile>& secrets) {
    for (const SecretFile& secret : secrets) {
      std::string there;
      struct stat info {};
      if (::lstat(secret.path.c_str(), &info) != 0) continue;
      if (Outcome failed = ReadPublicFile(secret.path, "--seed-dir", there)) return failed;
      if (there != secret.content) {
        return Fail(ExitCode::kConflict, absl::StrFormat("--seed-dir: %s is there already and holds something else", Visible(secret.path)),
                    "another folder, or remove it");
      }
    }
    for (const SecretFile& secret : secrets) {
      if (Outcome failed = WritePrivateFile(secret.path, secret.content)) return failed;
    }
    return std::nullopt;
  }
};

}  // namespace

Verb AddConvert(CLI::App& root) {
  auto command = std::make_unique<Convert>();
  CLI::App* app = AddVerb(root, "convert", "Makes files for apply from configurations of other programs. Asks no daemon.",
                          "culvertctl convert v2ray config.json > tunnels.yaml");
  app->require_subcommand(1);
  CLI::App* v2ray = AddVerb(*app, "v2ray", "Everything of network kcp or quic in a configuration of v2ray 4.x, as YAML.",
                            "culvertctl convert v2ray config.json > tunnels.yaml     in place of that v2ray\n"
                            "culvertctl convert v2ray config.json --peer             what talks to that v2ray\n"
                            "culvertctl convert v2ray config.json --seed-dir /etc/culvertd/seeds | culvertctl apply -f -");
  v2ray->add_option("file", command->path, "the configuration (JSON, comments allowed), or -");
  v2ray->add_option("--seed-dir", command->options.seed_dir, "write seeds and keys into files of this folder, which the YAML then names");
  v2ray->add_flag("--peer", command->options.is_peer, "the other ends instead: dialers for inbounds, listeners for outbounds");
  v2ray->add_option("--host", command->options.host, "--peer: where that v2ray is, for inbounds that listen on all addresses");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
