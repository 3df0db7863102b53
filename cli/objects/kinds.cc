#include "cli/objects/kinds.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/text/escape.h"
#include "core/base/status_macros.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

struct Names {
  Kind kind;
  std::string_view singular, plural, brief;
};
constexpr Names kNames[] = {
    {Kind::kListener, "listener", "listeners", "lsn"}, {Kind::kDialer, "dialer", "dialers", "dl"},
    {Kind::kForward, "forward", "forwards", "fwd"},    {Kind::kSession, "session", "sessions", "ses"},
    {Kind::kStream, "stream", "streams", "str"},       {Kind::kUdpFlow, "udpflow", "udpflows", "udp"},
    {Kind::kEvent, "event", "events", "ev"},
};

const Names& NamesOf(Kind kind) {
  return *std::find_if(std::begin(kNames), std::end(kNames), [kind](const Names& names) { return names.kind == kind; });
}

constexpr std::string_view kAllPlurals = "listeners, dialers, forwards, sessions, streams, udpflows, events";
constexpr std::string_view kSessions = "sessions/";
constexpr std::string_view kStreams = "/streams/";
constexpr std::string_view kUdpFlows = "udpFlows/";

// A stream may be written as the daemon does, which begins like a session.
Reference MakeReference(Kind kind, std::string_view name) {
  if (kind == Kind::kSession && name.find(kStreams) != std::string_view::npos) kind = Kind::kStream;
  const bool has_long_name = kind == Kind::kStream || kind == Kind::kUdpFlow;
  return {kind, has_long_name ? BriefName(kind, name) : std::string(name)};
}

}  // namespace

bool IsDeclared(Kind kind) { return kind == Kind::kListener || kind == Kind::kDialer || kind == Kind::kForward; }
std::string_view Singular(Kind kind) { return NamesOf(kind).singular; }
std::string_view Plural(Kind kind) { return NamesOf(kind).plural; }
std::string_view ShortOf(Kind kind) { return NamesOf(kind).brief; }
const std::vector<Kind>& AllKinds() {
  static const std::vector<Kind> all = [] {
    std::vector<Kind> kinds;
    for (const Names& names : kNames) kinds.push_back(names.kind);
    return kinds;
  }();
  return all;
}
std::string ToString(const Reference& reference) {
  return absl::StrFormat("%s/%s", Singular(reference.kind), reference.name);
}

std::string BriefName(Kind kind, std::string_view resource) {
  std::string brief(resource);
  const auto strip = [&brief](std::string_view prefix) {
    if (brief.starts_with(prefix)) brief.erase(0, prefix.size());
  };
  if (kind == Kind::kSession || kind == Kind::kStream) strip(kSessions);
  if (kind == Kind::kUdpFlow) strip(kUdpFlows);
  const size_t at = brief.find(kStreams);
  if (kind == Kind::kStream && at != std::string::npos) brief.replace(at, kStreams.size(), "/");
  return brief;
}

std::string ResourceName(const Reference& reference) {
  const std::string& name = reference.name;
  const size_t slash = name.find('/');
  if (reference.kind == Kind::kUdpFlow && slash == std::string::npos) return std::string(kUdpFlows) + name;
  if (reference.kind == Kind::kStream && slash != std::string::npos) {
    return std::string(kSessions) + name.substr(0, slash) + std::string(kStreams) + name.substr(slash + 1);
  }
  return name;
}

absl::StatusOr<Kind> ParseKind(std::string_view word) {
  std::string lower(word);
  absl::AsciiStrToLower(&lower);
  std::vector<std::string> known = {"all"};
  for (const Names& names : kNames) {
    if (lower == names.singular || lower == names.plural || lower == names.brief) return names.kind;
    known.emplace_back(names.plural);
    known.emplace_back(names.brief);
  }
  std::string hint = manifest::DidYouMean(lower, known);
  if (hint.empty()) hint = absl::StrFormat(" (%s)", kAllPlurals);
  return absl::InvalidArgumentError(absl::StrFormat("unknown kind \"%s\"%s", Visible(word.substr(0, 64)), hint));
}

absl::StatusOr<std::vector<Reference>> ParseReferences(const std::vector<std::string>& words) {
  std::vector<Reference> references;
  if (words.empty()) return absl::InvalidArgumentError(absl::StrFormat("a kind is wanted: %s", kAllPlurals));
  const bool with_slashes = words[0].find('/') != std::string::npos;
  if (with_slashes) {
    for (const std::string& word : words) {
      const size_t slash = word.find('/');
      if (slash == std::string::npos || slash + 1 == word.size()) {
        return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not KIND/NAME", Visible(word)));
      }
      CULVERT_ASSIGN_OR_RETURN(const Kind kind, ParseKind(word.substr(0, slash)));
      references.push_back(MakeReference(kind, word.substr(slash + 1)));
    }
    return references;
  }
  std::vector<Kind> kinds;
  const std::vector<std::string> kind_words = absl::StrSplit(words[0], ',');
  for (const std::string& word : kind_words) {
    if (absl::AsciiStrToLower(word) == "all") {
      for (const Kind kind : {Kind::kListener, Kind::kDialer, Kind::kForward}) kinds.push_back(kind);
      continue;
    }
    CULVERT_ASSIGN_OR_RETURN(const Kind kind, ParseKind(word));
    kinds.push_back(kind);
  }
  if (words.size() == 1) {
    for (const Kind kind : kinds) references.push_back({kind, ""});
    return references;
  }
  if (kinds.size() != 1) return absl::InvalidArgumentError("names go with one kind; write KIND/NAME for several");
  for (size_t i = 1; i < words.size(); ++i) {
    // Only names of streams hold a slash.
    if (words[i].empty() || (kinds[0] != Kind::kStream && words[i].find('/') != std::string::npos)) {
      return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not a name", Visible(words[i])));
    }
    references.push_back(MakeReference(kinds[0], words[i]));
  }
  return references;
}

}  // namespace culvert::cli
