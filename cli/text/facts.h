// Facts: what is known of one thing, as lines "KEY:  VALUE" whose values line up, with lists and tables below their headings.
// Thread: confined to its owner.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "cli/text/printer.h"

namespace culvert::cli {

class Facts {
 public:
  explicit Facts(Table::Options options) : options_(options) {}

  // Left out where there is nothing to say. `value` is printable.
  void Add(const std::string& key, Cell value);
  // A heading and what belongs below it, indented; left out when the table is empty or the text is.
  void AddTable(const std::string& heading, const Table& table);
  void AddText(const std::string& heading, const std::string& text);

  // In the order they were added; keys that follow one another line up.
  void Print(std::ostream& out) const;

 private:
  struct Item {
    std::string key;
    Cell value;
    std::string block;  // below the key, already indented
  };
  const Table::Options options_;
  std::vector<Item> items_;
};

}  // namespace culvert::cli
