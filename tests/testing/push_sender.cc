// The flow: connect, then poll for both directions: file bytes out, the receiver's reports in; a progress line now and then;
// done when the digest is back or the limit is reached.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

constexpr size_t kChunkBytes = 256 * 1024;
constexpr Duration kTerminalInterval = std::chrono::milliseconds(200);
constexpr Duration kPlainInterval = std::chrono::seconds(1);

class Sender {
 public:
  Sender(const SendOptions& options, TcpStream stream, UniqueFd file, uint64_t size)
      : options_(options),
        stream_(std::move(stream)),
        file_(std::move(file)),
        is_terminal_(isatty(STDERR_FILENO) != 0),
        started_at_(MonotonicNow()),
        chunk_(kChunkBytes) {
    result_.bytes = size;
    StoreU64(chunk_.data(), size);
    unsent_ = ByteView(chunk_).first(8);
  }

  absl::StatusOr<SendResult> Run() {
    absl::Status status;
    const TimePoint deadline = started_at_ + options_.limit;
    TimePoint show_at = started_at_ + Interval();
    while (status.ok() && !answered_ && MonotonicNow() < deadline) {
      const bool wants_to_write = !unsent_.empty() || read_ < result_.bytes;
      pollfd fd{stream_.fd(), static_cast<short>(wants_to_write ? POLLIN | POLLOUT : POLLIN), 0};
      const timespec wait = TimeUntil(std::min(deadline, show_at), MonotonicNow());
      if (ppoll(&fd, 1, &wait, nullptr) > 0) {
        if ((fd.revents & (POLLIN | POLLHUP | POLLERR)) != 0) status = TakeReports();
        if (status.ok() && (fd.revents & POLLOUT) != 0) status = WriteSome();
      }
      if (MonotonicNow() >= show_at) {
        Show();
        show_at = MonotonicNow() + Interval();
      }
    }
    result_.seconds = ToSeconds(MonotonicNow() - started_at_);
    result_.retransmitted = Retransmitted();
    Show();
    if (is_terminal_ && !options_.quiet) fputc('\n', stderr);
    if (!status.ok()) return status;
    if (answered_) CheckDigest();
    return result_;
  }

 private:
  Duration Interval() const { return is_terminal_ ? kTerminalInterval : kPlainInterval; }

  absl::Status WriteSome() {
    if (unsent_.empty()) {
      const size_t room = static_cast<size_t>(std::min<uint64_t>(chunk_.size(), result_.bytes - read_));
      if (room == 0) return absl::OkStatus();
      const ssize_t size = read(file_.get(), chunk_.data(), room);
      if (size <= 0) return absl::InternalError(absl::StrFormat("%s: became shorter", options_.file));
      unsent_ = ByteView(chunk_).first(static_cast<size_t>(size));
      digest_.Add(unsent_);
      read_ += static_cast<uint64_t>(size);
    }
    const ssize_t written = send(stream_.fd(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (written >= 0) {
      unsent_ = unsent_.subspan(static_cast<size_t>(written));
      return absl::OkStatus();
    }
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return absl::AbortedError(absl::StrFormat("write: %s", strerror(errno)));
  }

  absl::Status TakeReports() {
    uint8_t bytes[4096];
    const ssize_t size = recv(stream_.fd(), bytes, sizeof bytes, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
    if (size < 0) return absl::AbortedError(absl::StrFormat("read: %s", strerror(errno)));
    if (size == 0) return absl::AbortedError("the receiver ended the connection");
    reports_.insert(reports_.end(), bytes, bytes + size);
    size_t at = 0;
    for (; result_.delivered < result_.bytes && reports_.size() - at >= 8; at += 8) {
      result_.delivered = LoadU64(&reports_[at]);
    }
    reports_.erase(reports_.begin(), reports_.begin() + static_cast<std::ptrdiff_t>(at));
    answered_ = result_.delivered == result_.bytes && reports_.size() >= std::tuple_size_v<Digest>;
    return absl::OkStatus();
  }

  void CheckDigest() {
    const Digest ours = digest_.Finish();
    result_.sha256 = ToHex(ours);
    result_.complete = std::equal(ours.begin(), ours.end(), reports_.begin());
  }

  uint64_t Retransmitted() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(stream_.fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
    return info.tcpi_total_retrans;
  }

  void Show() {
    if (options_.quiet) return;
    const double seconds = std::max(1e-6, ToSeconds(MonotonicNow() - started_at_));
    const double share =
        result_.bytes == 0 ? 1 : static_cast<double>(result_.delivered) / static_cast<double>(result_.bytes);
    const std::string line =
        absl::StrFormat("  %-12s %5.1f s  %6.1f of %.1f MiB  %3.0f %%  %6.2f Mbit/s", options_.label, seconds,
                        static_cast<double>(result_.delivered) / 1048576, static_cast<double>(result_.bytes) / 1048576,
                        share * 100, static_cast<double>(result_.delivered) * 8 / seconds / 1e6);
    fprintf(stderr, is_terminal_ ? "\r%s\033[K" : "%s\n", line.c_str());
    fflush(stderr);
  }

  const SendOptions& options_;
  TcpStream stream_;
  UniqueFd file_;
  bool is_terminal_;
  TimePoint started_at_;
  std::vector<uint8_t> chunk_;
  ByteView unsent_;
  uint64_t read_ = 0;
  std::vector<uint8_t> reports_;
  bool answered_ = false;
  StreamDigest digest_;
  SendResult result_;
};

}  // namespace

absl::StatusOr<SendResult> Send(const SendOptions& options) {
  UniqueFd file(open(options.file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!file.is_open() || fstat(file.get(), &about) != 0) {
    return absl::NotFoundError(absl::StrFormat("%s: %s", options.file, strerror(errno)));
  }
  if (!S_ISREG(about.st_mode) || about.st_size == 0) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: not a file with content", options.file));
  }
  CULVERT_ASSIGN_OR_RETURN(TcpStream stream, TcpStream::Connect(options.to));
  const std::string& algorithm = options.congestion_control;
  if (!algorithm.empty() && setsockopt(stream.fd(), IPPROTO_TCP, TCP_CONGESTION, algorithm.data(),
                                       static_cast<socklen_t>(algorithm.size())) != 0) {
    return absl::FailedPreconditionError(absl::StrFormat("congestion control %s: %s", algorithm, strerror(errno)));
  }
  return Sender(options, std::move(stream), std::move(file), static_cast<uint64_t>(about.st_size)).Run();
}

}  // namespace culvert::testing
