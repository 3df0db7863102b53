#include "tests/testing/tcp_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/pattern.h"
#include "tests/testing/sockaddr.h"

namespace culvert::testing {
namespace {

constexpr size_t kChunkBytes = 256 * 1024;

absl::Status SystemError(const char* what, int error) {
  const std::string message = absl::StrFormat("%s: %s", what, strerror(error));
  return error == ECONNREFUSED ? absl::UnavailableError(message) : absl::AbortedError(message);
}

bool WouldBlock(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

TcpStream::TcpStream(UniqueFd fd) : fd_(std::move(fd)) {
  (void)fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
  const int on = 1;
  (void)setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

absl::StatusOr<TcpStream> TcpStream::Connect(const SocketAddress& peer, Duration limit) {
  const RawAddress raw = ToRaw(peer);
  TcpStream stream(UniqueFd(socket(raw.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  if (!stream.fd_.is_open()) return SystemError("socket", errno);
  if (connect(stream.fd(), raw.get(), raw.size) != 0 && errno != EINPROGRESS) {
    return SystemError(("connect " + peer.ToString()).c_str(), errno);
  }
  short ready = 0;
  CULVERT_RETURN_IF_ERROR(stream.WaitFor(POLLOUT, MonotonicNow() + limit, &ready));
  int error = 0;
  socklen_t size = sizeof error;
  (void)getsockopt(stream.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return SystemError(("connect " + peer.ToString()).c_str(), error);
  return stream;
}

absl::Status TcpStream::WaitFor(short events, TimePoint deadline, short* ready) const {
  for (;;) {
    pollfd fd{fd_.get(), events, 0};
    const timespec wait = TimeUntil(deadline, MonotonicNow());
    const int count = ppoll(&fd, 1, &wait, nullptr);
    if (count > 0) {
      *ready = fd.revents;
      return absl::OkStatus();
    }
    if (count == 0) return absl::DeadlineExceededError("timed out");
  }
}

absl::Status TcpStream::Write(ByteView bytes) {
  const TimePoint deadline = MonotonicNow() + limit_;
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t written = send(fd_.get(), &bytes[at], bytes.size() - at, MSG_NOSIGNAL);
    if (written >= 0) {
      at += static_cast<size_t>(written);
      continue;
    }
    if (!WouldBlock(errno)) return SystemError(absl::StrFormat("write after %u bytes", at).c_str(), errno);
    short ready = 0;
    if (!WaitFor(POLLOUT, deadline, &ready).ok()) {
      return absl::DeadlineExceededError(absl::StrFormat("wrote only %u of %u bytes in time", at, bytes.size()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> TcpStream::Read(ByteSpan out) {
  const TimePoint deadline = MonotonicNow() + limit_;
  for (;;) {
    const ssize_t size = recv(fd_.get(), out.data(), out.size(), 0);
    if (size >= 0) return static_cast<size_t>(size);
    if (!WouldBlock(errno)) return SystemError("read", errno);
    short ready = 0;
    CULVERT_RETURN_IF_ERROR(WaitFor(POLLIN, deadline, &ready));
  }
}

absl::Status TcpStream::ReadExactly(ByteSpan out) {
  size_t at = 0;
  while (at < out.size()) {
    const absl::StatusOr<size_t> size = Read(out.subspan(at));
    if (!size.ok()) {
      return absl::Status(size.status().code(), absl::StrFormat("after %u of %u bytes: %s", at, out.size(),
                                                                std::string(size.status().message())));
    }
    if (*size == 0) return absl::OutOfRangeError(absl::StrFormat("ended after %u of %u bytes", at, out.size()));
    at += *size;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TcpStream::ReadText(size_t size) {
  std::string text(size, '\0');
  CULVERT_RETURN_IF_ERROR(ReadExactly({reinterpret_cast<uint8_t*>(text.data()), text.size()}));
  return text;
}

absl::StatusOr<uint64_t> TcpStream::ReadToEnd() {
  std::vector<uint8_t> buffer(kChunkBytes);
  for (uint64_t total = 0;;) {
    CULVERT_ASSIGN_OR_RETURN(const size_t size, Read(buffer));
    if (size == 0) return total;
    total += size;
  }
}

absl::Status TcpStream::Transfer(uint64_t up_bytes, uint64_t up_seed, uint64_t down_bytes, uint64_t down_seed) {
  const TimePoint deadline = MonotonicNow() + limit_;
  std::vector<uint8_t> out(kChunkBytes);
  std::vector<uint8_t> in(kChunkBytes);
  ByteView unsent;
  uint64_t sent = 0;  // bytes put into `out` and written, less what `unsent` still holds
  uint64_t received = 0;
  const auto progress = [&] {
    return absl::StrFormat("after %u of %u bytes out, %u of %u in", sent, up_bytes, received, down_bytes);
  };
  while (sent < up_bytes || received < down_bytes) {
    short events = 0;
    if (sent < up_bytes) events |= POLLOUT;
    if (received < down_bytes) events |= POLLIN;
    short ready = 0;
    if (!WaitFor(events, deadline, &ready).ok()) return absl::DeadlineExceededError("timed out " + progress());
    if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0 && received < down_bytes) {
      const size_t room = static_cast<size_t>(std::min<uint64_t>(in.size(), down_bytes - received));
      const ssize_t size = recv(fd_.get(), in.data(), room, 0);
      if (size == 0) return absl::OutOfRangeError("ended " + progress());
      if (size < 0 && !WouldBlock(errno)) return SystemError(("read " + progress()).c_str(), errno);
      if (size > 0) {
        const ByteView got(in.data(), static_cast<size_t>(size));
        if (const auto wrong = FindMismatch(down_seed, received, got)) {
          return absl::DataLossError(absl::StrFormat("wrong byte at offset %u, %s", *wrong, progress()));
        }
        received += got.size();
      }
    }
    if ((ready & (POLLOUT | POLLHUP | POLLERR)) != 0 && sent < up_bytes) {
      if (unsent.empty()) {
        const size_t size = static_cast<size_t>(std::min<uint64_t>(out.size(), up_bytes - sent));
        FillPattern(up_seed, sent, ByteSpan(out).first(size));
        unsent = ByteView(out).first(size);
      }
      const ssize_t size = send(fd_.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
      if (size < 0 && !WouldBlock(errno)) return SystemError(("write " + progress()).c_str(), errno);
      if (size > 0) {
        unsent = unsent.subspan(static_cast<size_t>(size));
        sent += static_cast<uint64_t>(size);
      }
    }
  }
  return absl::OkStatus();
}

void TcpStream::FinishWriting() { (void)shutdown(fd_.get(), SHUT_WR); }

void TcpStream::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd_.Reset();
}

void TcpStream::Shutdown() { (void)shutdown(fd_.get(), SHUT_RDWR); }

}  // namespace culvert::testing
