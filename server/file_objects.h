// The objects of the --config-dir folders: loading them, and turning what is wrong with them into lines that name file and line.
// Thread: main's.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/manifest/manifest.h"
#include "server/change_plan.h"

namespace culvert::server {


// Errors: as manifest::Load, one line per fault.
absl::StatusOr<std::vector<manifest::SourceObject>> LoadFolders(const std::vector<std::string>& folders);

ChangeSet ToChangeSet(const std::vector<manifest::SourceObject>& objects);

// An error of that change set, one line per fault: "tunnel.yaml:7: listener/kcp-in: spec.kcp.mtu_bytes: 100 is not in ...".
std::vector<std::string> ExplainError(const absl::Status& error, const std::vector<manifest::SourceObject>& objects);

}  // namespace culvert::server
