#include "server/tcp_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "server/session_registry.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

using Status = io::TransferResult::Status;
constexpr size_t kUnlimited = SIZE_MAX;

}  // namespace

TcpStream::TcpStream(WorkerContext& context, io::TcpSocket socket, SlotHandle session)
    : context_(context),
      socket_(std::move(socket)),
      session_(session),
      peer_(socket_.peer_address()),
      opened_at_(context.now) {
  const uint32_t interest = io::kReadable | io::kWritable | io::kPeerFinished | io::kEdge;
  is_broken_ = !context_.reactor->Add(socket_.fd(), interest, *this).ok();
}

TcpStream::~TcpStream() {
  // A stream that nobody ended: better an error than an end that looks complete.
  if (socket_.is_open()) Reset(CloseReason::kAborted);
}

void TcpStream::OnIo(uint32_t ready) {
  if ((ready & (io::kReadable | io::kPeerFinished | io::kHangUp)) != 0) may_read_ = true;
  if ((ready & (io::kPeerFinished | io::kHangUp)) != 0) peer_finished_ = true;
  if ((ready & io::kWritable) != 0) may_write_ = true;
  if ((ready & io::kError) != 0) is_broken_ = true;  // reset by the peer, or given up by the kernel
  NotifyReady();
}

size_t TcpStream::Peek(size_t limit, std::span<ByteView> views) {
  if (views.empty() || limit == 0 || !socket_.is_open()) return 0;
  if (!leftover_.empty()) {
    views[0] = ByteView(leftover_).first(std::min(limit, leftover_.size()));
    shown_bytes_ = views[0].size();
    return 1;
  }
  if (!may_read_ || has_ended_ || is_broken_) return 0;
  const ByteSpan room = ByteSpan(context_.scratch).first(std::min(limit, context_.scratch.size()));
  const io::TransferResult result = socket_.Read(room);
  switch (result.status) {
    case Status::kDone:
      // A short read emptied the socket (epoll(7)), unless an end waits behind it, for which there is no second edge.
      if (result.bytes < room.size() && !peer_finished_) may_read_ = false;
      rx_bytes_ += result.bytes;
      shown_bytes_ = result.bytes;
      views[0] = room.first(result.bytes);
      return 1;
    case Status::kWouldBlock:
      may_read_ = false;
      return 0;
    case Status::kEnd:
      has_ended_ = true;
      return 0;
    case Status::kFailed:
      is_broken_ = true;
      return 0;
  }
  return 0;
}

void TcpStream::Consume(size_t size) {
  CULVERT_CHECK(size <= shown_bytes_);
  if (!leftover_.empty()) {
    leftover_.erase(leftover_.begin(), leftover_.begin() + static_cast<ptrdiff_t>(size));
    if (leftover_.empty()) std::vector<uint8_t>().swap(leftover_);
  } else if (size < shown_bytes_) {
    // Bounded by one turn of the pump; only another TCP connection takes less than it promised.
    leftover_.assign(context_.scratch.begin() + static_cast<ptrdiff_t>(size),
                     context_.scratch.begin() + static_cast<ptrdiff_t>(shown_bytes_));
  }
  shown_bytes_ = 0;
}

size_t TcpStream::WritableBytes() {
  return may_write_ && !is_broken_ && socket_.is_open() ? kUnlimited : 0;
}

size_t TcpStream::Write(std::span<const ByteView> views) {
  size_t wanted = 0;
  for (const ByteView view : views) wanted += view.size();
  size_t written = 0;
  // More views than one call takes are tried again by the pump.
  const io::TransferResult result = socket_.Write(views);
  if (result.status == Status::kDone) {
    written = result.bytes;
    tx_bytes_ += written;
    may_write_ = written == wanted || views.size() > io::TcpSocket::kMaxViews;
  } else if (result.status == Status::kWouldBlock) {
    may_write_ = false;
  } else {
    is_broken_ = true;
  }
  return written;
}

void TcpStream::FinishWriting() {
  if (socket_.is_open()) socket_.ShutdownWrite();
}

void TcpStream::Close() {
  if (!socket_.is_open()) return;
  Finish();
  socket_.Close();
}

void TcpStream::Reset(CloseReason /*reason*/) {
  if (!socket_.is_open()) return;
  Finish();
  socket_.Reset();
}

void TcpStream::Finish() {
  if (!session_.is_null()) context_.sessions->End(session_, Stats());
  session_ = {};
  context_.reactor->Remove(socket_.fd());
  is_broken_ = false;
  set_observer(nullptr);
}

SessionStats TcpStream::Stats() const {
  SessionStats stats;
  stats.peer = peer_;
  stats.opened_at = opened_at_;
  stats.validated = true;
  stats.rx_bytes = rx_bytes_;
  stats.tx_bytes = tx_bytes_;
  stats.state = "CLOSED";
  if (const auto path = socket_.PathInfo()) {
    stats.smoothed_rtt = path->smoothed_rtt;
    stats.min_rtt = path->min_rtt;
    stats.rttvar = path->rttvar;
    stats.rto = path->rto;
    stats.state = path->state;
  }
  return stats;
}

}  // namespace culvert::server
