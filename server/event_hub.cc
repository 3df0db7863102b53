#include "server/event_hub.h"

#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/error_builder.h"

namespace culvert::server {

void EventHub::Post(EventType type, std::string reason, std::string subject, std::string message) {
  if (waiting_.fetch_add(1) >= kMaxWaiting) {
    --waiting_;
    return;
  }
  const bool is_posted = thread_.Post(
      [this, type, reason = std::move(reason), subject = std::move(subject), message = std::move(message)] {
        --waiting_;
        Record(type, reason, subject, message);
      });
  if (!is_posted) --waiting_;
}

void EventHub::Record(EventType type, std::string_view reason, std::string_view subject, std::string_view message) {
  const EventPtr event = log_.Add(type, reason, subject, message, io::UnixNanoseconds());
  if (listener_) listener_(event);
  for (const Entry& entry : readers_) {
    if (entry.filter.Matches(*event)) entry.reader->OnEvent(event);
  }
}

void EventHub::Add(std::shared_ptr<EventReader> reader, EventFilter filter, bool follow) {
  if (stopping_) return reader->OnEnd(DaemonStopping());
  const bool is_posted = thread_.Post([this, reader, filter = std::move(filter), follow] {
    if (reader->is_removed_) return;
    if (stopping_) return reader->OnEnd(DaemonStopping());
    if (follow && readers_.size() >= kMaxReaders) return reader->OnEnd(LimitExceeded("ListEvents streams", kMaxReaders));
    reader->OnSnapshot(log_.Select(filter));
    if (!follow) return reader->OnEnd(absl::OkStatus());
    // What comes is later than any `since`, unless somebody sets the clock back.
    readers_.push_back({reader, {.subject = filter.subject, .type = filter.type}});
  });
  if (!is_posted) reader->OnEnd(stopping_ ? DaemonStopping() : ControlOverloaded());
}

void EventHub::Remove(const std::shared_ptr<EventReader>& reader) {
  reader->is_removed_ = true;
  // As a reply: it must not be refused, and there is one for each Add.
  thread_.PostReply([this, reader] {
    std::erase_if(readers_, [&](const Entry& entry) { return entry.reader == reader; });
  });
}

void EventHub::BeginStop() {
  stopping_ = true;
  thread_.PostReply([this] {
    for (const Entry& entry : std::exchange(readers_, {})) entry.reader->OnEnd(DaemonStopping());
  });
}

void EventQueue::Begin(std::vector<EventPtr> snapshot) { snapshot_ = std::move(snapshot); }

void EventQueue::Offer(EventPtr event) {
  if (queue_.size() >= kMaxQueued) {
    queue_.pop_front();
    ++missed_;
  }
  queue_.push_back(std::move(event));
}

std::vector<EventPtr> EventQueue::Take(size_t most) {
  std::vector<EventPtr> taken;
  while (taken.size() < most && taken_ < snapshot_.size()) taken.push_back(std::move(snapshot_[taken_++]));
  if (taken_ == snapshot_.size()) {
    snapshot_ = {};
    taken_ = 0;
  }
  while (taken.size() < most && !queue_.empty()) {
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return taken;
}

}  // namespace culvert::server
