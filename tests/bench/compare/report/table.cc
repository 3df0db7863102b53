#include "tests/bench/compare/report/table.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace culvert::bench {
namespace {

// Columns that are read together stand in one block; a row of all of them would fit no screen.
const std::vector<std::vector<Metric>>& Blocks() {
  static const auto& blocks = *new std::vector<std::vector<Metric>>{
      {Metric::kUp, Metric::kUpSteady, Metric::kShareUp, Metric::kWireUp, Metric::kWasteUp, Metric::kCpuUp},
      {Metric::kDown, Metric::kDownSteady, Metric::kShareDown, Metric::kWireDown, Metric::kWasteDown, Metric::kCpuDown},
      {Metric::kAlone50, Metric::kAlone99, Metric::kBeside50, Metric::kBeside99, Metric::kFirst50, Metric::kFirst99},
      {Metric::kCrowdDone, Metric::kCrowdSeconds, Metric::kIdleMib, Metric::kPeakMib},
  };
  return blocks;
}

using Row = std::vector<std::string>;

// Every column as wide as its widest cell: the first to the left, the others to the right.
std::string Align(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += i == 0 ? row[i] + padding : "  " + padding + row[i];
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string Block(const Results& results, const std::string& profile, const std::vector<std::string>& subjects,
                  const std::vector<Metric>& metrics) {
  std::vector<const MetricInfo*> columns;
  for (const MetricInfo& info : Metrics()) {
    const bool is_wanted = std::find(metrics.begin(), metrics.end(), info.metric) != metrics.end();
    if (is_wanted && results.Has(profile, info.metric)) columns.push_back(&info);
  }
  if (columns.empty()) return "";
  std::vector<Row> rows(1, Row{profile});
  for (const MetricInfo* info : columns) {
    rows[0].push_back(*info->unit == 0 ? info->title : absl::StrFormat("%s %s", info->title, info->unit));
  }
  for (const std::string& subject : subjects) {
    Row row = {subject};
    bool has_any = false;
    for (const MetricInfo* info : columns) {
      const Results::Cell* cell = results.Find(profile, subject, info->metric);
      has_any = has_any || cell != nullptr;
      row.push_back(CellText(cell, info->decimals));
    }
    if (has_any) rows.push_back(std::move(row));
  }
  return Align(rows) + "\n";
}

}  // namespace

std::string CellText(const Results::Cell* cell, int decimals) {
  if (cell == nullptr) return "-";
  if (cell->values.empty()) return "failed";
  const Spread spread = SpreadOf(cell->values);
  std::string text = absl::StrFormat("%.*f", decimals, spread.median);
  if (cell->values.size() > 1) {
    text += absl::StrFormat(" (%.*f-%.*f)", decimals, spread.least, decimals, spread.most);
  }
  // A subject that failed in some rounds has a median of its good ones only, which has to show.
  if (cell->failures > 0) text += absl::StrFormat(" %dx failed", cell->failures);
  return text;
}

std::string Table(const Results& results, const std::vector<std::string>& profiles,
                  const std::vector<std::string>& subjects) {
  std::string text;
  for (const std::string& profile : profiles) {
    for (const std::vector<Metric>& metrics : Blocks()) text += Block(results, profile, subjects, metrics);
  }
  return text;
}

}  // namespace culvert::bench
