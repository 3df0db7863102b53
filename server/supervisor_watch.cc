// What watchers are told: changes as they come into force, and the state of everything when they look.
#include <set>
#include <utility>

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

void Supervisor::Look(const MergedReport& report, SubjectBook& book) {
  if (!report.is_complete) return;  // what a silent worker has is not gone
  for (const auto& [key, entry] : table_.entries()) book.Observe(BookKey(key), SubjectOf(View(*entry, report)));
  if (!report.has_sessions) return;
  std::set<std::string> ids;
  for (const SessionSnapshot& session : report.sessions) {
    WatchedSubject subject;
    *subject.mutable_session() = ToProto(session);
    book.Observe({v1::WATCH_KIND_SESSION, session.id}, std::move(subject));
    ids.insert(session.id);
  }
  book.ForgetOthers(v1::WATCH_KIND_SESSION, ids);
}

}  // namespace culvert::server
