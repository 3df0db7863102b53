// What the daemon shows to who looks from outside (server/observe).
#include <memory>
#include <utility>

#include "server/error_builder.h"
#include "server/supervisor.h"

namespace culvert::server {

void Supervisor::Observe(Done<Observation> done) {
  // Also while it stops: who drains is alive.
  const bool is_posted = thread_.Post([this, done] {
    collector_.Collect(ReportWants::Everything(/*sessions=*/true), Duration::zero(), [this, done](const ReportPtr& report) {
      const auto seen = std::make_shared<Observation>();
      seen->version = options_.facts.version;
      seen->start_unix_ns = options_.facts.start_unix_ns;
      seen->report = report;
      seen->objects.reserve(table_.size());
      for (const auto& [key, entry] : table_.entries()) seen->objects.push_back(ViewOf(key, entry));
      for (const auto& [key, pending] : pending_) seen->pending.push_back(key.ToString());
      seen->drain = drain_.ToProto();
      seen->config = config_status_;
      seen->state_is_kept = options_.store != nullptr && store_health_.ok();
      seen->watch_readers = watches_.readers();
      if (!Aside([done, seen] { done(std::move(*seen)); })) done(ControlOverloaded());
    });
  });
  if (!is_posted) done(RefusalStatus());
}

}  // namespace culvert::server
