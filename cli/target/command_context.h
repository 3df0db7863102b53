// What a command has at hand while it runs.
#pragma once

#include "cli/process/globals.h"
#include "cli/process/streams.h"
#include "cli/target/client.h"

namespace culvert::cli {

struct Context {
  const Globals& globals;
  Streams& streams;
  Client& client;
  const Environment& environment;
};

}  // namespace culvert::cli
