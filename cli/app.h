// culvertctl as a function: arguments in, exit code out. Tests call it as main does.
#pragma once

#include <string>
#include <vector>

#include "cli/process/failure.h"
#include "cli/process/globals.h"
#include "cli/process/streams.h"

namespace culvert::cli {

// `arguments` without the program's name.
ExitCode RunCulvertctl(std::vector<std::string> arguments, Streams& streams, const Environment& environment);

}  // namespace culvert::cli
