// Where the programs that tests and comparisons run, and run against, are found.
#pragma once

#include <string>
#include <string_view>

namespace culvert::testing {

// A program that deploy/setup unpacked into the cache folder (peers/PEER/usr/bin/PROGRAM); empty when it is not there.
std::string FindPeer(std::string_view peer, std::string_view program);
// The folder of Python modules that deploy/setup unpacked for PEER; empty when MODULE is not in it.
std::string FindPythonModules(std::string_view peer, std::string_view module);
// A program that deploy/setup put into the cache folder for tests (tools/NAME/bin/NAME); empty when it is not there.
std::string FindTool(std::string_view name);
// A program of the system, in PATH or where Debian puts daemons; empty when it is not installed.
std::string FindInstalled(std::string_view program);

}  // namespace culvert::testing
