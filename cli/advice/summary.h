// What status says in a line of each: the configuration and the certificates, as check judges them.
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

// Whether the folders are in force or their last change was refused, since when and why, and where else objects are kept. `now`: Unix seconds.
Summary SummarizeConfig(const v1::GetConfigStatusResponse& config, const v1::Daemon& daemon, int64_t now);

// How many there are, and the one that ends next. Below 14 days it is a warning, below one a failure, as is what has ended or is not valid.
Summary SummarizeCertificates(const std::vector<v1::Object>& objects, int64_t now);

}  // namespace culvert::cli
