// Connection: one mKCP conversation. It composes the send window, receive window, ack list, RTT estimate, congestion
// controller and state machine, and owns the connection's timers; what those parts do is in their own files.
//
// It is driven by its endpoint: segments in, Flush out, deadlines asked for. It reports through Events it appends to the
// endpoint's queue; it never calls back.
//
// Thread: owned by one worker. Source: spec/mkcp.md sections 7 to 13, with the behaviour of spec/quirks.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/congestion/congestion_controller.h"
#include "core/congestion/delivery_rate.h"
#include "core/congestion/pacer.h"
#include "core/kcp/ack_list.h"
#include "core/kcp/address_validation.h"
#include "core/kcp/block_pool.h"
#include "core/kcp/config.h"
#include "core/kcp/connection_state.h"
#include "core/kcp/datagram_writer.h"
#include "core/kcp/path_memory.h"
#include "core/kcp/receive_window.h"
#include "core/kcp/rtt_estimator.h"
#include "core/kcp/segment.h"
#include "core/kcp/send_window.h"
#include "core/transport/endpoint.h"

namespace culvert::kcp {

// What all connections of an endpoint share. Outlives them.
struct ConnectionContext {
  const KcpConfig& config;
  RandomSource& random;
  DatagramWriter& writer;
  BlockPool& send_pool;
  ReceivePools& receive_pools;
  EndpointCounters& counters;
  std::vector<Event>& events;
  PathMemory& paths;
};

class Connection {
 public:
  struct Identity {
    SocketAddress peer;
    uint16_t conversation_id = 0;
    bool outgoing = false;
    SerialNumber first_number;  // of both directions; see EndpointOptions
  };

  Connection(ConnectionContext& context, const Identity& identity, TimePoint now);
  void set_handle(StreamHandle handle) { handle_ = handle; }

  // Inputs.
  void OnDatagramReceived(TimePoint now, size_t bytes);  // of any datagram handed to it
  void OnSegment(TimePoint now, const Segment& segment);
  // Lets the application see the connection (accepted ones, once the endpoint's policy says so).
  void HandOver();
  bool handed_over() const { return handed_over_; }
  // True once in-order data or a ping has come: what a listener waits for before HandOver (K4).
  bool wants_hand_over() const { return wants_hand_over_; }

  // The application's side; see culvert::Endpoint.
  size_t WritableBytes() const;
  size_t Write(ByteView bytes);
  size_t Peek(std::span<ByteView> views);
  void Consume(size_t size);
  bool SetReadDeadline(TimePoint when);
  bool AtEnd() const;
  void Close(TimePoint now);
  void Abort(TimePoint now, CloseReason reason);
  // The application has been told that the stream is gone.
  bool is_detached() const { return detached_; }

  // Writes what is due. False: the sink is full, call again with the next one.
  [[nodiscard]] bool Flush(TimePoint now, DatagramSink& sink);
  // When Flush wants to be called next; kInfiniteFuture: never by itself.
  TimePoint NextDeadline() const;
  // Gives back what only data in flight needs, once none has moved for a while; memory of an idle session counts.
  void ReleaseSpareMemory(TimePoint now);
  bool is_finished() const { return state_ == State::kTerminated && !answer_terminate_; }

  const Identity& identity() const { return identity_; }
  State state() const { return state_; }
  CloseReason close_reason() const { return close_reason_; }
  // What our terminates say of the length of our stream.
  SerialNumber terminate_sending_next() const { return send_.first_unacked().Plus(aborted_ ? 1 : 0); }
  SerialNumber receiving_next() const { return receive_.next(); }
  bool validated() const { return validation_.validated(); }
  TimePoint last_received_at() const { return last_received_at_; }
  bool HasUndelivered() const;
  SessionStats GetStats(TimePoint now) const;
  TimeInLimit time_in_limit(TimePoint now) const { return limits_.Totals(now); }

  // Bookkeeping of the endpoint's.
  bool is_ready = false;            // in its ready queue
  bool is_buried = false;           // out of its tables, waiting to be destroyed
  uint32_t unvalidated_index = 0;   // in its list of unvalidated connections

 private:
  enum class Sent : uint8_t { kYes, kSinkFull, kNotAllowed };
  // The cumulative part of SessionStats; GetStats makes up the rest.
  struct Counters {
    uint64_t tx_bytes = 0;
    uint64_t tx_datagram_bytes = 0;
    uint64_t rx_datagram_bytes = 0;
    uint64_t tx_datagrams = 0;
    uint64_t rx_datagrams = 0;
    uint64_t tx_segments = 0;
    uint64_t rx_segments = 0;
    uint64_t retransmitted_segments = 0;
    uint64_t lost_segments = 0;
    uint64_t spurious_retransmits = 0;
    uint64_t duplicate_segments = 0;
    uint64_t out_of_window_segments = 0;
    uint64_t acknowledged_bytes = 0;
  };
  struct Timers {
    TimePoint loss_at = kInfiniteFuture;           // more segments may be declared lost
    TimePoint progress_ping_at = kInfiniteFuture;  // the peer does not know our sending_next (K17)
    TimePoint opening_ping_at = kInfiniteFuture;   // nothing has come from the peer yet (K21)
    TimePoint window_probe_at = kInfiniteFuture;   // the peer's window is closed and nothing is in flight
    TimePoint validation_probe_at = kInfiniteFuture;
    TimePoint terminate_at = kInfiniteFuture;
    TimePoint read_at = kInfiniteFuture;           // the application's read deadline
    TimePoint paced_at = kInfiniteFuture;          // the pacer holds data back until then
    TimePoint copy_at = kInfiniteFuture;           // what is in flight is sent once more
  };

