// What watchers are told: changes as they come into force, and the state of everything when they look.
#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "google/protobuf/arena.h"
#include "server/stats_proto.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

SubjectBook::Key BookKey(const ObjectKey& key) {
  switch (key.kind) {
    case Kind::kListener: return {v1::WATCH_KIND_LISTENER, key.name};
    case Kind::kDialer: return {v1::WATCH_KIND_DIALER, key.name};
    case Kind::kForward: break;
  }
  return {v1::WATCH_KIND_FORWARD, key.name};
}

Kind KindOf(v1::WatchKind kind) {
  switch (kind) {
    case v1::WATCH_KIND_DIALER: return Kind::kDialer;
    case v1::WATCH_KIND_FORWARD: return Kind::kForward;
    default: return Kind::kListener;
  }
}

WatchedSubject SubjectOf(v1::Object object) {
  WatchedSubject subject;
  *subject.mutable_object() = std::move(object);
  return subject;
}

}  // namespace

void Supervisor::TellWatchers(const Running& running, const std::vector<v1::Object>& views) {
  if (running.is_trial) return;
  SubjectBook& book = watches_.book();
  for (size_t i = 0; i < running.plan.results.size(); ++i) {
    const ChangeResult& result = running.plan.results[i];
    if (result.after != nullptr && (result.action != ChangeResult::Action::kUnchanged || result.renewed)) {
      book.Observe(BookKey(result.key), SubjectOf(views[i]));
    } else if (result.action == ChangeResult::Action::kDeleted) {
      const WatchedSubject last = SubjectOf(views[i]);
      book.Forget(BookKey(result.key), &last);
    }
  }
  for (const ObjectKey& key : running.plan.also_deleted) book.Forget(BookKey(key), nullptr);
  watches_.Publish();
}

struct Supervisor::LookWork {
  struct Seen {
    SubjectBook::Key key;
    KeptSubjectPtr subject;
    uint64_t fingerprint = 0;
  };
  int64_t began = 0;  // the revision then
  ReportPtr report;
  static constexpr size_t kPiece = 500;
  std::vector<std::pair<ObjectView, uint64_t>> objects;  // with the fingerprints that the book has
  size_t compared = 0;                                   // of the objects
  std::unordered_map<std::string, uint64_t> known_sessions;
  std::vector<Seen> changed;
  std::set<std::string> sessions;  // that there are

  // Finds what has changed; the rest of a look costs next to nothing. A piece at a time: whoever asks for a list need not wait for all of
  // it. Returns whether there is more.
  bool CompareSome() {
    google::protobuf::Arena arena;  // for one subject after the other
    const size_t end = std::min(objects.size(), compared + kPiece);
    for (; compared < end; ++compared) {
      const auto& [view, known] = objects[compared];
      arena.Reset();
      auto& subject = *google::protobuf::Arena::CreateMessage<WatchedSubject>(&arena);
      view.FillInto(*report, *subject.mutable_object());
      Take(BookKey(KeyOf(view.entry->object)), subject, known);
    }
    if (compared < objects.size()) return true;
    for (const SessionSnapshot& session : report->sessions) {
      sessions.insert(session.id);
      arena.Reset();
      auto& subject = *google::protobuf::Arena::CreateMessage<WatchedSubject>(&arena);
      *subject.mutable_session() = ToProto(session);
      const auto known = known_sessions.find(session.id);
      Take({v1::WATCH_KIND_SESSION, session.id}, subject, known == known_sessions.end() ? 0 : known->second);
    }
    return false;
  }

  // `subject` is anything thereafter.
  void Take(SubjectBook::Key key, WatchedSubject& subject, uint64_t known) {
    KeptSubjectPtr kept = KeptSubject::Of(subject);
    const uint64_t fingerprint = TakeFingerprint(subject);
    if (fingerprint != known) changed.push_back({std::move(key), std::move(kept), fingerprint});
  }
};

void Supervisor::Look(const ReportPtr& report, SubjectBook& book, std::function<void()> done) {
  if (!report->is_complete) return done();  // what a silent worker has is not gone
  const auto work = std::make_shared<LookWork>();
  work->began = revisions_.current();
  work->report = report;
  // Both are in the order of kinds and names.
  auto known = book.subjects().begin();
  for (const auto& [key, entry] : table_.entries()) {
    const SubjectBook::Key book_key = BookKey(key);
    while (known != book.subjects().end() && known->first < book_key) ++known;
    const bool is_known = known != book.subjects().end() && known->first == book_key;
    work->objects.emplace_back(ViewOf(key, entry), is_known ? known->second.fingerprint : 0);
  }
  if (report->wants.sessions) {
    for (const SessionSnapshot& session : report->sessions) {
      work->known_sessions.emplace(session.id, book.FingerprintOf({v1::WATCH_KIND_SESSION, session.id}));
    }
  }
  Compare(work, [this, work, &book, done = std::move(done)] {
    TakeLooked(*work, book);
    done();
  });
}

void Supervisor::Compare(const std::shared_ptr<LookWork>& work, std::function<void()> done) {
  // It must not be refused, and there is one at a time.
  aside_.PostRest([this, work, done = std::move(done)] {
    if (work->CompareSome()) return Compare(work, done);
    thread_.PostReply(done);
  });
}

void Supervisor::TakeLooked(LookWork& work, SubjectBook& book) {
  // What was changed or went meanwhile was told to the book as it is now, or is not there any more.
  for (LookWork::Seen& seen : work.changed) {
    if (seen.key.kind == v1::WATCH_KIND_SESSION) {
      book.Observe(seen.key, std::move(seen.subject), seen.fingerprint);
      continue;
    }
    const bool is_there = table_.Find({KindOf(seen.key.kind), seen.key.name}) != nullptr;
    if (is_there && book.RevisionOf(seen.key) <= work.began) book.Observe(seen.key, std::move(seen.subject), seen.fingerprint);
  }
  if (work.report->wants.sessions) book.ForgetOthers(v1::WATCH_KIND_SESSION, work.sessions);
}

}  // namespace culvert::server
