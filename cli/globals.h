// The flags every verb takes, and what of the surroundings they depend on.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/base/time.h"

namespace culvert::cli {

enum class Format { kTable, kWide, kJson, kYaml, kName };

struct Globals {
  std::string address;  // unix:PATH; empty: the default places
  std::string output;   // as given to -o
  std::string color = "auto";
  std::string timeout_text = "10s";
  bool no_headers = false;
  bool yes = false;
  bool verbose = false;
  bool quiet = false;

  // Filled in from the texts above before a command completes itself.
  Format format = Format::kTable;
  Duration request_timeout = std::chrono::seconds(10);
};

struct Environment {
  // nullopt: the variable is not set.
  std::function<std::optional<std::string>(const std::string& name)> get = [](const std::string&) {
    return std::nullopt;
  };
  uint32_t user_id = 0;
};

}  // namespace culvert::cli
