#include "cli/text/facts.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/str_split.h"
#include "cli/text/escape.h"

namespace culvert::cli {
namespace {

constexpr int kIndent = 2;

std::string Indented(const std::string& text) {
  std::string out;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n', absl::SkipEmpty()))) {
    out += std::string(kIndent, ' ') + line + "\n";
  }
  return out;
}

}  // namespace

void Facts::Add(const std::string& key, Cell value) {
  if (!value.text.empty()) items_.push_back({key, std::move(value), ""});
}

void Facts::AddTable(const std::string& heading, const Table& table) {
  if (table.empty()) return;
  std::ostringstream text;
  Table::Options options = options_;
  if (options.columns > kIndent) options.columns -= kIndent;
  table.Print(text, options);
  AddText(heading, text.str());
}

void Facts::AddText(const std::string& heading, const std::string& text) {
  if (!text.empty()) items_.push_back({heading, "", Indented(text)});
}

void Facts::Print(std::ostream& out) const {
  size_t width = 0;
  for (const Item& item : items_) {
    if (item.block.empty()) width = std::max(width, DisplayWidth(item.key));
  }
  for (const Item& item : items_) {
    out << item.key << ":";
    if (!item.block.empty()) {
      out << "\n" << item.block;
      continue;
    }
    out << std::string(width - DisplayWidth(item.key) + 2, ' ');
    item.value.Print(out, options_.color);
    out << "\n";
  }
}

}  // namespace culvert::cli
