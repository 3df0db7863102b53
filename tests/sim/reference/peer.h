// Peer: one whole v2ray connection as the specification describes it: both halves, the two update loops, the six states, the
// stream interface. It keeps v2ray's weaknesses (the peer's window is not respected, acks are repeated for ever, PEER_CLOSED has
// no limit, closing waits for a grid of 5 s), because those are what the engine has to live with.
//
// Time: the owner's clock in milliseconds, never decreasing. Source: spec/mkcp.md sections 7 to 13.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "tests/sim/reference/receiver.h"
#include "tests/sim/reference/sender.h"
#include "tests/sim/reference/wire.h"

namespace culvert::reference {

class Peer {
 public:
  enum class State : uint8_t { kActive, kReadyToClose, kPeerClosed, kTerminating, kPeerTerminating, kTerminated };
  // Called with the plaintext of every datagram it sends: one segment each.
  using Output = std::function<void(const Bytes&)>;

  Peer(const Settings& settings, uint16_t conversation, uint64_t now, Output output);

  // The segments of one datagram.
  void Input(const std::vector<Segment>& segments, uint64_t now);
  // Cuts into segments and queues; returns how many bytes were taken (less than all: the queue is full).
  size_t Write(const Bytes& bytes, size_t from, uint64_t now);
  Bytes Read(uint64_t now);
  // What a reader of buffer lists learns: nothing more will come.
  bool AtEnd() const;
  bool CanWrite() const { return state_ == State::kActive; }
  void Close(uint64_t now);

  // The update loops. `NextTick`: when OnTime wants to be called; nullopt: never again.
  std::optional<uint64_t> NextTick() const;
  void OnTime(uint64_t now);

  State state() const { return state_; }
  uint16_t conversation() const { return conversation_; }
  const Sender& sender() const { return sender_; }
  const Receiver& receiver() const { return receiver_; }

 private:
  uint32_t Elapsed(uint64_t now) const { return static_cast<uint32_t>(now - created_); }
  void SetState(State state, uint64_t now);
  void OnPeerClosed(uint64_t now);
  void OnTerminate(uint64_t now);
  void Flush(uint64_t now);
  void SendCommand(uint8_t command, uint64_t now);
  void WakeData(uint64_t now);
  bool DataLoopGoesOn() const;
  uint8_t OptionByte() const { return state_ == State::kReadyToClose ? 1 : 0; }
  void Send(Segment segment);

  const Settings settings_;
  const uint16_t conversation_;
  const uint64_t created_;
  Output output_;
  Sender sender_;
  Receiver receiver_;
  RoundTrip round_trip_;
  State state_ = State::kActive;
  uint32_t state_began_ = 0;
  uint32_t last_received_ = 0;
  uint32_t last_ping_ = 0;
  std::optional<uint64_t> data_tick_;  // the data loop runs and flushes next then
  bool data_woken_ = false;            // its first flush is due at once
  std::optional<uint64_t> ping_tick_;
};

}  // namespace culvert::reference
