#include "cli/kinds.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/escape.h"
#include "core/base/status_macros.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

struct Names {
  Kind kind;
  std::string_view singular, plural, brief;
};
constexpr Names kNames[] = {
    {Kind::kListener, "listener", "listeners", "lsn"},
    {Kind::kDialer, "dialer", "dialers", "dl"},
    {Kind::kForward, "forward", "forwards", "fwd"},
    {Kind::kSession, "session", "sessions", "ses"},
};

const Names& NamesOf(Kind kind) {
  return *std::find_if(std::begin(kNames), std::end(kNames), [kind](const Names& names) { return names.kind == kind; });
}

}  // namespace

std::string_view Singular(Kind kind) { return NamesOf(kind).singular; }
std::string_view Plural(Kind kind) { return NamesOf(kind).plural; }
std::string ToString(const Reference& reference) {
  return absl::StrFormat("%s/%s", Singular(reference.kind), reference.name);
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
  if (hint.empty()) hint = " (listeners, dialers, forwards, sessions)";
  return absl::InvalidArgumentError(absl::StrFormat("unknown kind \"%s\"%s", Visible(word.substr(0, 64)), hint));
}

absl::StatusOr<std::vector<Reference>> ParseReferences(const std::vector<std::string>& words) {
  std::vector<Reference> references;
  if (words.empty()) return absl::InvalidArgumentError("a kind is wanted: listeners, dialers, forwards, sessions");
  const bool with_slashes = words[0].find('/') != std::string::npos;
  if (with_slashes) {
    for (const std::string& word : words) {
      const size_t slash = word.find('/');
      if (slash == std::string::npos || slash + 1 == word.size()) {
        return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not KIND/NAME", Visible(word)));
      }
      CULVERT_ASSIGN_OR_RETURN(const Kind kind, ParseKind(word.substr(0, slash)));
      references.push_back({kind, word.substr(slash + 1)});
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
    if (words[i].empty() || words[i].find('/') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not a name", Visible(words[i])));
    }
    references.push_back({kinds[0], words[i]});
  }
  return references;
}

}  // namespace culvert::cli
