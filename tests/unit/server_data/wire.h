// Two ends of a session in memory, as the streams below TLS: bytes move at once, as far as there is room.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "server/byte_stream.h"

namespace culvert::server {

// One direction.
struct Wire {
  std::string bytes;
  size_t room = SIZE_MAX;    // for how many more
  bool has_ended = false;    // the sender closed
  bool is_broken = false;    // the sender reset, or the session died
};

class WireEnd final : public ByteStream {
 public:
  WireEnd(Wire& in, Wire& out) : in_(in), out_(out) {}

  // What the driver of a real session does when something has changed.
  void Notify() { NotifyReady(); }

  size_t Peek(size_t limit, std::span<ByteView> views) override {
    EXPECT_GT(limit, 0u);
    shown_ = is_over_ ? 0 : std::min(limit, in_.bytes.size());
    if (shown_ == 0) return 0;
    views[0] = AsBytes(in_.bytes).first(shown_);
    return 1;
  }
  void Consume(size_t size) override {
    ASSERT_LE(size, shown_);
    in_.bytes.erase(0, size);
    shown_ = 0;
  }
  bool AtEnd() const override { return !is_over_ && in_.has_ended && in_.bytes.empty(); }
  size_t WritableBytes() override { return is_over_ ? 0 : out_.room; }
  size_t Write(std::span<const ByteView> views) override {
    EXPECT_FALSE(is_over_) << "written after the end";
    size_t written = 0;
    for (const ByteView view : views) {
      const size_t taken = std::min(view.size(), out_.room);
      out_.bytes += AsText(view.first(taken));
      if (out_.room != SIZE_MAX) out_.room -= taken;
      written += taken;
    }
    return written;
  }
  bool HasUndelivered() const override { return false; }
  bool CanHalfClose() const override { return false; }
  void FinishWriting() override { ADD_FAILURE() << "such a session cannot be half-closed"; }
  bool IsBroken() const override { return !is_over_ && in_.is_broken; }
  void Close() override { End(out_.has_ended); }
  void Reset(CloseReason) override { End(out_.is_broken); }

 private:
  void End(bool& how) {
    set_observer(nullptr);
    if (is_over_) return;
    is_over_ = true;
    how = true;
  }

  Wire& in_;
  Wire& out_;
  size_t shown_ = 0;
  bool is_over_ = false;
};

}  // namespace culvert::server
