#include "server/watch/watch_hub.h"

#include <algorithm>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

constexpr uint32_t Bit(v1::WatchKind kind) { return 1u << static_cast<unsigned>(kind); }

absl::Status CannotResume(const std::string& reason, const std::string& problem, int64_t oldest) {
  return ErrorBuilder(absl::StatusCode::kOutOfRange, reason, "resume_revision: " + problem + ": begin anew without it")
      .Metadata("oldest_revision", std::to_string(oldest))
      .Build();
}

}  // namespace

WatchHub::WatchHub(ControlThread& thread, RevisionClock& revisions, ReportCollector& collector, EventHub& events, Look look)
    : thread_(thread), revisions_(revisions), collector_(collector), events_(events), look_(std::move(look)), log_(revisions),
      book_(log_, revisions) {
  events_.SetListener([this](const EventPtr& event) { OnEvent(event); });
}

void WatchHub::Add(std::shared_ptr<WatchReader> reader, Request request) {
  if (stopping_) return reader->OnEnd(DaemonStopping(), "DAEMON_STOPPING");
  const bool is_posted = thread_.Post([this, reader, request] {
    if (reader->is_removed_) return;
    if (stopping_) return reader->OnEnd(DaemonStopping(), "DAEMON_STOPPING");
    if (readers_.size() >= kMaxReaders) return reader->OnEnd(LimitExceeded("Watch streams", kMaxReaders), "");
    const int64_t resume = request.resume_revision;
    if (resume != 0 && !revisions_.IsOfThisRun(resume)) {
      return reader->OnEnd(CannotResume("REVISION_FROM_OTHER_RUN", "is of another run of the daemon", log_.oldest()), "");
    }
    if (resume != 0 && !log_.HasAllAfter(resume)) {
      return reader->OnEnd(CannotResume("REVISION_COMPACTED", "too much has changed since", log_.oldest()), "");
    }
    auto entry = std::make_unique<Entry>();
    entry->reader = reader;
    entry->request = request;
    entry->wants = true;
    readers_.push_back(std::move(entry));
    // What changed by itself while nobody watched is found first: a snapshot is then of now, and who comes back misses nothing. But
    // readers that come one after the other share a look, or coming would be a way to keep us looking.
    if (io::Now() - last_look_ >= look_interval_) {
      LookNow();
    } else {
      ArmLook();
    }
  });
  if (!is_posted) reader->OnEnd(stopping_ ? DaemonStopping() : ControlOverloaded(), "");
}

void WatchHub::Pull(const std::shared_ptr<WatchReader>& reader) {
  // As a reply: it must not be refused, and there is one for each answer.
  thread_.PostReply([this, reader] {
    const auto at = std::ranges::find_if(readers_, [&](const auto& entry) { return entry->reader == reader; });
    if (at == readers_.end()) return;
    (*at)->wants = true;
    if ((*at)->is_begun) Give(**at);
  });
}

void WatchHub::Remove(const std::shared_ptr<WatchReader>& reader) {
  reader->is_removed_ = true;
  thread_.PostReply([this, reader] {
    std::erase_if(readers_, [&](const auto& entry) { return entry->reader == reader; });
  });
}

void WatchHub::BeginStop() {
  stopping_ = true;
  thread_.PostReply([this] {
    std::vector<std::shared_ptr<WatchReader>> ended;
    for (const auto& entry : std::exchange(readers_, {})) {
      entry->reader->OnEnd(absl::OkStatus(), "DAEMON_STOPPING");
      ended.push_back(entry->reader);
    }
    if (ended.empty()) return;
    thread_.RunAt(io::Now() + kLastMessageTime, [ended] {
      for (const auto& reader : ended) reader->OnStuck();
    });
  });
}

void WatchHub::EndReader(const std::shared_ptr<WatchReader>& reader, absl::Status why, const std::string& closing) {
  const std::shared_ptr<WatchReader> kept = reader;  // the entry goes
  std::erase_if(readers_, [&](const auto& entry) { return entry->reader == kept; });
  kept->OnEnd(std::move(why), closing);
}

