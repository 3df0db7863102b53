#include "server/event_log.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "proto/manifest/utf8.h"

namespace culvert::server {
namespace {

// At most `most` bytes of `text`, whole code points, without what is not UTF-8 (a message of the API could not hold it) and what
// can forge a line.
std::string Cleaned(std::string_view text, size_t most) {
  std::string clean;
  clean.reserve(std::min(text.size(), most));
  while (!text.empty()) {
    const manifest::CodePoint point = manifest::DecodeUtf8(text);
    const bool is_fit = point.length > 0 && !manifest::IsUnsafeToPrint(point.value);
    const std::string_view taken = is_fit ? text.substr(0, point.length) : std::string_view("?");
    if (clean.size() + taken.size() > most) break;
    clean += taken;
    text.remove_prefix(std::max<size_t>(point.length, 1));
  }
  return clean;
}

}  // namespace

bool EventFilter::Matches(const Event& event) const {
  return (subject.empty() || event.subject == subject) && (!type || event.type == *type) && event.last_unix_ns >= since_unix_ns;
}

size_t EventLog::IdentityHash::operator()(const Identity& identity) const {
  size_t hash = static_cast<size_t>(identity.type);
  for (const std::string_view part : {identity.reason, identity.subject, identity.message}) {
    hash = hash * 31 + std::hash<std::string_view>()(part);
  }
  return hash;
}

EventPtr EventLog::Add(EventType type, std::string_view reason, std::string_view subject, std::string_view message,
                       int64_t now_unix_ns) {
  auto event = std::make_shared<Event>();
  event->type = type;
  event->reason = Cleaned(reason, kMaxNameBytes);
  event->subject = Cleaned(subject, kMaxNameBytes);
  event->message = Cleaned(message, kMaxMessageBytes);
  event->revision = revisions_ != nullptr ? revisions_->Next() : ++revision_;
  event->first_unix_ns = event->last_unix_ns = now_unix_ns;
  event->count = 1;
  // What the index knows is found by strings that go with the event: it is forgotten first.
  const auto forget = [this](std::list<EventPtr>::iterator at) {
    index_.erase(IdentityOf(**at));
    events_.erase(at);
  };
  if (const auto same = index_.find(IdentityOf(*event)); same != index_.end()) {
    const Event& before = **same->second;
    event->first_unix_ns = before.first_unix_ns;
    event->count = before.count + 1;
    forget(same->second);
  } else if (events_.size() >= kCapacity) {
    forget(events_.begin());
  }
  events_.push_back(event);
  index_.emplace(IdentityOf(*event), std::prev(events_.end()));
  return event;
}

std::vector<EventPtr> EventLog::Select(const EventFilter& filter) const {
  std::vector<EventPtr> selected;
  for (auto at = events_.rbegin(); at != events_.rend(); ++at) {
    if (!filter.Matches(**at)) continue;
    selected.push_back(*at);
    if (selected.size() == filter.last) break;
  }
  std::ranges::reverse(selected);
  return selected;
}

}  // namespace culvert::server
