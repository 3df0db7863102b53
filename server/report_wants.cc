#include "server/worker.h"

#include <algorithm>

namespace culvert::server {
namespace {

void AddObjects(ReportWants::Objects& into, const ReportWants::Objects& from) {
  into.all = into.all || from.all;
  if (into.all) {
    into.names.clear();
  } else {
    into.names.insert(from.names.begin(), from.names.end());
  }
}

bool CoversObjects(const ReportWants::Objects& has, const ReportWants::Objects& wanted) {
  return has.all || (!wanted.all && std::ranges::includes(has.names, wanted.names));
}

}  // namespace

ReportWants ReportWants::Everything(bool sessions) {
  return {.listeners = {.all = true}, .dialers = {.all = true}, .forwards = {.all = true}, .totals = true, .sessions = sessions};
}

void ReportWants::Add(const ReportWants& other) {
  AddObjects(listeners, other.listeners);
  AddObjects(dialers, other.dialers);
  AddObjects(forwards, other.forwards);
  totals = totals || other.totals;
  sessions = sessions || other.sessions;
}

bool ReportWants::Covers(const ReportWants& other) const {
  return CoversObjects(listeners, other.listeners) && CoversObjects(dialers, other.dialers) && CoversObjects(forwards, other.forwards) &&
         (totals || !other.totals) && (sessions || !other.sessions);
}

}  // namespace culvert::server
