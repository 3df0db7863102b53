#include "tests/bench/compare/report/plot.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "tests/bench/compare/report/table.h"

namespace culvert::bench {
namespace {

// Pixels.
constexpr int kPanelWidth = 520;
constexpr int kNameWidth = 150;
constexpr int kValueWidth = 130;
constexpr int kBarWidth = kPanelWidth - kNameWidth - kValueWidth;
constexpr int kRowHeight = 18;
constexpr int kTitleHeight = 30;
constexpr int kGap = 20;
constexpr int kColumns = 2;

std::string Text(int x, int y, const char* style, const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return absl::StrFormat("<text x=\"%d\" y=\"%d\" %s>%s</text>\n", x, y, style, escaped);
}

std::string Line(double x1, double y1, double x2, double y2) {
  return absl::StrFormat("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#222\"/>\n", x1, y1, x2, y2);
}

// One bar with its whisker from least to most.
std::string Bar(int left, int top, const Spread& spread, double scale, bool is_ours) {
  const double middle = top + kRowHeight / 2.0;
  std::string svg =
      absl::StrFormat("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", left, top + 3,
                      std::max(1.0, spread.median * scale), kRowHeight - 6, is_ours ? "#1f6f8b" : "#b9c4c9");
  if (spread.most > spread.least) {
    svg += Line(left + spread.least * scale, middle, left + spread.most * scale, middle);
    for (const double end : {spread.least, spread.most}) {
      svg += Line(left + end * scale, middle - 3, left + end * scale, middle + 3);
    }
  }
  return svg;
}

std::string Panel(const Results& results, const std::string& profile, const std::vector<std::string>& subjects,
                  const MetricInfo& info, int left, int top) {
  double most = 0;
  for (const std::string& subject : subjects) {
    const Results::Cell* cell = results.Find(profile, subject, info.metric);
    if (cell != nullptr && !cell->values.empty()) most = std::max(most, SpreadOf(cell->values).most);
  }
  const double scale = most > 0 ? kBarWidth / most : 0;
  std::string svg = Text(left, top + 18, "font-weight=\"bold\"", absl::StrFormat("%s %s", info.title, info.unit));
  int y = top + kTitleHeight;
  for (const std::string& subject : subjects) {
    const Results::Cell* cell = results.Find(profile, subject, info.metric);
    if (cell == nullptr) continue;
    svg += Text(left, y + 13, "", subject);
    if (!cell->values.empty()) {
      svg += Bar(left + kNameWidth, y, SpreadOf(cell->values), scale, subject.find("culvert") != std::string::npos);
    }
    svg += Text(left + kNameWidth + kBarWidth + 8, y + 13, "fill=\"#444\"", CellText(cell, info.decimals));
    y += kRowHeight;
  }
  return svg;
}

}  // namespace

std::string Plot(const Results& results, const std::string& profile, const std::vector<std::string>& subjects) {
  std::string panels;
  const int panel_height = kTitleHeight + kRowHeight * static_cast<int>(subjects.size()) + kGap;
  int count = 0;
  for (const MetricInfo& info : Metrics()) {
    if (!info.is_plotted || !results.Has(profile, info.metric)) continue;
    const int left = kGap + count % kColumns * (kPanelWidth + kGap);
    const int top = kTitleHeight + count / kColumns * panel_height;
    panels += Panel(results, profile, subjects, info, left, top);
    ++count;
  }
  if (count == 0) return "";
  const int width = kGap + kColumns * (kPanelWidth + kGap);
  const int height = kTitleHeight + (count + kColumns - 1) / kColumns * panel_height + kGap;
  return absl::StrFormat(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
             "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
             width, height) +
         Text(kGap, 20, "font-size=\"15\"", profile) + panels + "</svg>\n";
}

}  // namespace culvert::bench
