#include "tests/bench/compare/report.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace culvert::bench {
namespace {

struct Column {
  Figure figure;
  const char* title;
  int decimals;
};
constexpr Column kColumns[] = {
    {Figure::kOneStream, "1 stream Mbit/s", 0},
    {Figure::kFourStreams, "4 streams Mbit/s", 0},
    {Figure::kCpuPerGib, "CPU s/GiB", 2},
    {Figure::kRoundTrip, "rtt p50 ms", 2},
    {Figure::kIdleMib, "idle MiB", 0},
    {Figure::kLoadMib, "load MiB", 0},
    {Figure::kLossyLink, "lossy link Mbit/s", 1},
};

std::string Cell(std::vector<double> values, int decimals) {
  if (values.empty()) return "-";
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  if (values.size() == 1) return absl::StrFormat("%.*f", decimals, median);
  return absl::StrFormat("%.*f (%.*f-%.*f)", decimals, median, decimals, values.front(), decimals, values.back());
}

}  // namespace

void Report::Add(const std::string& row, Figure figure, double value) {
  if (!values_.contains(row)) rows_.push_back(row);
  values_[row][figure].push_back(value);
}

std::string Report::Table() const {
  std::string table = absl::StrFormat("%-24s", "median (least-most)");
  for (const Column& column : kColumns) table += absl::StrFormat(" %22s", column.title);
  table += "\n";
  for (const std::string& row : rows_) {
    table += absl::StrFormat("%-24s", row);
    for (const Column& column : kColumns) {
      const auto& figures = values_.at(row);
      const auto found = figures.find(column.figure);
      table += absl::StrFormat(" %22s", found == figures.end() ? "-" : Cell(found->second, column.decimals));
    }
    table += "\n";
  }
  return table;
}

}  // namespace culvert::bench
