// Tables: one row per object, columns as wide on the screen as their widest cell, two spaces between them, nothing cut off, but for
// addresses that a narrow terminal has no room for.
// Thread: confined to its owner.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::cli {

enum class Paint { kNone, kGood, kWarn, kBad };

struct Cell {
  Cell(std::string cell_text, Paint cell_paint = Paint::kNone) : text(std::move(cell_text)), paint(cell_paint) {}
  Cell(const char* cell_text) : text(cell_text) {}
  std::string text;  // printable; empty prints as <none>
  Paint paint = Paint::kNone;

  void Print(std::ostream& out, bool color) const;
};

class Table {
 public:
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // REQUIRES: as many cells as headers.
  void Add(std::vector<Cell> row);
  // Puts a column in front. REQUIRES: as many cells as rows.
  void Prepend(std::string header, std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  struct Options {
    bool with_headers = true;
    bool color = false;
    // Of the columns, at least: tables that follow one another line up. Holds what was used afterwards.
    std::vector<size_t>* widths = nullptr;
    // Of the terminal; 0: any width will do. A table that is wider loses the middle of addresses (IsAddressColumn), of the longest
    // ones first and only as much as is needed. One that cannot be made to fit is printed as it is: the terminal wraps it.
    int columns = 0;
  };
  void Print(std::ostream& out, const Options& options) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<Cell>> rows_;
};

// Whether what stands below this header is an address or a host, which are known by their beginning and their end.
bool IsAddressColumn(std::string_view header);

// `text` within `width` columns: what is too long loses its middle for an ellipsis. REQUIRES: width > 0.
std::string Shortened(const std::string& text, size_t width);

}  // namespace culvert::cli
