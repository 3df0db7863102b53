// Which objects a verb that changes means: by name, or all of some kinds that --filter, -l or --all choose. A kind without any of
// these chooses nothing: "delete listeners" is more likely a slip than a wish.
// Thread: confined to main.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/objects/kinds.h"
#include "cli/target/command_context.h"

namespace culvert::cli {

class Selection {
 public:
  // `verb` for messages. Declared kinds only, unless `observed` allows sessions, streams and UDP flows too.
  // Errors: kUsage.
  Outcome Parse(const std::vector<std::string>& words, const Globals& globals, bool all, const std::string& verb, bool observed = false);

  // The objects, in the order of the kinds and names. Asks the daemon only where names were not given.
  // Errors: kNotFound when nothing matches; what the daemon answers.
  Outcome Find(Context& context, std::vector<Reference>& out) const;

  // The words as parsed: names, or kinds without names.
  const std::vector<Reference>& references() const { return references_; }
  bool by_name() const { return !references_.empty() && !references_.front().name.empty(); }
  // What the daemon is asked for; empty: everything of the kinds.
  const std::string& filter() const { return filter_; }

 private:
  std::vector<Reference> references_;
  std::string filter_;
};

// The names that match, brief as people write them. An empty filter matches all.
Outcome ListNames(Client& client, Kind kind, const std::string& filter, std::vector<Reference>& out);

}  // namespace culvert::cli
