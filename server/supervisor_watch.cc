// What watchers are told: changes as they come into force, and the state of everything when they look.
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

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
    WatchedSubject subject;
    uint64_t fingerprint = 0;
  };
  int64_t began = 0;  // the revision then
  ReportPtr report;
  std::vector<std::pair<ObjectView, uint64_t>> objects;  // with the fingerprints that the book has
  std::unordered_map<std::string, uint64_t> known_sessions;
  std::vector<Seen> changed;
  std::set<std::string> sessions;  // that there are

  // Finds what has changed; the rest of a look costs next to nothing.
  void Compare() {
    for (const auto& [view, known] : objects) {
      Seen seen;
      seen.key = BookKey(KeyOf(view.entry->object));
      seen.subject = SubjectOf(view.In(*report));
      seen.fingerprint = FingerprintOf(seen.subject);
      if (seen.fingerprint != known) changed.push_back(std::move(seen));
    }
    for (const SessionSnapshot& session : report->sessions) {
      sessions.insert(session.id);
      Seen seen;
      seen.key.kind = v1::WATCH_KIND_SESSION;
      seen.key.name = session.id;
      *seen.subject.mutable_session() = ToProto(session);
      seen.fingerprint = FingerprintOf(seen.subject);
      const auto known = known_sessions.find(session.id);
      if (known == known_sessions.end() || known->second != seen.fingerprint) changed.push_back(std::move(seen));
    }
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
  // As a reply: it must not be refused, and there is one at a time.
  aside_.PostReply([this, work, &book, done = std::move(done)] {
    work->Compare();
    thread_.PostReply([this, work, &book, done] {
      TakeLooked(*work, book);
      done();
    });
  });
}

void Supervisor::TakeLooked(LookWork& work, SubjectBook& book) {
  // What was changed or went meanwhile was told to the book as it is now, or is not there any more.
  for (LookWork::Seen& seen : work.changed) {
    if (seen.key.kind == v1::WATCH_KIND_SESSION) {
      book.Observe(seen.key, std::move(seen.subject), seen.fingerprint);
      continue;
    }
    const std::optional<Kind> kind = KindOf(seen.subject.object());
    const bool is_there = kind && table_.Find({*kind, seen.key.name}) != nullptr;
    if (is_there && book.RevisionOf(seen.key) <= work.began) book.Observe(seen.key, std::move(seen.subject), seen.fingerprint);
  }
  if (work.report->wants.sessions) book.ForgetOthers(v1::WATCH_KIND_SESSION, work.sessions);
}

}  // namespace culvert::server
