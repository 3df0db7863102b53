#include "tests/bench/compare/report/ratios.h"

#include <optional>

#include "absl/strings/str_format.h"

namespace culvert::bench {
namespace {

std::optional<double> MedianOf(const Results& results, const std::string& profile, const std::string& subject,
                               Metric metric) {
  const Results::Cell* cell = results.Find(profile, subject, metric);
  if (cell == nullptr || cell->values.empty()) return std::nullopt;
  return SpreadOf(cell->values).median;
}

}  // namespace

std::string Ratios(const Results& results, const std::vector<std::string>& profiles,
                   const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string text;
  for (const std::string& profile : profiles) {
    for (const auto& [first, second] : pairs) {
      std::string ratios;
      for (const auto& [name, metric] : {std::pair("up", Metric::kUpSteady), std::pair("down", Metric::kDownSteady)}) {
        const std::optional<double> over = MedianOf(results, profile, first, metric);
        const std::optional<double> under = MedianOf(results, profile, second, metric);
        if (over && under && *under > 0) ratios += absl::StrFormat("  %s %.2fx", name, *over / *under);
      }
      if (!ratios.empty()) text += absl::StrFormat("%s  %s / %s%s\n", profile, first, second, ratios);
    }
  }
  return text;
}

}  // namespace culvert::bench