  void OnData(TimePoint now, const DataSegment& data);
  void OnAck(TimePoint now, const AckSegment& ack);
  void OnCommand(TimePoint now, const CommandSegment& command);
  bool IsPlausible(const Segment& segment) const;
  bool HasWholeStream() const;
  void GrowReceiveWindow(TimePoint now);
  void GrowReceiveWindowForHole(TimePoint now);
  void OnPeerSendingNext(SerialNumber sending_next);
  void OnReceivingNext(TimePoint now, SerialNumber receiving_next);
  void ApplyAckOutcome(TimePoint now, const AckOutcome& outcome, uint64_t prior_in_flight);
  void DetectLosses(TimePoint now);
  void NotePath(TimePoint now);
  void CountLosses(const SendWindow::LossOutcome& losses);
  void Validate(TimePoint now);
  void CheckProgress(TimePoint now);

  void Apply(TimePoint now, Trigger trigger, CloseReason reason);
  void Detach(CloseReason reason);
  void SignalReadable();
  void SignalWritable();

  void OnTime(TimePoint now);
  TimePoint StateDeadline() const;
  TimePoint ProbeTimeoutAt() const;
  Duration ProbeTimeout() const;
  Duration KeepAlive() const;
  void OnProbeTimeout(TimePoint now);

  Sent FlushAcks(TimePoint now, DatagramSink& sink);
  Sent FlushData(TimePoint now, DatagramSink& sink);
  Sent FlushCopies(TimePoint now, DatagramSink& sink);
  void ScheduleCopies(TimePoint now);
  SendWindow::Copies WantedCopies(TimePoint now) const;
  SendLimit FindLimit() const;
  Sent SendData(TimePoint now, SerialNumber number, const OutgoingSegment& segment, DatagramSink& sink);
  Sent FlushCommands(TimePoint now, DatagramSink& sink);
  Sent SendCommand(TimePoint now, Command command, DatagramSink& sink);
  Sent SendSegment(TimePoint now, SerialNumber number, const OutgoingSegment& segment, DatagramSink& sink);
  template <typename Encode>
  Sent SendDatagram(TimePoint now, size_t size, bool spare, DatagramSink& sink, Encode&& encode);
  void OnSendingNextTold();

  uint32_t WireClock(TimePoint now) const { return epoch_ + static_cast<uint32_t>(ToMilliseconds(now - created_at_)); }
  uint8_t OptionByte() const { return state_ == State::kReadyToClose ? kOptionClose : 0; }
  uint32_t DatagramOverhead() const { return static_cast<uint32_t>(context_.writer.overhead() + kDataHeadSize); }
  Duration ReorderingWindow() const;

  ConnectionContext& context_;
  const Identity identity_;
  StreamHandle handle_;
  const TimePoint created_at_;
  const uint32_t epoch_;

  State state_ = State::kActive;
  TimePoint state_entered_at_;
  TimePoint last_received_at_;
  TimePoint last_sent_at_;
  bool ever_received_ = false;
  bool handed_over_ = false;
  bool wants_hand_over_ = false;
  bool detached_ = false;
  bool readable_signalled_ = false;
  bool write_fell_short_ = false;
  bool answer_terminate_ = false;      // the peer's terminate waits for ours
  bool aborted_ = false;               // our end is no clean one, and the peer is to know
  bool has_peer_end_ = false;
  bool challenge_ = false;             // an implausible end came: ask with a ping
  bool drained_ = false;               // the peer is done and the application has read everything
  SerialNumber peer_end_;              // numbers below it are the peer's whole stream
  CloseReason close_reason_ = CloseReason::kNone;
  AddressValidation validation_;

  SendWindow send_;
  ReceiveWindow receive_;
  AckList acks_;
  RttEstimator rtt_;
  congestion::DeliveryRate delivery_;
  std::unique_ptr<congestion::CongestionController> controller_;
  congestion::Pacer pacer_;

  TimePoint window_round_started_at_{};
  TimePoint window_grown_for_hole_at_{};
  SerialNumber window_round_began_with_;  // receive window growth: what was consumed in a round trip
  SerialNumber peer_edge_;             // first number the peer does not take
  SerialNumber announced_edge_;        // what the peer was told last
  SerialNumber told_sending_next_;     // what the peer knows of our progress
  uint32_t timeouts_in_a_row_ = 0;
  uint32_t forced_segments_ = 0;       // may be sent whatever window and pacer say (probe timeout, window probe)
  uint32_t opening_pings_ = 0;
  uint32_t early_pings_ = 0;           // before the peer's first data
  uint32_t terminates_sent_ = 0;
  TimePoint path_noted_at_{};
  uint64_t copies_sent_ = 0;             // of stats_.tx_segments
  uint32_t noted_segments_ = 0;          // when the path was noted last
  uint32_t noted_losses_ = 0;
  uint64_t unreported_lost_bytes_ = 0;   // declared lost since the controller was told last
  uint64_t largest_lost_order_ = 0;
  uint32_t reordering_steps_ = 1;      // of a quarter of the least RTT
  SendLimit held_back_by_ = SendLimit::kApplication;  // where FlushData stopped last
  LimitClock limits_;
  Timers timers_;
  uint64_t payload_bytes_sent_ = 0;          // retransmissions included
  uint64_t payload_bytes_retransmitted_ = 0;
  Counters stats_;
};

}  // namespace culvert::kcp
