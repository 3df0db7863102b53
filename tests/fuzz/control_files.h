// The files that objects of the fuzz targets name: seeds, keys, certificates and users, held in memory. Some names stand for none.
// Thread: any; made once.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/tls_files.h"

namespace culvert::fuzz {

// As PlanContext and SupervisorOptions want them.
absl::StatusOr<std::string> ReadFuzzSeedFile(const std::string& path, const std::string& field);
server::ReadFile ReadFuzzFile();

}  // namespace culvert::fuzz
