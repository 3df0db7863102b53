// The flags that tap and logs have in common, and what a stream of records says of those that were lost.
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "cli/process/failure.h"
#include "culvert/v1/observe.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace culvert::cli {

struct TailFlags {
  std::optional<int32_t> last;
  std::string since_text;
  bool follow = false;
  std::optional<int32_t> rate;

  // Binds them to a verb. `what`: "records".
  void AddTo(CLI::App& app, const std::string& what);
  // What is wrong with them; after it, Fill.
  Outcome Validate();
  // Of a TapRequest or TailLogsRequest.
  template <typename Request>
  void Fill(Request& request) const {
    if (last) request.set_last(*last);
    if (since_) *request.mutable_since() = *since_;
    request.set_follow(follow);
    request.set_max_per_second(rate.value_or(0));
  }

 private:
  std::optional<google::protobuf::Duration> since_;
};

// "-- 214 records lost (rate limit) --"
std::string LostText(const v1::LostRecords& lost, const std::string& what);
// "12:01:07.114", of the day in this machine's time zone.
std::string ClockText(const google::protobuf::Timestamp& time);

}  // namespace culvert::cli
