// Looks for bytes in the memory of the program: in every block that operator new gave out while a search was on, and in those among
// them that have been given back, as they were then. Not in the stack: what lies there is erased by its owner (SecretBytes).
// Replaces operator new and delete of the program it is linked into. Thread: one, and one HeapSearch at a time.
#pragma once

#include <string_view>

namespace culvert::frontdoor {

class HeapSearch {
 public:
  // `what` is a loan as long as this object lives, and must itself lie where it is not found.
  explicit HeapSearch(std::string_view what);
  ~HeapSearch();
  HeapSearch(const HeapSearch&) = delete;
  HeapSearch& operator=(const HeapSearch&) = delete;

  // Blocks in use that hold it, and those that did when they were given back.
  [[nodiscard]] int Count() const;
};

}  // namespace culvert::frontdoor
