// What `top` shows and how. On a screen keys change that while frames come in:
//   q quits   s orders by the next column   / asks for a filter (Enter takes it, Escape leaves it as it was)
// Thread: frames come on one thread, keys on another.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "cli/objects/kinds.h"
#include "cli/process/streams.h"
#include "cli/process/terminal.h"
#include "cli/watch/rates.h"
#include "culvert/v1/daemon.pb.h"

namespace culvert::cli {

class TopView {
 public:
  struct Options {
    v1::Daemon daemon;
    std::string interval;  // as the user gave it
    std::string filter;    // that the first stream has
    Kind kind = Kind::kSession;
    SortKey sort = SortKey::kTx;
    bool with_headers = true;
  };
  enum class Wish { kNothing, kQuit, kOtherFilter };

  TopView(Streams& streams, Options options) : streams_(streams), options_(std::move(options)) {}

  // The text of a frame on a pipe.
  [[nodiscard]] std::string Render(RateFrame& frame) const;
  // On a screen: draws the frame, and again when a key changes how.
  void Show(RateFrame frame);
  // A key was pressed; what the user wants now.
  Wish OnKey(char key);
  // The daemon refused the filter: it is as it was before, and the user reads why.
  void RefuseFilter(const std::string& why);
  // That the next stream is to have.
  [[nodiscard]] std::string filter() const;

 private:
  [[nodiscard]] std::string Text(RateFrame& frame, std::optional<ScreenSize> screen) const;
  Wish OnFilterKey(char key);
  void Draw();

  Streams& streams_;
  const Options options_;
  mutable std::mutex mutex_;
  SortKey sort_ = options_.sort;           // guarded by mutex_, like all below
  std::string filter_ = options_.filter;   // in force, or asked for
  std::string filter_before_;              // what was in force
  std::optional<std::string> typed_;       // while the user types a filter
  std::string remark_;                     // why a filter was refused
  RateFrame frame_;
};

}  // namespace culvert::cli
