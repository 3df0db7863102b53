// All that is known of one resource, for people. Thread: any; no state.
#pragma once

#include <vector>

#include "cli/objects/resource.h"
#include "cli/text/facts.h"

namespace culvert::cli {

// What stands around a resource; as much of it as belongs to its kind.
struct Surroundings {
  std::vector<v1::Event> events;     // about it, oldest first
  std::vector<Resource> forwards;    // all: who uses a listener or a dialer
  std::vector<Resource> streams;     // of a session
  int64_t now_seconds = 0;           // Unix time
};

Facts FactsAbout(const Resource& resource, const Surroundings& around, const Table::Options& options);

}  // namespace culvert::cli
