#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/digest.h"
#include "tests/testing/filepush.h"
#include "tests/testing/sockaddr.h"
#include "tests/testing/tcp_stream.h"
#include "tests/testing/wire_integer.h"

namespace culvert::testing {
namespace {

struct Received {
  uint64_t bytes = 0;
  uint64_t expected = 0;
  Digest digest{};
};

// A report that does not fit now is left out: the next one says more.
absl::Status Serve(TcpStream& stream, Received& received) {
  std::array<uint8_t, 8> number;
  CULVERT_RETURN_IF_ERROR(stream.ReadExactly(number));
  received.expected = LoadU64(number.data());
  StreamDigest digest;
  std::vector<uint8_t> buffer(256 * 1024);
  TimePoint report_at = MonotonicNow();
  while (received.bytes < received.expected) {
    const size_t room = static_cast<size_t>(std::min<uint64_t>(buffer.size(), received.expected - received.bytes));
    CULVERT_ASSIGN_OR_RETURN(const size_t size, stream.Read(ByteSpan(buffer).first(room)));
    if (size == 0) return absl::OutOfRangeError("ended early");
    digest.Add(ByteView(buffer).first(size));
    received.bytes += size;
    if (const TimePoint now = MonotonicNow(); now >= report_at && received.bytes < received.expected) {
      report_at = now + kReportInterval;
      StoreU64(number.data(), received.bytes);
      CULVERT_RETURN_IF_ERROR(stream.Write(number));
    }
  }
  received.digest = digest.Finish();
  StoreU64(number.data(), received.bytes);
  CULVERT_RETURN_IF_ERROR(stream.Write(number));
  CULVERT_RETURN_IF_ERROR(stream.Write(received.digest));
  // The sender ends the connection, so that no transport's closing can overtake the digest.
  return stream.ReadToEnd().status();
}

}  // namespace

absl::Status Receive(const ReceiveOptions& options) {
  const RawAddress raw = ToRaw(options.listen);
  const UniqueFd listener(socket(raw.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  (void)setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener.get(), raw.get(), raw.size) != 0 || listen(listener.get(), 8) != 0) {
    return absl::InternalError(absl::StrFormat("listen %s: %s", options.listen.ToString(), strerror(errno)));
  }
  printf("ready %s\n", LocalAddressOf(listener.get()).ToString().c_str());
  fflush(stdout);
  for (int served = 0; options.connections == 0 || served < options.connections; ++served) {
    UniqueFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.is_open()) return absl::InternalError(absl::StrFormat("accept: %s", strerror(errno)));
    TcpStream stream(std::move(fd));
    stream.SetLimit(std::chrono::minutes(10));
    Received received;
    const TimePoint start = MonotonicNow();
    const absl::Status status = Serve(stream, received);
    const bool complete = received.bytes == received.expected && received.expected != 0;
    printf(R"({"bytes":%llu,"seconds":%.3f,"sha256":"%s","complete":%s})"
           "\n",
           static_cast<unsigned long long>(received.bytes), ToSeconds(MonotonicNow() - start),
           complete ? ToHex(received.digest).c_str() : "", complete ? "true" : "false");
    fflush(stdout);
    if (!status.ok() && !complete) fprintf(stderr, "filepush: %s\n", std::string(status.message()).c_str());
  }
  return absl::OkStatus();
}

}  // namespace culvert::testing
