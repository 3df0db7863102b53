// ObserveService: live statistics and events.
#pragma once

#include "culvert/v1/observe.grpc.pb.h"
#include "server/event_hub.h"
#include "server/services/service_context.h"
#include "server/stats_hub.h"

namespace culvert::server {

class ObserveService final : public v1::ObserveService::CallbackService {
 public:
  ObserveService(const ServiceContext& context, StatsHub& hub) : context_(context), hub_(hub) {}

  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(grpc::CallbackServerContext* call, const v1::WatchRequest* request) override;
  grpc::ServerWriteReactor<v1::WatchStatsResponse>* WatchStats(grpc::CallbackServerContext* call,
                                                              const v1::WatchStatsRequest* request) override;
  grpc::ServerWriteReactor<v1::ListEventsResponse>* ListEvents(grpc::CallbackServerContext* call,
                                                              const v1::ListEventsRequest* request) override;
  grpc::ServerWriteReactor<v1::TapResponse>* Tap(grpc::CallbackServerContext* call, const v1::TapRequest* request) override;
  grpc::ServerWriteReactor<v1::TailLogsResponse>* TailLogs(grpc::CallbackServerContext* call,
                                                          const v1::TailLogsRequest* request) override;

 private:
  const ServiceContext context_;
  StatsHub& hub_;
};

}  // namespace culvert::server
