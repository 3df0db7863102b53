#include "cli/watch/watch_view.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/output/tables.h"
#include "cli/process/interrupt.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/watch/feed.h"
#include "cli/watch/known.h"

namespace culvert::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Of messages: a daemon that never stops telling of new things must not fill our memory. Some twenty thousand sessions.
constexpr size_t kMaxBytes = 5u << 20;  // in memory it is up to eight times as much (reliability.md T72)
// Of changes that wait to be shown together: a daemon that says no end of them, or never that it has told all, must not either.
constexpr size_t kMaxPendingBytes = 1u << 20;
constexpr auto kFrameInterval = std::chrono::milliseconds(200);
constexpr auto kAgeInterval = std::chrono::seconds(1);

// What the view does with changes.
class Face {
 public:
  virtual ~Face() = default;
  virtual Outcome Take(const Change& change) = 0;
  // Nothing more has come for now; `known` is all that is known.
  virtual void Settle(const Known& known) = 0;
  // When it wants to be called although nothing came.
  virtual Clock::time_point NextSettle() = 0;
  // Empty: what was said last does not hold any more.
  virtual void Remark(const std::string& text) = 0;
};

std::vector<Kind> KindsOf(const std::vector<Reference>& references) {
  std::vector<Kind> kinds;
  for (const Reference& reference : references) {
    if (std::find(kinds.begin(), kinds.end(), reference.kind) == kinds.end()) kinds.push_back(reference.kind);
  }
  return kinds;
}

// Rows and documents behind one another.
class Appended : public Face {
 public:
  Appended(Context& context, const Show& show, std::vector<Kind> kinds, bool output_events)
      : context_(context), show_(show), kinds_(std::move(kinds)), output_events_(output_events) {}

  Outcome Take(const Change& change) override {
    if (change.type == Change::Type::kDeleted && !output_events_) return std::nullopt;
    if (show_.IsTable()) {
      pending_.push_back(change);
      pending_bytes_ += MessageOf(change.resource).ByteSizeLong();
      if (pending_bytes_ > kMaxPendingBytes) Print();
      return std::nullopt;
    }
    return Document(change);
  }

  void Settle(const Known&) override { Print(); }
  Clock::time_point NextSettle() override { return Clock::now() + std::chrono::hours(1); }
  void Remark(const std::string& text) override {
    if (!text.empty()) context_.streams.err << text << std::endl;
  }

 private:
  struct Page {
    std::vector<size_t> widths;
    int lines_since_headers = -1;  // none yet
  };

  void Print() {
    for (const Kind kind : kinds_) PrintRows(kind);
    pending_.clear();
    pending_bytes_ = 0;
    context_.streams.out << std::flush;
  }

  Outcome Document(const Change& change) {
    std::ostream& out = context_.streams.out;
    const Format format = context_.globals.format;
    const bool is_json = format == Format::kJson || format == Format::kJsonLines;
    if (output_events_ && is_json) {
      const auto* object = std::get_if<v1::Object>(&change.resource);
      out << "{\"type\":\"" << ToString(change.type)
          << "\",\"object\":" << (object ? ObjectToJsonLine(*object) : ObservedToJsonLine(MessageOf(change.resource))) << "}\n";
      return std::nullopt;
    }
    if (format == Format::kYaml) {
      if (!std::exchange(is_first_, false)) out << "---\n";
      if (output_events_) out << "# " << ToString(change.type) << "\n";
    } else if (output_events_) {
      out << ToString(change.type) << "  ";
    }
    return show_.One(context_, change.resource);
  }

