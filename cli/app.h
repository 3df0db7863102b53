// culvertctl as a function: arguments in, exit code out. Tests call it as main does.
#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"
#include "cli/globals.h"
#include "cli/streams.h"

namespace culvert::cli {

// `arguments` without the program's name.
ExitCode RunCulvertctl(std::vector<std::string> arguments, Streams& streams, const Environment& environment);

}  // namespace culvert::cli
