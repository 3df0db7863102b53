// ObserveService: live statistics and events.
#pragma once

#include "culvert/v1/observe.grpc.pb.h"
#include "server/event_hub.h"
#include "server/stats_hub.h"

namespace culvert::server {

class ObserveService final : public v1::ObserveService::CallbackService {
 public:
  ObserveService(StatsHub& hub, EventHub& events) : hub_(hub), events_(events) {}

  grpc::ServerWriteReactor<v1::WatchStatsResponse>* WatchStats(grpc::CallbackServerContext* call,
                                                              const v1::WatchStatsRequest* request) override;
  grpc::ServerWriteReactor<v1::ListEventsResponse>* ListEvents(grpc::CallbackServerContext* call,
                                                              const v1::ListEventsRequest* request) override;

 private:
  StatsHub& hub_;
  EventHub& events_;
};

}  // namespace culvert::server