void WatchHub::Begin(Entry& entry) {
  const int64_t resume = entry.request.resume_revision;
  entry.is_begun = true;
  entry.bookmark_due = io::Now() + entry.request.bookmark_interval;
  if (resume == 0) {
    entry.cursor = WatchCursor::FromSnapshot(entry.request.kinds, revisions_);
  } else if (!log_.HasAllAfter(resume)) {
    return EndReader(entry.reader, CannotResume("REVISION_COMPACTED", "too much has changed since", log_.oldest()), "");
  } else {
    entry.cursor = WatchCursor::After(entry.request.kinds, resume);
  }
  if (entry.wants) Give(entry);
}

void WatchHub::Give(Entry& entry) {
  bool has_fallen_behind = false;
  const std::vector<EventPtr> events = entry.cursor.WantsEvents() ? events_.Snapshot() : std::vector<EventPtr>();
  std::vector<WatchItem> items = entry.cursor.Next(book_, log_, revisions_, events, has_fallen_behind);
  if (has_fallen_behind) return EndReader(entry.reader, absl::OkStatus(), "SLOW_READER");
  const TimePoint now = io::Now();
  const bool is_due = now >= entry.bookmark_due && entry.cursor.position() != 0;
  if (items.empty() && !is_due) return;
  if (is_due) items.push_back({WatchItem::Kind::kBookmark, entry.cursor.position(), nullptr, nullptr});
  if (is_due || items.back().kind == WatchItem::Kind::kSnapshotComplete) entry.bookmark_due = now + entry.request.bookmark_interval;
  entry.wants = false;
  entry.reader->OnItems(std::move(items));
}

void WatchHub::Publish() {
  // Giving may end a reader and so change the list.
  std::vector<Entry*> waiting;
  for (const auto& entry : readers_) {
    if (entry->is_begun && entry->wants) waiting.push_back(entry.get());
  }
  for (Entry* entry : waiting) Give(*entry);
}

void WatchHub::OnEvent(const EventPtr& event) {
  WatchRecord record;
  record.revision = event->revision;
  record.kind = v1::WATCH_KIND_EVENT;
  record.subject = KeptSubject::Of(SubjectOf(*event));
  log_.Append(std::move(record));
  Publish();
}

bool WatchHub::WatchesSessions() const {
  return std::ranges::any_of(readers_, [](const auto& entry) { return (entry->request.kinds & Bit(v1::WATCH_KIND_SESSION)) != 0; });
}

void WatchHub::LookNow() {
  if (is_looking_) return;  // OnLooked begins with who came meanwhile
  is_looking_ = true;
  const bool with_sessions = WatchesSessions();
  collector_.Collect(ReportWants::Everything(with_sessions), Duration::zero(), [this](const ReportPtr& report) {
    look_(report, book_, [this, with_sessions = report->wants.sessions, began = io::Now()] { OnLooked(with_sessions, began); });
  });
}

void WatchHub::OnLooked(bool with_sessions, TimePoint began) {
  is_looking_ = false;
  bool missed_some = false;
  std::vector<Entry*> fresh;
  for (const auto& entry : readers_) {
    if (entry->is_begun) continue;
    const bool wants_sessions = (entry->request.kinds & Bit(v1::WATCH_KIND_SESSION)) != 0;
    if (wants_sessions && !with_sessions) {
      missed_some = true;
    } else {
      fresh.push_back(entry.get());
    }
  }
  for (Entry* entry : fresh) Begin(*entry);
  Publish();
  last_look_ = io::Now();
  look_interval_ = std::max(kMinLookInterval, (last_look_ - began) * kMostShareOfTime);
  if (missed_some) return LookNow();
  ArmLook();
}

void WatchHub::ArmLook() {
  if (look_is_armed_ || readers_.empty()) return;
  look_is_armed_ = true;
  thread_.RunAt(io::Now() + look_interval_, [this] {
    look_is_armed_ = false;
    if (!readers_.empty()) LookNow();
  });
}

}  // namespace culvert::server
