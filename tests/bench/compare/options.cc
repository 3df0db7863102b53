#include "tests/bench/compare/options.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"

namespace culvert::bench {

const char* const kUsage =
    "Usage: tests/bench/run [options]\n"
    "Measures culvert beside other tunnels and plain TCP, over loopback, a 1 Gbit/s link and emulated lossy links.\n"
    "  --only NAMES       subjects, comma-separated: a name in full, or a part of several\n"
    "  --profiles NAMES   paths, likewise\n"
    "  --phases NAMES     of quiet, streams, up, down\n"
    "  --subject-peer     also culvert at one end and v2ray at the other\n"
    "  --rounds N         every subject N times, in turn (1)\n"
    "  --quick            shorter windows, four links at a time: to look, not to quote\n"
    "  --lanes N          emulated links measured at the same time (1; with --quick 4)\n"
    "  --out DIR          compare.txt, compare.tsv and the plots go there (the build folder's bench)\n"
    "  --list             subjects and profiles, and what is missing here\n"
    "Only root can set up links; others get loopback alone. The README tells what each figure means.\n";

namespace {

absl::StatusOr<int> ParseCount(const std::string& flag, const std::string& text, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= most) return value;
  return absl::InvalidArgumentError(absl::StrFormat("%s: '%s' is not in [1, %d]", flag, text, most));
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

absl::StatusOr<std::vector<Phase>> ParsePhases(const std::string& text) {
  std::vector<Phase> phases;
  for (const std::string& name : Split(text)) {
    const auto* found =
        std::find_if(std::begin(kAllPhases), std::end(kAllPhases), [&](Phase phase) { return NameOf(phase) == name; });
    if (found == std::end(kAllPhases)) {
      return absl::InvalidArgumentError(absl::StrFormat("--phases: '%s' is none of quiet, streams, up, down", name));
    }
    phases.push_back(*found);
  }
  return phases;
}

absl::Status SetValue(const std::string& flag, const std::string& value, Options& options) {
  if (flag == "--rounds") {
    CULVERT_ASSIGN_OR_RETURN(options.rounds, ParseCount(flag, value, 100));
  } else if (flag == "--lanes") {
    CULVERT_ASSIGN_OR_RETURN(options.lanes, ParseCount(flag, value, 16));
  } else if (flag == "--phases") {
    CULVERT_ASSIGN_OR_RETURN(options.phases, ParsePhases(value));
  } else if (flag == "--only") {
    options.only = value;
  } else if (flag == "--profiles") {
    options.profiles = value;
  } else if (flag == "--out") {
    options.directory = value;
  } else {
    return absl::InvalidArgumentError(absl::StrFormat("unknown option %s", flag));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& words) {
  Options options;
  const std::pair<const char*, bool*> switches[] = {{"--quick", &options.is_quick},
                                                    {"--subject-peer", &options.has_mixed},
                                                    {"--list", &options.is_list},
                                                    {"--help", &options.is_help},
                                                    {"-h", &options.is_help}};
  for (size_t i = 0; i < words.size(); ++i) {
    const auto* found = std::find_if(std::begin(switches), std::end(switches),
                                     [&](const auto& candidate) { return candidate.first == words[i]; });
    if (found != std::end(switches)) {
      *found->second = true;
      continue;
    }
    std::string flag = words[i];
    std::string value;
    if (const size_t equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.erase(equals);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      return absl::InvalidArgumentError(absl::StrFormat("%s: unknown, or its value is missing", flag));
    }
    CULVERT_RETURN_IF_ERROR(SetValue(flag, value, options));
  }
  if (options.phases.empty()) options.phases.assign(std::begin(kAllPhases), std::end(kAllPhases));
  if (options.lanes == 0) options.lanes = options.is_quick ? 4 : 1;
  return options;
}

absl::StatusOr<std::vector<Profile>> PickProfiles(const std::vector<Profile>& all, const std::string& names) {
  if (names.empty()) return all;
  std::vector<bool> is_picked(all.size(), false);
  for (const std::string& name : Split(names)) {
    const bool is_full = std::any_of(all.begin(), all.end(), [&](const Profile& p) { return p.name == name; });
    bool found = false;
    for (size_t i = 0; i < all.size(); ++i) {
      const bool fits = is_full ? all[i].name == name : all[i].name.find(name) != std::string::npos;
      is_picked[i] = is_picked[i] || fits;
      found = found || fits;
    }
    if (!found) return absl::InvalidArgumentError(absl::StrFormat("--profiles: no profile is called '%s'", name));
  }
  std::vector<Profile> picked;
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_picked[i]) picked.push_back(all[i]);
  }
  return picked;
}

}  // namespace culvert::bench
