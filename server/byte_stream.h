// ByteStream: one end of a pump, whatever carries it: a TCP connection or a stream of an endpoint.
//
// Nothing blocks and nothing calls back with data: the observer hears that something may have changed, and looks. Where Peek
// or WritableBytes answered 0, the observer is told when trying again is worth it.
// Thread: confined to one worker.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/base/bytes.h"
#include "core/transport/event.h"
#include "core/transport/limit_clock.h"

namespace culvert::server {

class StreamObserver {
 public:
  // To be answered with little: called from the middle of a worker's iteration.
  virtual void OnStreamReady() = 0;

 protected:
  ~StreamObserver() = default;
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // nullptr: nobody listens. The observer must outlive the stream or be taken off.
  void set_observer(StreamObserver* observer) { observer_ = observer; }

  // Shows received bytes in order, at most `limit`, and returns how many views were filled; 0: none now. They are good until
  // the next call on any stream of the worker, and must be given back by one Consume before Peek is called again.
  [[nodiscard]] virtual size_t Peek(size_t limit, std::span<ByteView> views) = 0;
  // Gives back the first `size` bytes that Peek showed; the others will be shown again.
  virtual void Consume(size_t size) = 0;
  // True when the peer finished sending and everything was consumed. May turn true during a Peek that shows nothing.
  [[nodiscard]] virtual bool AtEnd() const = 0;

  // How much Write would take now, at least; 0: wait.
  [[nodiscard]] virtual size_t WritableBytes() = 0;
  // Takes a prefix of what the views hold and returns its size.
  [[nodiscard]] virtual size_t Write(std::span<const ByteView> views) = 0;
  // True while bytes that were written may still be lost with this process: not yet acknowledged by the peer's transport.
  [[nodiscard]] virtual bool HasUndelivered() const = 0;

  // False: nothing ever came from the peer's transport, not even an acknowledgement, so perhaps nobody is there. Stays what it
  // is after the end. A TCP connection has been answered.
  [[nodiscard]] virtual bool HasPeerAnswered() const { return true; }

  // What limited sending on it so far. nullopt: its transport does not say (TCP), or it has ended.
  [[nodiscard]] virtual std::optional<TimeInLimit> time_in_limit() const { return std::nullopt; }

  // Whether one direction can end while the other goes on.
  [[nodiscard]] virtual bool CanHalfClose() const = 0;
  // No more writes. REQUIRES: CanHalfClose.
  virtual void FinishWriting() = 0;
  // The stream failed: it was reset, timed out, or ended without an end.
  [[nodiscard]] virtual bool IsBroken() const = 0;
  // Ends both directions in order; what was written is delivered. Afterwards the stream shows and takes nothing, is not
  // broken, and tells its observer nothing; another Close or Reset has no effect.
  virtual void Close() = 0;
  // Ends both directions now, so that the peer sees an error. Afterwards as after Close.
  virtual void Reset(CloseReason reason) = 0;

 protected:
  void NotifyReady() {
    if (observer_ != nullptr) observer_->OnStreamReady();
  }

 private:
  StreamObserver* observer_ = nullptr;
};

}  // namespace culvert::server
