// What a command line refers to, fetched: everything of a kind, or what was named. Thread: confined to the command.
#pragma once

#include <optional>
#include <vector>

#include "cli/objects/kinds.h"
#include "cli/objects/lists.h"
#include "cli/objects/resource.h"
#include "cli/target/client.h"

namespace culvert::cli {

// Everything of a kind. Of events, `missed_events` is increased by what was gone before it could be read; they come oldest first,
// whatever the order asked for.
Outcome List(Client& client, Kind kind, const Query& query, std::vector<Resource>& out, uint64_t& missed_events);

class Fetcher {
 public:
  Fetcher(Client& client, Query query) : client_(client), query_(std::move(query)) {}

  // Adds what `reference` means to the group of its kind. The query, and `order_by` in place of its order, only apply to references
  // without a name.
  // Errors: kNotFound, with all other groups left as they are; whatever the daemon says.
  Outcome Fetch(const Reference& reference, const std::string& order_by = "");

  // Together by kind, in the order the kinds were first asked for; empty where there is nothing.
  const std::vector<Group>& groups() const { return groups_; }
  std::vector<Group>& groups() { return groups_; }
  uint64_t missed_events() const { return missed_events_; }

 private:
  // What the daemon only lists is listed once, however many are named.
  struct Listed {
    Kind kind;
    std::vector<Resource> all;
  };

  std::vector<Resource>& GroupOf(Kind kind);
  Outcome FetchOne(const Reference& reference, std::vector<Resource>& out);
  Outcome Pick(const Reference& reference, std::vector<Resource>& out);

  Client& client_;
  const Query query_;
  std::vector<Group> groups_;
  std::vector<Listed> listed_;
  uint64_t missed_events_ = 0;
};

}  // namespace culvert::cli
