// A TCP connection of a test: blocking calls with a deadline each, errors as text that says how far it got.
// Thread: one at a time, except Shutdown, which any thread may call to wake the one that waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tests/testing/unique_fd.h"

namespace culvert::testing {

class TcpStream {
 public:
  // Every call that waits gives up with DEADLINE_EXCEEDED this long after it began, unless SetLimit changed it.
  static constexpr Duration kDefaultLimit = std::chrono::seconds(30);

  explicit TcpStream(UniqueFd fd);  // a connected socket; is made non-blocking
  static absl::StatusOr<TcpStream> Connect(const SocketAddress& peer, Duration limit = kDefaultLimit);

  void SetLimit(Duration limit) { limit_ = limit; }
  absl::Status Write(ByteView bytes);
  absl::Status Write(std::string_view text) { return Write(AsBytes(text)); }
  // At least one byte, or 0 at the end of the stream.
  absl::StatusOr<size_t> Read(ByteSpan out);
  absl::Status ReadExactly(ByteSpan out);
  absl::StatusOr<std::string> ReadText(size_t size);
  // Reads and counts until the end of the stream.
  absl::StatusOr<uint64_t> ReadToEnd();
  // Sends `up_bytes` of pattern `up_seed` and at the same time reads and checks `down_bytes` of pattern `down_seed`.
  absl::Status Transfer(uint64_t up_bytes, uint64_t up_seed, uint64_t down_bytes, uint64_t down_seed);

  // Ends our direction (FIN).
  void FinishWriting();
  // Ends both with RST.
  void Reset();
  // Makes every call of the thread that uses the stream return.
  void Shutdown();
  int fd() const { return fd_.get(); }

 private:
  absl::Status WaitFor(short events, TimePoint deadline, short* ready) const;

  UniqueFd fd_;
  Duration limit_ = kDefaultLimit;
};

}  // namespace culvert::testing
