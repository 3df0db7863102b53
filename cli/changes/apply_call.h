// ConfigService.Apply as apply and diff ask for it. Thread: confined to main.
#pragma once

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "cli/target/client.h"
#include "culvert/v1/config.pb.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {

struct ApplyOptions {
  std::string manager;  // empty: "api"
  bool prune = false;
  bool force_conflicts = false;
};
// --prune, --manager and --force-conflicts.
void AddApplyOptions(CLI::App& app, ApplyOptions& options);

// A request that gets lost is sent once more with the same id. Errors: as the daemon answers, brought back to the lines of the files.
// REQUIRES: Connect() went well.
Outcome CallApply(Client& client, const std::vector<manifest::SourceObject>& sources, const ApplyOptions& options, bool validate_only,
                  v1::ApplyResponse& response);

}  // namespace culvert::cli
