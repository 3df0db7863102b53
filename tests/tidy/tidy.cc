#include "tests/tidy/tidy.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace culvert::tidy {
namespace {

constexpr size_t kMaxLines = 500;

// A layer and what it may include of ours, itself included. `core` stands for all layers below it.
struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

const std::vector<Layer>& Layers() {
  static const std::vector<Layer> layers = {
      {"core/base/", {"core/base/"}},
      {"core/transport/", {"core/transport/", "core/base/"}},
      {"core/crypto/", {"core/crypto/", "core/base/"}},
      {"core/tls/", {"core/tls/", "core/base/", "core/crypto/"}},
      {"core/camouflage/", {"core/camouflage/", "core/base/", "core/crypto/", "core/transport/"}},
      {"core/congestion/", {"core/congestion/", "core/base/"}},
      {"core/kcp/", {"core/kcp/", "core/base/", "core/congestion/", "core/transport/", "core/camouflage/", "core/crypto/"}},
      {"core/quic/", {"core/quic/", "core/base/", "core/congestion/", "core/tls/", "core/transport/", "core/camouflage/", "core/crypto/"}},
      {"core/dispatch/", {"core/dispatch/", "core/base/", "core/transport/", "core/crypto/"}},
      {"core/egress/", {"core/egress/", "core/base/"}},
      {"core/frontdoor/", {"core/frontdoor/", "core/base/", "core/crypto/"}},
      {"core/io/", {"core/io/", "core/base/", "core/transport/"}},
      {"server/", {"server/", "core/", "proto/", "culvert/"}},
      {"cli/", {"cli/", "core/base/", "proto/", "culvert/"}},
      // The rooms of cli, from the bottom up. commands and what stands outside the rooms use them all.
      {"cli/text/", {"cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/process/", {"cli/process/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/advice/", {"cli/advice/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/convert/", {"cli/convert/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/target/", {"cli/target/", "cli/process/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/objects/", {"cli/objects/", "cli/target/", "cli/process/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/output/",
       {"cli/output/", "cli/advice/", "cli/objects/", "cli/target/", "cli/process/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/changes/", {"cli/changes/", "cli/objects/", "cli/target/", "cli/process/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/watch/",
       {"cli/watch/", "cli/output/", "cli/objects/", "cli/target/", "cli/process/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"cli/help/",
       {"cli/help/", "cli/command.h", "cli/objects/", "cli/target/", "cli/process/", "cli/text/", "core/base/", "proto/", "culvert/"}},
      {"tests/", {"tests/", "core/", "server/", "cli/", "proto/", "culvert/"}},
  };
  return layers;
}

// Folders whose headers are written from the top of the tree (culvert/ are the generated ones).
constexpr std::array<std::string_view, 6> kOurRoots = {"core/", "server/", "cli/", "tests/", "proto/", "culvert/"};

// Something a file may not say, unless its path begins with one of `allowed`.
struct Ban {
  std::string_view what;
  std::vector<std::string_view> in;
  std::vector<std::string_view> allowed;
  std::string_view rule;
  bool is_call = false;  // the next character must open a call: `rand` but not `random`
};

// The system belongs to core/io. The server's exceptions are named one by one, each for a reason.
const std::vector<Ban>& IncludeBans() {
  static const std::vector<std::string_view> system_users = {
      "cli/",
      "server/main.cc",       // wiring
      "server/process.cc",    // signals and what else a program asks of its system
      "server/seed_file.cc",  // owner and mode of a file that holds a secret
      "server/state_dir.cc",  // owner, mode and lock of the folder for what outlives the daemon
      "server/store/store_files.cc",  // owner, mode and names of the database in it
  };
  static const std::vector<Ban> bans = [] {
    std::vector<Ban> all;
    for (std::string_view header : {"<sys/", "<unistd.h>", "<fcntl.h>", "<poll.h>", "<netinet/", "<netdb.h>",
                                    "<ifaddrs.h>", "<net/", "<linux/"}) {
      all.push_back({header, {"core/"}, {"core/io/"}, "a system header outside core/io"});
    }
    for (std::string_view header : {"<sys/", "<unistd.h>"}) {
      all.push_back(
          {header, {"server/"}, system_users, "a system header outside core/io, cli and the server's named places"});
    }
    all.push_back({"<arpa/inet.h>", {"core/"}, {"core/io/", "core/base/"}, "a system header outside core/io"});
    all.push_back({"<openssl/",
                   {"core/", "server/", "cli/"},
                   // In cli it is the OpenSSL that comes with gRPC.
                   {"core/crypto/", "core/tls/", "core/quic/handshake.", "cli/target/tls_material.", "cli/target/tls_probe."},
                   "BoringSSL outside core/crypto, core/tls and the handshake of core/quic"});
    all.push_back({"<grpc", {"core/"}, {}, "gRPC in core"});
    all.push_back({"<google/protobuf", {"core/"}, {}, "Protocol Buffers in core"});
    all.push_back({"\"../", {"core/", "server/", "cli/", "tests/"}, {}, "an include that is not written from the top"});
    return all;
  }();
  return bans;
}

const std::vector<Ban>& CodeBans() {
  static const std::vector<std::string_view> engines_and_sims = {
      "core/", "server/", "cli/", "tests/unit/", "tests/sim/", "tests/golden/", "tests/fuzz/"};
  static const std::vector<Ban> bans = {
      {"steady_clock::now", {"core/"}, {"core/io/"}, "a real clock outside core/io", true},
      {"system_clock::now", {"core/"}, {"core/io/"}, "a real clock outside core/io", true},
      {"high_resolution_clock::now", {"core/"}, {"core/io/"}, "a real clock outside core/io", true},
      {"clock_gettime", {"core/"}, {"core/io/"}, "a real clock outside core/io", true},
      {"gettimeofday", {"core/"}, {"core/io/"}, "a real clock outside core/io", true},
      {"absl::Now", {"core/"}, {"core/io/"}, "a real clock outside core/io", true},
      {"sleep_for", engines_and_sims, {}, "a sleep", true},
      {"sleep_until", engines_and_sims, {}, "a sleep", true},
      {"usleep", engines_and_sims, {}, "a sleep", true},
      {"nanosleep", engines_and_sims, {}, "a sleep", true},
      {"SleepFor", engines_and_sims, {}, "a sleep", true},
      {"rand",
       {"core/", "server/", "cli/", "tests/"},
       {},
       "a generator that is neither seeded nor unpredictable",
       true},
      {"srand",
       {"core/", "server/", "cli/", "tests/"},
       {},
       "a generator that is neither seeded nor unpredictable",
       true},
      {"std::random_device", {"core/", "server/", "cli/"}, {}, "random bytes that do not come from SystemRandom"},
      {"printf", {"core/"}, {"core/base/check.h", "core/base/log.cc"}, "printing in core", true},
      {"fprintf", {"core/"}, {"core/base/check.h", "core/base/log.cc"}, "printing in core", true},
      {"puts", {"core/"}, {}, "printing in core", true},
      {"fputs", {"core/"}, {}, "printing in core", true},
      {"std::cout", {"core/"}, {}, "printing in core"},
      {"std::cerr", {"core/"}, {}, "printing in core"},
      {"std::thread", {"core/"}, {"core/io/"}, "a thread in core"},
      {"std::jthread", {"core/"}, {"core/io/"}, "a thread in core"},
      {"std::async", {"core/"}, {"core/io/"}, "a thread in core"},
      {"pthread_create", {"core/"}, {"core/io/"}, "a thread in core", true},
  };
  return bans;
}

// Spelled in two halves, so that this file does not find itself.
const std::array<std::string, 3> kUnfinished = {
    "TO"
    "DO",
    "FIX"
    "ME",
    "XX"
    "X"};

template <typename Prefixes>
bool BeginsWithAny(std::string_view text, const Prefixes& prefixes) {
  return std::any_of(std::begin(prefixes), std::end(prefixes), [&](std::string_view p) { return text.starts_with(p); });
}

bool EndsWithAny(std::string_view text, std::initializer_list<std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [&](std::string_view s) { return text.ends_with(s); });
}

bool IsWordCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Whether `line` holds `word` as a word of its own; for a call also followed by an opening parenthesis.
bool HasWord(std::string_view line, std::string_view word, bool is_call) {
  for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    if (at > 0 && IsWordCharacter(line[at - 1])) continue;
    const size_t end = at + word.size();
    if (end < line.size() && IsWordCharacter(line[end])) continue;
    if (!is_call) return true;
    const size_t next = line.find_first_not_of(' ', end);
    if (next != std::string_view::npos && line[next] == '(') return true;
  }
  return false;
}

// A line without its comments and without what stands between quotes. `in_comment` carries /* */ from line to line.
std::string CodeOf(std::string_view line, bool& in_comment) {
  std::string code;
  for (size_t i = 0; i < line.size(); ++i) {
    const std::string_view rest = line.substr(i);
    if (in_comment) {
      if (rest.starts_with("*/")) {
        in_comment = false;
        ++i;
      }
    } else if (rest.starts_with("//")) {
      break;
    } else if (rest.starts_with("/*")) {
      in_comment = true;
      ++i;
    } else if (line[i] == '"') {
      code += '"';
      for (++i; i < line.size() && line[i] != '"'; ++i) {
        if (line[i] == '\\') ++i;
      }
      code += '"';
    } else {
      code += line[i];
    }
  }
  return code;
}

void CheckInclude(std::string_view path, std::string_view line, size_t number, std::vector<Finding>& findings) {
  const size_t open = line.find_first_of("\"<");
  if (open == std::string_view::npos) return;
  const std::string_view target = line.substr(open);
  for (const Ban& ban : IncludeBans()) {
    if (BeginsWithAny(path, ban.in) && !BeginsWithAny(path, ban.allowed) && target.starts_with(ban.what)) {
      findings.push_back({std::string(path), number, std::string(ban.rule)});
    }
  }
  if (target.front() != '"') return;
  const std::string_view included = target.substr(1);
  if (path.starts_with("core/") && (included.find(".pb.h") != std::string_view::npos)) {
    findings.push_back({std::string(path), number, "Protocol Buffers in core"});
  }
  if (!BeginsWithAny(included, kOurRoots)) return;
  for (const Layer& layer : Layers()) {
    if (path.starts_with(layer.folder) && !BeginsWithAny(included, layer.may_include)) {
      findings.push_back(
          {std::string(path), number,
           std::string(layer.folder) + " may not include " + std::string(included.substr(0, included.find('"')))});
    }
  }
}

void CheckCode(std::string_view path, std::string_view code, size_t number, std::vector<Finding>& findings) {
  for (const Ban& ban : CodeBans()) {
    if (BeginsWithAny(path, ban.in) && !BeginsWithAny(path, ban.allowed) && HasWord(code, ban.what, ban.is_call)) {
      findings.push_back({std::string(path), number, std::string(ban.rule) + ": " + std::string(ban.what)});
    }
  }
}

bool IsCpp(std::string_view path) { return EndsWithAny(path, {".h", ".cc"}); }

// What a person wrote: no vectors, no corpus, no binary files.
bool IsText(const std::string& path) {
  if (path.find("/vectors/") != std::string::npos || path.find("/corpus/") != std::string::npos) return false;
  const std::string extension = std::filesystem::path(path).extension();
  return IsCpp(path) || extension.empty() ||
         EndsWithAny(extension,
                     {".proto", ".txt", ".cmake", ".md", ".sh", ".py", ".yaml", ".yml", ".json", ".service"});
}

// Every layer says in a README.md what it is for.
void CheckReadmes(const std::filesystem::path& top, std::vector<Finding>& findings) {
  std::vector<std::string> layers = {"server", "cli"};
  for (const auto& entry : std::filesystem::directory_iterator(top / "core")) {
    if (entry.is_directory() && entry.path().filename() != "cmake")
      layers.push_back("core/" + entry.path().filename().string());
  }
  for (const std::string& layer : layers) {
    if (std::filesystem::exists(top / layer) && !std::filesystem::exists(top / layer / "README.md")) {
      findings.push_back({layer, 0, "a layer without a README.md"});
    }
  }
}

}  // namespace

std::string Finding::ToString() const { return file + ":" + std::to_string(line) + ": " + rule; }

std::vector<Finding> CheckFile(std::string_view path, std::string_view text) {
  std::vector<Finding> findings;
  const bool is_cpp = IsCpp(path);
  bool in_comment = false;
  bool has_pragma_once = false;
  size_t number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    for (const std::string& word : kUnfinished) {
      if (HasWord(line, word, false)) findings.push_back({std::string(path), number, "unfinished work: " + word});
    }
    if (!is_cpp) continue;
    has_pragma_once |= line == "#pragma once";
    if (line.starts_with("#include")) {
      CheckInclude(path, line, number, findings);
    } else {
      CheckCode(path, CodeOf(line, in_comment), number, findings);
    }
  }
  if (is_cpp && number > kMaxLines) {
    findings.push_back({std::string(path), number, "more than " + std::to_string(kMaxLines) + " lines"});
  }
  if (path.ends_with(".h") && !has_pragma_once)
    findings.push_back({std::string(path), 1, "a header without #pragma once"});
  return findings;
}

std::vector<Finding> CheckTree(const std::filesystem::path& top, size_t& files_seen) {
  std::set<std::string> paths;
  for (const char* folder : {"core", "server", "cli", "proto", "tests", "deploy"}) {
    if (!std::filesystem::exists(top / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top / folder)) {
      const std::string path = entry.path().lexically_relative(top);
      if (entry.is_regular_file() && IsText(path)) paths.insert(path);
    }
  }
  files_seen = paths.size();
  std::vector<Finding> findings;
  for (const std::string& path : paths) {
    std::ifstream stream(top / path, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    for (Finding& finding : CheckFile(path, text.str())) findings.push_back(std::move(finding));
  }
  CheckReadmes(top, findings);
  return findings;
}

}  // namespace culvert::tidy