  void PrintRows(Kind kind) {
    const TableOptions options = TableOptionsOf(context_, kinds_.size() > 1);
    Page& page = pages_[show_.HasOwnColumns() ? kinds_[0] : kind];
    Table table = show_.Headings(kind, options);
    std::vector<std::string> events;
    for (const Change& change : pending_) {
      if (KindOf(change.resource) != kind) continue;
      show_.Add(change.resource, options, table);
      events.emplace_back(ToString(change.type));
    }
    if (events.empty()) return;
    const int rows = static_cast<int>(events.size());
    if (output_events_) table.Prepend("EVENT", std::move(events));
    Table::Options print = PrintOptionsOf(context_);
    // Once on a pipe; on a terminal again when they have scrolled away.
    const bool are_away = context_.streams.rows > 0 && page.lines_since_headers + rows >= context_.streams.rows - 1;
    print.with_headers = print.with_headers && (page.lines_since_headers < 0 || are_away);
    print.widths = &page.widths;
    table.Print(context_.streams.out, print);
    page.lines_since_headers = print.with_headers ? rows : page.lines_since_headers + rows;
  }

  Context& context_;
  const Show& show_;
  const std::vector<Kind> kinds_;
  const bool output_events_;
  std::vector<Change> pending_;
  size_t pending_bytes_ = 0;
  std::map<Kind, Page> pages_;
  bool is_first_ = true;
};

// One view, redrawn: the cursor goes back to its first line, and what is below is written anew.
class Redrawn : public Face {
 public:
  Redrawn(Context& context, const Show& show, std::vector<Kind> kinds)
      : context_(context), show_(show), kinds_(std::move(kinds)) {}

  Outcome Take(const Change&) override { return std::nullopt; }
  void Settle(const Known& known) override {
    std::ostringstream frame;
    std::ostream& out = context_.streams.out;
    // All() prints to the context's stream: a frame is made of what it says, cut to the screen.
    Streams streams = {frame, context_.streams.err, context_.streams.in};
    streams.out_is_terminal = true;
    streams.color = context_.streams.color;
    streams.columns = context_.streams.columns;
    streams.now_seconds = context_.streams.now_seconds;
    Context inner{context_.globals, streams, context_.client, context_.environment};
    const size_t room = context_.streams.rows > 2 ? static_cast<size_t>(context_.streams.rows) - 1 : known.size() + 1;
    const std::vector<Group> groups = known.Groups(kinds_, room);
    size_t hidden = known.size();
    for (const Group& group : groups) hidden -= group.items.size();
    if (known.size() == 0) {
      frame << "nothing there\n";
    } else {
      show_.All(inner, groups);
    }
    if (!remark_.empty()) frame << remark_ << "\n";
    std::vector<std::string> lines = absl::StrSplit(frame.str(), '\n');
    lines.pop_back();  // behind the last newline
    if (lines.size() > room) {
      hidden += lines.size() - room + 1;
      lines.resize(room - 1);
      lines.push_back(absl::StrCat("... ", hidden, " more lines"));
    }
    // Lines do not wrap while they are written, or the way back up would be longer than they are many.
    out << "\x1b[?7l";
    if (drawn_ > 0) out << "\x1b[" << drawn_ << "A";
    out << "\r\x1b[J";
    for (const std::string& line : lines) out << line << "\n";
    out << "\x1b[?7h" << std::flush;
    drawn_ = lines.size();
    next_ = Clock::now() + kAgeInterval;
  }
  Clock::time_point NextSettle() override { return next_; }
  void Remark(const std::string& text) override { remark_ = text; }

 private:
  Context& context_;
  const Show& show_;
  const std::vector<Kind> kinds_;
  size_t drawn_ = 0;  // lines
  std::string remark_;
  Clock::time_point next_ = Clock::now() + kAgeInterval;
};

class View {
 public:
  View(Context& context, const WatchOptions& options, Face& face) : context_(context), options_(options), face_(face) {}

