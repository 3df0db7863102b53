// Inputs to start the fuzz targets of the control plane from. Made of texts and bytes alone, so that every tree can make them.
#pragma once

#include <string>
#include <vector>

namespace culvert::fuzz {

std::vector<std::string> FilterSeeds();
// `examples`: whole files.
std::vector<std::string> ConfigSeeds(const std::vector<std::string>& examples);
std::vector<std::string> ApiSeeds();

}  // namespace culvert::fuzz
