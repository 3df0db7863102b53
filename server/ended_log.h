// EndedLog: the streams and UDP flows of one worker that ended or were refused, the latest of them, for who looks at what happened (Tap).
// Every record has a number, one more than the one before: a reader says how far it has read, and the gap, if there is one, is what it
// missed. Nobody is told anything; a log that nobody reads costs its records.
// Thread: confined to one worker; records are immutable and may be shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace culvert::server {

// Why something ended; what was refused has the name of its refusal. See culvert.v1.TapRecord.
inline constexpr std::string_view kEndedFinished = "FINISHED";
inline constexpr std::string_view kEndedIdle = "IDLE_TIMEOUT";
inline constexpr std::string_view kEndedHere = "CLOSED_HERE";
inline constexpr std::string_view kEndedBySource = "SOURCE_BROKE";
inline constexpr std::string_view kEndedByFarSide = "FAR_SIDE_BROKE";
inline constexpr std::string_view kEndedByClient = "CLIENT_GONE";
inline constexpr std::string_view kEndedForOthers = "EVICTED";

// See culvert.v1.TapRecord.
struct EndedRecord {
  enum class Kind : uint8_t { kStream, kUdpFlow };
  enum class Verdict : uint8_t { kClosed, kBroken, kRefused };
  int64_t ended_at_unix_ns = 0;
  Kind kind = Kind::kStream;
  Verdict verdict = Verdict::kClosed;
  std::string_view reason;  // static storage
  std::string message;      // of a refusal; no secrets
  std::string forward;
  std::string listener;
  std::string session_id;
  std::string far_session_id;
  std::string source;
  std::string destination;
  Duration duration{};
  uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0, dropped = 0;
  uint32_t worker = 0;
};

// Records behind the number that was asked for, oldest first.
struct EndedBatch {
  std::vector<std::shared_ptr<const EndedRecord>> records;
  uint64_t last = 0;  // the number of the newest there is: what to ask behind next
  uint64_t lost = 0;  // records behind the number asked for that are gone
};

class EndedLog {
 public:
  static constexpr size_t kCapacity = 2048;

  void Add(EndedRecord record) {
    if (records_.size() == kCapacity) records_.pop_front();
    records_.push_back(std::make_shared<const EndedRecord>(std::move(record)));
    ++last_;
  }

  // `after` 0: everything there is, and nothing counts as lost.
  [[nodiscard]] EndedBatch Read(uint64_t after) const {
    EndedBatch batch;
    batch.last = last_;
    const uint64_t oldest = last_ - records_.size() + 1;
    if (after != 0 && after + 1 < oldest) batch.lost = oldest - after - 1;
    const uint64_t first = after + 1 < oldest ? oldest : after + 1;
    for (uint64_t number = first; number <= last_; ++number) batch.records.push_back(records_[number - oldest]);
    return batch;
  }

 private:
  std::deque<std::shared_ptr<const EndedRecord>> records_;
  uint64_t last_ = 0;  // the number of the newest; the first is 1
};

}  // namespace culvert::server
