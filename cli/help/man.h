// Manual pages from the help that the verbs carry: one for culvertctl and one for each verb, sub-verbs included.
// Source: man(7); groff_man(7) for which characters need care.
// Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "CLI/App.hpp"

namespace culvert::cli {

struct ManPage {
  std::string name;  // "culvertctl-get.1"
  std::string text;
};

std::vector<ManPage> ManPages(const CLI::App& root, const std::string& version);

}  // namespace culvert::cli
