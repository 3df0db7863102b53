// Door: what is said on an accepted stream before its bytes are the application's: a SOCKS5 or HTTP CONNECT client names where it
// wants to go, a culvertd sends a StreamOpen. Pure: bytes in, bytes out, no clock and no socket.
//
// Life: kReading takes bytes (OnBytes) until the request is whole (kRequested) or wrong (kRefused, with the protocol's own error in
// the output). Of a request the owner says what came of it (Answer), which puts the reply into the output and ends in kDone or
// kRefused. Bytes behind the request belong to the application and are not taken. The output is to be written before anything else.
// Errors: whatever a peer sends costs a state, never more; a Door holds at most kMaxBytes of what it has not understood yet.
// Thread: confined to its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/frontdoor/refusal.h"

namespace culvert::frontdoor {

enum class Network : uint8_t { kTcp, kUdp };

// What somebody asks for.
struct Request {
  Network network = Network::kTcp;
  HostPort destination;             // host empty: none is named
  // Of a StreamOpen only.
  std::string source;               // the client's address as the other daemon tells it; empty: not told
  std::string forward;
  std::string reverse;              // an offer for this name; empty: none
  std::string trace_id;             // 16 bytes, or empty
  bool addressed_datagrams = false;

  friend bool operator==(const Request&, const Request&) = default;
};

class Door {
 public:
  enum class State : uint8_t { kReading, kRequested, kRefused, kDone };
  static constexpr size_t kMaxBytes = 16 << 10;

  virtual ~Door() = default;

  // Takes a prefix of `bytes` and returns its length: all of it while kReading, up to the end of the request, 0 in any other state.
  [[nodiscard]] virtual size_t OnBytes(ByteView bytes) = 0;
  [[nodiscard]] State state() const { return state_; }
  // REQUIRES: kRequested or kDone.
  [[nodiscard]] const Request& request() const { return request_; }
  // REQUIRES: kRefused. Why, and a sentence for logs without control characters and secrets.
  [[nodiscard]] Refusal refusal() const { return refusal_; }
  [[nodiscard]] const std::string& refusal_message() const { return refusal_message_; }

  // Says what came of the request. `refusal` kNone: it is open, seen from outside at `bound` (none: not known); for a UDP request
  // of SOCKS5, where the client is to send its datagrams. REQUIRES: kRequested.
  virtual void Answer(Refusal refusal, std::string_view message, const SocketAddress& bound) = 0;

  // What is to be sent to the peer next; good until the next call. Given back with TakeOutput.
  [[nodiscard]] ByteView output() const { return ByteView(output_).subspan(output_taken_); }
  void TakeOutput(size_t size) {
    output_taken_ += size;
    if (output_taken_ < output_.size()) return;
    output_.clear();
    output_taken_ = 0;
  }

 protected:
  void Refuse(Refusal refusal, std::string message) {
    state_ = State::kRefused;
    refusal_ = refusal;
    refusal_message_ = std::move(message);
  }

  State state_ = State::kReading;
  Request request_;
  Refusal refusal_ = Refusal::kNone;
  std::string refusal_message_;
  std::vector<uint8_t> output_;

 private:
  size_t output_taken_ = 0;
};

}  // namespace culvert::frontdoor
