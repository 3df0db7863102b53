// AckList: which received numbers to tell the peer about, and when to say it again.
//
// New numbers are due at once when the peer waits for them (a hole, many of them, an idle connection), else within
// kMaxAckDelay. Every ack repeats the latest numbers said before, so that a lost ack costs nothing while data flows; when
// data stops, the last ack is repeated at growing gaps until the peer's sending_next shows that it got through, at most
// kMaxRepeats times (K18). Duplicates re-arm that, at a bounded rate (reliability T04).
//
// Thread: owned by one worker. Source: spec/mkcp.md section 9.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/serial_number.h"
#include "core/base/time.h"
#include "core/kcp/segment.h"

namespace culvert::kcp {

class AckList {
 public:
  static constexpr Duration kMaxAckDelay = std::chrono::milliseconds(5);
  // v2ray takes its timeout from every ack and sends in bursts, one a tick. Many prompt acks of the head of a burst make that
  // timeout shorter than the tail of the same burst takes, and it sends most of it again. Half a tick's arrivals in one ack show it
  // what a burst takes; it could not act on them sooner anyway. What its tick is, its timestamps tell: all of a burst share one.
  static constexpr uint32_t kMinPeerTick = 10;      // ms, as v2ray's configuration allows
  static constexpr uint32_t kMaxPeerTick = 100;
  static constexpr uint32_t kInitialPeerTick = 50;
  static constexpr Duration kDuplicateAckDelay = std::chrono::milliseconds(25);
  static constexpr uint32_t kFillersPerArrival = 4;  // old numbers repeated for each segment since the last ack (T04)
  static constexpr uint32_t kNumbersPerAck = 16;  // so many new numbers are worth an ack at once
  static constexpr uint32_t kMaxRepeats = 8;
  static constexpr uint32_t kMaxRepeatsUnvalidated = 3;

  // The peer's numbers begin at `first`, not at 0: for tests of the wrap. REQUIRES: nothing arrived yet.
  void StartAt(SerialNumber first) { peer_sending_next_ = first; }
  // The peer is a v2ray; see kInitialPeerTick.
  void SetPeerTicks() { peer_ticks_ = true; }
  // A data segment arrived inside the window. `timestamp` is the peer's.
  void OnData(TimePoint now, SerialNumber number, uint32_t timestamp, bool at_once);
  // A segment that is held already: its ack was lost, or somebody repeats it on purpose. Said again, after a while.
  void OnDuplicate(TimePoint now, SerialNumber number, uint32_t timestamp);
  // Something arrived that calls for an ack without a new number: consumed before, or beyond the window (K19).
  void OnUseless(TimePoint now) { Schedule(now + kMaxAckDelay); }
  // The application gave back enough window that the peer should know.
  void OnWindowOpened(TimePoint now) { Schedule(now); }
  // The peer holds nothing below `sending_next` any more.
  void OnPeerProgress(SerialNumber sending_next);

  // When Fill wants to be called; kInfiniteFuture: nothing to say.
  TimePoint due_at() const { return std::min(due_at_, repeat_at_); }
  bool has_new() const { return !fresh_.empty(); }
  TimePoint last_sent_at() const { return last_sent_at_; }

  // One ack's content. `numbers` receives new numbers first, then numbers said before, at most kMaxAckNumbersSent.
  struct Content {
    std::array<uint32_t, kMaxAckNumbersSent> numbers;
    uint32_t count = 0;
    uint32_t timestamp = 0;         // echo of the latest arrival among the new ones, or, without any, of the last one said
    bool has_fresh = false;
    SerialNumber lowest_fresh;      // lowest of the new ones; with has_fresh
  };
  Content Peek() const;
  // The content of the last Peek was sent.
  void OnSent(TimePoint now, Duration rto, uint32_t max_repeats);
  void Clear();
  // Gives back the memory of what has been said and confirmed. For a pause: the next data takes it again.
  void ReleaseSpare();

 private:
  void LearnPeerTick(uint32_t timestamp);
  void Schedule(TimePoint when) { due_at_ = std::min(due_at_, when); }
  // The peer has heard of everything that arrived.
  bool is_confirmed() const { return !any_ || peer_sending_next_.IsAfter(highest_); }
  struct Entry {
    SerialNumber number;
    uint32_t timestamp = 0;
  };
  static constexpr uint32_t kRecent = 64;  // power of two
  static constexpr size_t kMaxFresh = 4096;  // a peer that may not be answered yet cannot make us remember more

  std::vector<Entry> fresh_;               // not said yet, in order of arrival
  std::unique_ptr<std::array<Entry, kRecent>> recent_;  // said before, a ring; there when recent_end_ is not 0
  uint32_t recent_end_ = 0;                // numbers ever put in
  SerialNumber peer_sending_next_;
  SerialNumber highest_;                   // highest number ever acknowledged
  bool any_ = false;
  bool peer_ticks_ = false;
  uint32_t peer_tick_ = kInitialPeerTick;  // ms
  uint32_t latest_timestamp_ = 0;          // of a peer that ticks
  TimePoint due_at_ = kInfiniteFuture;     // something new to say
  TimePoint repeat_at_ = kInfiniteFuture;  // say it again
  TimePoint last_sent_at_{};
  uint32_t repeats_ = 0;
  uint32_t arrivals_ = 0;                  // since the last ack
};

}  // namespace culvert::kcp
