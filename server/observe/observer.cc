#include "server/observe/observer.h"

#include <algorithm>
#include <future>
#include <memory>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

HttpAnswer Unavailable(std::string why) { return {.status = 503, .body = std::move(why) + "\n"}; }

HttpAnswer Ok() { return {.body = "ok\n"}; }

bool HasReached(const MergedReport& report, const std::string& dialer) {
  const auto found = report.targets.find(dialer);
  return found != report.targets.end() && std::ranges::any_of(found->second, [](const TargetReport& target) { return target.sessions > 0; });
}

}  // namespace

std::shared_ptr<const Observer::Look> Observer::LookAt() {
  const std::lock_guard lock(mutex_);
  if (last_ != nullptr && io::Now() - looked_at_ < kMostAge) return last_;
  const auto answer = std::make_shared<std::promise<absl::StatusOr<Observation>>>();  // it may come after we are gone
  std::future<absl::StatusOr<Observation>> future = answer->get_future();
  supervisor_.Observe([answer](absl::StatusOr<Observation> observation) { answer->set_value(std::move(observation)); });
  const auto look = std::make_shared<Look>();
  if (future.wait_for(kMostWait) == std::future_status::ready) {
    absl::StatusOr<Observation> observation = future.get();
    look->is_answered = observation.ok();
    if (observation.ok()) look->observation = *std::move(observation);
  }
  if (look->is_answered) rtt_.Sample(*look->observation.report);
  looked_at_ = io::Now();
  last_ = look;
  return look;
}

HttpAnswer Observer::Metrics() {
  const std::shared_ptr<const Look> look = LookAt();
  MetricBook book;
  if (look->is_answered) AddMetrics(look->observation, book);
  {
    const std::lock_guard lock(mutex_);
    rtt_.AddTo(book);
  }
  AddProcessMetrics(book);
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = book.Text()};
}

HttpAnswer Observer::Started() const { return is_started_ ? Ok() : Unavailable("starting"); }

HttpAnswer Observer::Alive() {
  const std::shared_ptr<const Look> look = LookAt();
  if (!look->is_answered) return Unavailable("the control thread does not answer");
  return look->observation.report->is_complete || is_stopping_ ? Ok() : Unavailable("a worker does not answer");
}

HttpAnswer Observer::Ready() {
  if (!is_started_) return Unavailable("starting");
  const std::shared_ptr<const Look> look = LookAt();
  if (!look->is_answered) return Unavailable("the control thread does not answer");
  const Observation& seen = look->observation;
  for (const std::string& subject : seen.pending) {
    if (subject.starts_with("listener/")) return Unavailable(subject + " is not bound");
  }
  for (const std::string& dialer : options_.ready_requires) {
    if (!HasReached(*seen.report, dialer)) return Unavailable("dialer/" + dialer + " has no session");
  }
  const bool is_draining = is_stopping_ || seen.drain.phase() != v1::Drain::PHASE_SERVING;
  if (options_.unready_on_drain && is_draining) return Unavailable("draining");
  return Ok();
}

}  // namespace culvert::server
