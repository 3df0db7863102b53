// What status says in a line of each: the configuration, the state and the certificates, as check judges them.
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/advice/checks.h"

namespace culvert::cli {

struct Summary {
  std::string text;  // one line, printable
  Finding::Grade grade = Finding::Grade::kOk;
};

// Whether the folders are in force or their last change was refused, since when and why. `now`: Unix seconds.
Summary SummarizeConfig(const v1::GetConfigStatusResponse& config, const v1::Daemon& daemon, int64_t now);

// Where what the API makes is kept, and what of it is not in force.
Summary SummarizeState(const v1::GetConfigStatusResponse& config);

// How many there are, and the one that ends next. Below 14 days it is a warning, below one a failure, as is what has ended or is not valid.
Summary SummarizeCertificates(const std::vector<v1::Object>& objects, int64_t now);

}  // namespace culvert::cli
