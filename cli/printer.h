// Tables: one row per object, columns as wide as their widest cell, two spaces between them, nothing cut off.
// Thread: confined to its owner.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace culvert::cli {

enum class Paint { kNone, kGood, kWarn, kBad };

struct Cell {
  Cell(std::string cell_text, Paint cell_paint = Paint::kNone) : text(std::move(cell_text)), paint(cell_paint) {}
  Cell(const char* cell_text) : text(cell_text) {}
  std::string text;  // printable; empty prints as <none>
  Paint paint = Paint::kNone;
};

class Table {
 public:
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // REQUIRES: as many cells as headers.
  void Add(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }

  struct Options {
    bool with_headers = true;
    bool color = false;
    // Of the columns, at least: tables that follow one another line up. Holds what was used afterwards.
    std::vector<size_t>* widths = nullptr;
  };
  void Print(std::ostream& out, const Options& options) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace culvert::cli
