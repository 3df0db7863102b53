// Figures of several rounds, and the table of their medians and spreads.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace culvert::bench {

enum class Figure { kOneStream, kFourStreams, kCpuPerGib, kRoundTrip, kIdleMib, kLoadMib, kLossyLink };

class Report {
 public:
  void Add(const std::string& row, Figure figure, double value);
  // A row per subject in the order they came, "median (least-most)" per figure, "-" where there is none.
  std::string Table() const;

 private:
  std::vector<std::string> rows_;
  std::map<std::string, std::map<Figure, std::vector<double>>> values_;
};

}  // namespace culvert::bench
