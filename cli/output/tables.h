// Objects as rows: the columns of `get`. The default columns fit 80 characters in the usual case; -o wide adds to them.
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/objects/resource.h"
#include "cli/process/clock.h"
#include "cli/text/printer.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/observe.pb.h"
#include "culvert/v1/session.pb.h"

namespace culvert::cli {

struct TableOptions {
  bool wide = false;
  bool with_kind = false;   // "listener/local-pg" as NAME, where kinds are mixed
  int64_t now_seconds = 0;  // Unix time, for AGE
};

// Without rows yet.
Table HeadingsOf(Kind kind, const TableOptions& options);
// REQUIRES: `table` is of the resource's kind and made with the same options.
void AddRow(const Resource& resource, const TableOptions& options, Table& table);
Table TableOf(const Group& group, const TableOptions& options);
// Events have no names: the columns are those of `culvertctl events`, for every format that is a table.
Table EventTable(const std::vector<v1::Event>& events, const TableOptions& options);

Cell StateCell(v1::State state);
// "ACTIVE"; a number when it is newer than we are.
std::string StateName(v1::State state);
// "lsn/kcp-in" or "dl/site-b": who owns a session.
std::string OwnerOf(const v1::Session& session);
// "3/100": open streams of those that may be open; "-" where a session carries no more than one.
std::string StreamsCell(const v1::Session& session);
// Changes of address that it lived through; "-" where a session cannot.
std::string MigrationsCell(const v1::Session& session);
// "k3f9q2" of "sessions/k3f9q2".
std::string SessionId(const v1::Session& session);
// The same for what is said to be a session's name; empty where there is none.
std::string SessionId(const std::string& name);
// "k3f9q2/4" of "sessions/k3f9q2/streams/4", "12" of "udpFlows/12".
std::string StreamId(const v1::Stream& stream);
std::string UdpFlowId(const v1::UdpFlow& flow);
// Where a stream or a flow goes; <far-side> where that decides.
std::string DestinationCell(const std::string& destination);
// "Warning"
std::string EventTypeName(v1::Event::Type type);

}  // namespace culvert::cli
