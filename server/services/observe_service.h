// ObserveService: live statistics.
#pragma once

#include "culvert/v1/observe.grpc.pb.h"
#include "server/stats_hub.h"

namespace culvert::server {

class ObserveService final : public v1::ObserveService::CallbackService {
 public:
  explicit ObserveService(StatsHub& hub) : hub_(hub) {}

  grpc::ServerWriteReactor<v1::WatchStatsResponse>* WatchStats(grpc::CallbackServerContext* call,
                                                              const v1::WatchStatsRequest* request) override;

 private:
  StatsHub& hub_;
};

}  // namespace culvert::server
