// The objects of the --config-dir folders: loading them, and turning what is wrong with them into lines that name file and line.
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/manifest/manifest.h"
#include "server/change_plan.h"

namespace culvert::server {

// What folders hold at a moment.
struct ConfigFiles {
  std::vector<manifest::SourceObject> objects;
  std::vector<std::string> faults;  // one line per fault, with file and line; then there are no objects
  // "sha256/" and base64 of the objects without their secrets: who may see it must not be able to try seeds with it. Empty: there are faults.
  std::string digest;
  std::string content;  // a digest of names and bytes, to tell one content from another; never shown
};

// Again, when something changes while it reads.
ConfigFiles ReadConfigFiles(const std::vector<std::string>& folders);

// The lines of a status whose message has one for each fault.
std::vector<std::string> LinesOf(const absl::Status& status);

ChangeSet ToChangeSet(const std::vector<manifest::SourceObject>& objects);

// An error of that change set, one line per fault: "tunnel.yaml:7: listener/kcp-in: spec.kcp.mtu_bytes: 100 is not in ...".
std::vector<std::string> ExplainError(const absl::Status& error, const std::vector<manifest::SourceObject>& objects);

}  // namespace culvert::server
