#include "cli/watch/top_view.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "cli/text/cut.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"
#include "cli/watch/rate_tables.h"

namespace culvert::cli {
namespace {

constexpr char kEscape = '\x1b';
constexpr char kBackspace = '\x7f';
constexpr int kLinesAround = 3;  // the line above the table, its headers, the last line of the screen

}  // namespace

std::string TopView::Text(RateFrame& frame, std::optional<ScreenSize> screen) const {
  Sort(frame, sort_);
  std::ostringstream out;
  out << "CULVERTD " << Visible(options_.daemon.hostname());
  if (options_.daemon.has_uptime()) out << "  up " << HumanUptime(options_.daemon.uptime().seconds() + frame.seconds_since_first);
  out << "  " << Plural(options_.kind) << " " << frame.size();
  if (frame.has_rates) out << "  rx " << HumanBitRate(frame.rx_bytes_per_second) << "/s  tx " << HumanBitRate(frame.tx_bytes_per_second) << "/s";
  if (frame.skipped_frames > 0) out << "  skipped " << frame.skipped_frames;
  out << "  (every " << options_.interval << ", by " << SortName(sort_) << (screen ? "; q quits, s sorts, / filters)\n" : ")\n");
  const size_t rows = screen ? static_cast<size_t>(std::max(1, screen->rows - kLinesAround)) : frame.size();
  RateTable(options_.kind, frame, rows).Print(out, {options_.with_headers, streams_.color});
  if (!screen) return out.str();
  if (typed_) {
    out << "filter: " << Visible(*typed_) << "_\n";
  } else if (!remark_.empty()) {
    out << remark_ << "\n";
  } else if (!filter_.empty()) {
    out << "only " << Visible(filter_) << "\n";
  }
  return CutLines(out.str(), static_cast<size_t>(screen->columns));
}

std::string TopView::Render(RateFrame& frame) const {
  const std::lock_guard lock(mutex_);
  return Text(frame, std::nullopt);
}

void TopView::Show(RateFrame frame) {
  const std::lock_guard lock(mutex_);
  frame_ = std::move(frame);
  Draw();
}

TopView::Wish TopView::OnKey(char key) {
  const std::lock_guard lock(mutex_);
  Wish wish = Wish::kNothing;
  if (typed_) {
    wish = OnFilterKey(key);
  } else if (key == 'q' || key == 'Q') {
    return Wish::kQuit;
  } else if (key == 's') {
    const std::vector<SortKey> keys = SortKeysOf(options_.kind);
    const auto at = std::find(keys.begin(), keys.end(), sort_);
    sort_ = at == keys.end() || at + 1 == keys.end() ? keys.front() : *(at + 1);
  } else if (key == '/') {
    typed_ = filter_;
    remark_.clear();
  } else {
    return wish;
  }
  Draw();
  return wish;
}

TopView::Wish TopView::OnFilterKey(char key) {
  if (key == kEscape) {
    typed_.reset();
  } else if (key == '\n' || key == '\r') {
    filter_before_ = std::exchange(filter_, *std::exchange(typed_, std::nullopt));
    return filter_ == filter_before_ ? Wish::kNothing : Wish::kOtherFilter;
  } else if (key == kBackspace || key == '\b') {
    // A whole character, of however many bytes.
    while (!typed_->empty()) {
      const bool is_inside = (static_cast<unsigned char>(typed_->back()) & 0xc0) == 0x80;
      typed_->pop_back();
      if (!is_inside) break;
    }
  } else if (static_cast<unsigned char>(key) >= ' ') {
    *typed_ += key;
  }
  return Wish::kNothing;
}

void TopView::RefuseFilter(const std::string& why) {
  const std::lock_guard lock(mutex_);
  filter_ = filter_before_;
  remark_ = why;
  Draw();
}

std::string TopView::filter() const {
  const std::lock_guard lock(mutex_);
  return filter_;
}

void TopView::Draw() { streams_.out << FullScreen::Frame(Text(frame_, TerminalSize())) << std::flush; }

}  // namespace culvert::cli
