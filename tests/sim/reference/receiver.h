// The receiving half of a v2ray connection: an ordered map of what arrived, and acks that are repeated for ever.
// Source: spec/mkcp.md section 9.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "tests/sim/reference/wire.h"

namespace culvert::reference {

class Receiver {
 public:
  explicit Receiver(uint32_t window) : window_(window) {}

  // Section 9.1. True when something can be read.
  bool ProcessData(const Segment& data);
  void ProcessSendingNext(uint32_t sending_next);
  // Section 9.2: builds the acks that are due; `send` fills in conversation and option.
  void Flush(uint32_t now, uint32_t rto, const std::function<void(Segment)>& send);
  // The whole contiguous run; `next` moves.
  Bytes Read();

  bool has_acks() const { return !acks_.empty(); }
  bool readable() const { return arrived_.contains(next_); }
  uint32_t next() const { return next_; }
  size_t held() const { return arrived_.size(); }

 private:
  struct Entry {
    uint32_t number = 0;
    uint32_t timestamp = 0;
    uint32_t due = 0;
  };
  const uint32_t window_;
  uint32_t next_ = 0;
  std::map<uint32_t, Bytes> arrived_;
  std::vector<Entry> acks_;
  bool dirty_ = false;
};

}  // namespace culvert::reference
