// Inputs to start the front door's fuzz targets from: no reference peer makes vectors of these, so they are put together here.
#pragma once

#include <string>
#include <vector>

namespace culvert::fuzz {

std::vector<std::string> Socks5Seeds();
std::vector<std::string> HttpConnectSeeds();
std::vector<std::string> FramingSeeds();

}  // namespace culvert::fuzz
