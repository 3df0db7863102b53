#include "cli/printer.h"

#include <algorithm>
#include <string_view>

#include "cli/escape.h"
#include "core/base/check.h"

namespace culvert::cli {
namespace {

std::string_view Sequence(Paint paint) {
  switch (paint) {
    case Paint::kGood:
      return "\x1b[32m";
    case Paint::kWarn:
      return "\x1b[33m";
    case Paint::kBad:
      return "\x1b[31m";
    case Paint::kNone:
      break;
  }
  return "";
}

}  // namespace

void Table::Add(std::vector<Cell> row) {
  CULVERT_CHECK(row.size() == headers_.size());
  for (Cell& cell : row) {
    if (cell.text.empty()) cell.text = "<none>";
  }
  rows_.push_back(std::move(row));
}

void Table::Print(std::ostream& out, const Options& options) const {
  std::vector<size_t> widths = options.widths ? *options.widths : std::vector<size_t>();
  widths.resize(headers_.size(), 0);
  for (size_t i = 0; i < headers_.size(); ++i) {
    if (options.with_headers) widths[i] = std::max(widths[i], DisplayWidth(headers_[i]));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
  }
  if (options.widths) *options.widths = widths;
  const auto print_cell = [&](size_t column, const Cell& cell) {
    const bool painted = options.color && cell.paint != Paint::kNone;
    if (painted) out << Sequence(cell.paint);
    out << cell.text;
    if (painted) out << "\x1b[0m";
    // The last column ends its line: no blanks to be copied along.
    if (column + 1 < headers_.size()) out << std::string(widths[column] - DisplayWidth(cell.text) + 2, ' ');
  };
  if (options.with_headers) {
    for (size_t i = 0; i < headers_.size(); ++i) print_cell(i, Cell(headers_[i]));
    out << "\n";
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) print_cell(i, row[i]);
    out << "\n";
  }
}

}  // namespace culvert::cli