  Outcome Run() {
    if (Outcome failed = context_.client.Connect()) return failed;
    FeedQueue queue;
    const InterruptScope interrupt([&queue] { queue.Close(); });
    const std::vector<std::unique_ptr<Feed>> feeds = Start(queue);
    Outcome failed = Follow(queue);
    queue.Close();
    if (interrupt.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
    return failed;
  }

 private:
  std::vector<std::unique_ptr<Feed>> Start(FeedQueue& queue) const {
    Feed::Options watched{.filter = options_.filter, .reconnect = options_.reconnect};
    Feed::Options polled = watched;
    for (const Kind kind : KindsOf(options_.references)) (IsWatched(kind) ? watched : polled).kinds.push_back(kind);
    std::vector<std::unique_ptr<Feed>> feeds;
    looks_left_ = 0;
    for (const Feed::Options& feed : {watched, polled}) {
      if (feed.kinds.empty()) continue;
      feeds.push_back(std::make_unique<Feed>(context_.client, queue, feed));
      ++looks_left_;
    }
    return feeds;
  }

  Outcome Follow(FeedQueue& queue) {
    bool is_dirty = false;
    Clock::time_point last_frame = Clock::now() - kFrameInterval;
    while (!queue.closed()) {
      // Changes that come together are shown together, and none waits for long.
      const bool may_settle = looks_left_ == 0;
      const Clock::time_point deadline = is_dirty && may_settle ? last_frame + kFrameInterval : face_.NextSettle();
      std::optional<FeedItem> item = queue.Pop(deadline);
      if (queue.closed()) break;
      if (item) {
        if (item->type == FeedItem::Type::kFailed) {
          if (is_dirty) face_.Settle(known_);
          return std::move(item->failure);
        }
        if (Outcome failed = Take(*item)) return failed;
        is_dirty = true;
      }
      // Until all feeds have told what there is, half of it would only flicker.
      const bool is_due = !item || Clock::now() >= last_frame + kFrameInterval;
      if (is_due && looks_left_ == 0) {
        face_.Settle(known_);
        is_dirty = false;
        last_frame = Clock::now();
      }
      if (!context_.streams.out) return std::nullopt;  // main says so
    }
    return std::nullopt;
  }

  Outcome Take(FeedItem& item) {
    std::optional<Change> change;
    switch (item.type) {
      case FeedItem::Type::kBeginLook:
        known_.BeginLook(item.kinds);
        return std::nullopt;
      case FeedItem::Type::kEndLook:
        looks_left_ = std::max(0, looks_left_ - 1);
        face_.Remark("");
        for (const Change& gone : known_.EndLook(item.kinds)) {
          if (Outcome failed = face_.Take(gone)) return failed;
        }
        return std::nullopt;
      case FeedItem::Type::kRemark:
        if (!context_.globals.quiet) face_.Remark(item.remark);
        return std::nullopt;
      case FeedItem::Type::kPut:
        if (IsWanted(*item.resource)) change = known_.Put(*std::move(item.resource));
        break;
      case FeedItem::Type::kRemove:
        if (IsWanted(*item.resource)) change = known_.Remove(*item.resource);
        break;
      case FeedItem::Type::kFailed:
        break;
    }
    if (known_.size_bytes() > kMaxBytes) return Fail(ExitCode::kServer, "more than can be watched", "--filter narrows it down");
    return change ? face_.Take(*change) : std::nullopt;
  }

  [[nodiscard]] bool IsWanted(const Resource& resource) const {
    return std::any_of(options_.references.begin(), options_.references.end(), [&](const Reference& reference) {
      return reference.kind == KindOf(resource) && (reference.name.empty() || reference.name == NameOf(resource));
    });
  }

  Context& context_;
  const WatchOptions& options_;
  Face& face_;
  Known known_;
  mutable int looks_left_ = 0;  // feeds that have not told yet what there is
};

}  // namespace

Outcome WatchResources(Context& context, const WatchOptions& options, const Show& show) {
  const std::vector<Kind> kinds = KindsOf(options.references);
  if (show.IsTable() && context.streams.out_is_terminal && !options.output_events) {
    Redrawn face(context, show, kinds);
    return View(context, options, face).Run();
  }
  Appended face(context, show, kinds, options.output_events);
  return View(context, options, face).Run();
}

}  // namespace culvert::cli
