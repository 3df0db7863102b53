// What the daemon has, asked for by the methods of the API: all of a kind, page by page, or one.
// Thread: confined to the command.
#pragma once

#include <string>
#include <vector>

#include "cli/objects/kinds.h"
#include "cli/target/client.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/observe.pb.h"
#include "culvert/v1/session.pb.h"

namespace culvert::cli {

// Which ones, and in what order, in the grammar of the API (server/query).
struct Query {
  std::string filter;           // empty: all
  std::string order_by;         // empty: by name
  bool include_closed = false;  // of sessions: also those that have ended
};

// All objects of a declared kind, page by page, sorted as the daemon sorts them. REQUIRES: IsDeclared(kind).
Outcome ListObjects(Client& client, Kind kind, std::vector<v1::Object>& out, const Query& query = {});
Outcome GetObject(Client& client, const Reference& reference, v1::Object& out);
Outcome ListSessions(Client& client, std::vector<v1::Session>& out, const Query& query = {});
Outcome GetSession(Client& client, const std::string& name, v1::Session& out);
Outcome ListStreams(Client& client, std::vector<v1::Stream>& out, const Query& query = {});
Outcome ListUdpFlows(Client& client, std::vector<v1::UdpFlow>& out, const Query& query = {});
// Events that are there, oldest first; `missed` is what was gone before it could be read. REQUIRES: !request.follow().
Outcome ListEvents(Client& client, const v1::ListEventsRequest& request, std::vector<v1::Event>& out, uint64_t& missed);

}  // namespace culvert::cli
