#include "cli/text/printer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "cli/text/escape.h"
#include "core/base/check.h"
#include "proto/manifest/utf8.h"

namespace culvert::cli {
namespace {

constexpr std::string_view kEllipsis = "…";
constexpr size_t kLeastAddress = 9;  // columns: four on either side of the ellipsis still tell most addresses apart
constexpr size_t kGap = 2;           // between columns

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

// A letter with all that goes on top of it, so that a cut never separates them.
struct Cluster {
  std::string_view text;
  size_t width = 0;
};

std::vector<Cluster> ClustersOf(std::string_view text) {
  std::vector<Cluster> clusters;
  size_t at = 0;
  while (at < text.size()) {
    const manifest::CodePoint point = manifest::DecodeUtf8(text.substr(at));
    const size_t length = std::max<size_t>(1, point.length);
    const size_t width = point.length == 0 ? 1 : static_cast<size_t>(DisplayWidth(point.value));
    if (width == 0 && !clusters.empty()) {
      Cluster& last = clusters.back();
      last.text = {last.text.data(), last.text.size() + length};
    } else {
      clusters.push_back({text.substr(at, length), width});
    }
    at += length;
  }
  return clusters;
}

// Takes from the widest of the columns that may have less, one at a time, until the table has `columns`: those that are short keep
// what they have. `least`: of each column. A table that would still be too wide stays as it is: cutting would gain nothing.
void Narrow(const std::vector<size_t>& least, size_t columns, std::vector<size_t>& widths) {
  size_t total = kGap * (widths.size() - 1);
  size_t narrowest = total;
  for (size_t i = 0; i < widths.size(); ++i) {
    total += widths[i];
    narrowest += std::min(least[i], widths[i]);
  }
  if (narrowest > columns) return;
  while (total > columns) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > least[i] && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    }
    --*widest;
    --total;
  }
}

}  // namespace

bool IsAddressColumn(std::string_view header) {
  static constexpr std::string_view kHeaders[] = {"BIND",    "BOUND",       "TARGET", "TARGETS", "ADDRESS", "ADDRESSES",
                                                  "REMOTE",  "LOCAL",       "SOURCE", "OUTSIDE", "DESTINATION"};
  return std::find(std::begin(kHeaders), std::end(kHeaders), header) != std::end(kHeaders);
}

std::string Shortened(const std::string& text, size_t width) {
  if (DisplayWidth(text) <= width) return text;
  const std::vector<Cluster> clusters = ClustersOf(text);
  const size_t room = width - 1;  // beside the ellipsis
  std::string head, tail;
  size_t taken = 0;
  // The beginning gets the odd column, and the end what the beginning had no use for.
  for (const Cluster& cluster : clusters) {
    if (taken + cluster.width > (room + 1) / 2) break;
    taken += cluster.width;
    head += cluster.text;
  }
  for (auto cluster = clusters.rbegin(); cluster != clusters.rend(); ++cluster) {
    if (taken + cluster->width > room) break;
    taken += cluster->width;
    tail.insert(0, cluster->text);
  }
  return head + std::string(kEllipsis) + tail;
}

void Cell::Print(std::ostream& out, bool color) const {
  const bool is_painted = color && paint != Paint::kNone;
  if (is_painted) out << Sequence(paint);
  out << text;
  if (is_painted) out << "\x1b[0m";
}

void Table::Add(std::vector<Cell> row) {
  CULVERT_CHECK(row.size() == headers_.size());
  for (Cell& cell : row) {
    if (cell.text.empty()) cell.text = "<none>";
  }
  rows_.push_back(std::move(row));
}

void Table::Prepend(std::string header, std::vector<std::string> cells) {
  CULVERT_CHECK(cells.size() == rows_.size());
  headers_.insert(headers_.begin(), std::move(header));
  for (size_t i = 0; i < cells.size(); ++i) rows_[i].insert(rows_[i].begin(), Cell(std::move(cells[i])));
}

void Table::Print(std::ostream& out, const Options& options) const {
  std::vector<size_t> widths = options.widths ? *options.widths : std::vector<size_t>();
  widths.resize(headers_.size(), 0);
  std::vector<size_t> least;
  for (size_t i = 0; i < headers_.size(); ++i) {
    if (options.with_headers) widths[i] = std::max(widths[i], DisplayWidth(headers_[i]));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    const size_t header = options.with_headers ? DisplayWidth(headers_[i]) : 0;
    least.push_back(IsAddressColumn(headers_[i]) ? std::max(kLeastAddress, header) : widths[i]);
  }
  if (options.columns > 0) Narrow(least, static_cast<size_t>(options.columns), widths);
  if (options.widths) *options.widths = widths;
  const auto print_cell = [&](size_t column, const Cell& cell) {
    // Only what was narrowed is ever longer than its column.
    const std::string text = Shortened(cell.text, widths[column]);
    Cell(text, cell.paint).Print(out, options.color);
    // The last column ends its line: no blanks to be copied along.
    if (column + 1 < headers_.size()) out << std::string(widths[column] - DisplayWidth(text) + kGap, ' ');
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
