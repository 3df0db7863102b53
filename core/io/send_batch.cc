// Flow: an engine calls Reserve and Commit, which group datagrams into trains; Flush turns what is left of the trains into
// messages (FillMessages), hands them to the kernel, and moves on past what it took (Advance) or refused (SkipFailed).
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/check.h"
#include "core/io/datagram_batch.h"
#include "core/io/send_errors.h"
#include "core/io/sockaddr.h"

namespace culvert::io {
namespace {

constexpr size_t kMaxMessages = 64;  // of one sendmmsg
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int));  // train size, traffic class

// Appends one control message to `header`, whose buffer has room for it.
template <typename Value>
void AddControl(msghdr& header, int level, int type, Value value) {
  auto* control = reinterpret_cast<cmsghdr*>(static_cast<uint8_t*>(header.msg_control) + header.msg_controllen);
  control->cmsg_level = level;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(control), &value, sizeof value);
  header.msg_controllen += CMSG_SPACE(sizeof value);
}

size_t DatagramsIn(size_t bytes, size_t datagram_bytes) { return (bytes + datagram_bytes - 1) / datagram_bytes; }

}  // namespace

struct SendBatch::Messages {
  std::array<mmsghdr, kMaxMessages> headers{};
  std::array<iovec, kMaxMessages> vectors{};
  std::array<Sockaddr, kMaxMessages> peers;
  struct alignas(cmsghdr) ControlBuffer {
    std::array<uint8_t, kControlBytes> bytes;
  };
  std::array<ControlBuffer, kMaxMessages> controls;
};

SendBatch::SendBatch(size_t buffer_bytes)
    : buffer_bytes_(buffer_bytes),
      buffer_(std::make_unique_for_overwrite<uint8_t[]>(buffer_bytes)),
      messages_(std::make_unique<Messages>()),
      trains_(std::make_unique<Train[]>(kMaxTrains)) {}

SendBatch::~SendBatch() = default;

ByteSpan SendBatch::Reserve(const SocketAddress& peer, size_t max_size) {
  CULVERT_CHECK(reserved_bytes_ == 0 && max_size > 0 && max_size <= kMaxDatagramBytes);
  // The last train might not take the datagram, whose size is not known yet; so there must be room for another.
  if (train_count_ == kMaxTrains || buffer_bytes_ - used_bytes_ < max_size) return {};
  reserved_peer_ = peer;
  reserved_bytes_ = max_size;
  reserved_ecn_ = Ecn::kNotEct;
  return {buffer_.get() + used_bytes_, max_size};
}

void SendBatch::Commit(size_t size) {
  CULVERT_CHECK(size <= reserved_bytes_);
  reserved_bytes_ = 0;
  if (size == 0) return;
  Train* last = train_count_ > 0 ? &trains_[train_count_ - 1] : nullptr;
  const bool joins = last != nullptr && !last->is_ended && last->peer == reserved_peer_ && last->ecn == reserved_ecn_ &&
                     size <= last->datagram_bytes && last->datagrams < kMaxTrainDatagrams && last->bytes + size <= kMaxTrainBytes;
  if (joins) {
    last->bytes += size;
    ++last->datagrams;
    last->is_ended = size < last->datagram_bytes;
  } else {
    trains_[train_count_++] = {.peer = reserved_peer_,
                               .offset = used_bytes_,
                               .bytes = size,
                               .datagram_bytes = size,
                               .datagrams = 1,
                               .ecn = reserved_ecn_};
  }
  used_bytes_ += size;
}

void SendBatch::Clear() {
  train_count_ = used_bytes_ = reserved_bytes_ = next_train_ = next_offset_ = 0;
  split_train_ = kNoTrain;
}

size_t SendBatch::FillMessages(const UdpSocket& socket) {
  size_t count = 0;
  size_t train_index = next_train_;
  size_t offset = next_offset_;
  while (count < kMaxMessages && train_index < train_count_) {
    const Train& train = trains_[train_index];
    const size_t left = train.bytes - offset;
    const bool whole = socket.granted().gso && train_index != split_train_;
    const size_t bytes = whole ? left : std::min(left, train.datagram_bytes);
    msghdr& header = messages_->headers[count].msg_hdr;
    header = msghdr{};
    header.msg_name = &messages_->peers[count];
    header.msg_namelen = ToSockaddr(train.peer, socket.is_v6(), messages_->peers[count]);
    messages_->vectors[count] = {buffer_.get() + train.offset + offset, bytes};
    header.msg_iov = &messages_->vectors[count];
    header.msg_iovlen = 1;
    const bool is_train = bytes > train.datagram_bytes;
    if (is_train || train.ecn != Ecn::kNotEct) {
      header.msg_control = messages_->controls[count].bytes.data();
      if (is_train) AddControl(header, SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(train.datagram_bytes));
      if (train.ecn != Ecn::kNotEct) {
        // It stands for the whole octet: the upper six bits are the socket's DSCP. A mapped peer is an IPv4 one here too.
        const int traffic_class = socket.traffic_class() | static_cast<int>(train.ecn);
        const bool is_v6 = train.peer.ip.is_v6();
        AddControl(header, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_TCLASS : IP_TOS, traffic_class);
      }
    }
    ++count;
    offset += bytes;
    if (offset == train.bytes) {
      ++train_index;
      offset = 0;
    }
  }
  return count;
}

void SendBatch::Advance(UdpSocket& socket, size_t messages) {
  UdpSocket::Counters& counters = socket.mutable_counters();
  counters.sent_trains += messages;
  // What was refused as a train went through in parts: it is the segmentation that does not work here.
  if (next_train_ == split_train_) socket.DisableGso(split_error_);
  split_train_ = kNoTrain;
  for (size_t i = 0; i < messages; ++i) {
    const size_t bytes = messages_->vectors[i].iov_len;
    counters.sent_datagrams += DatagramsIn(bytes, trains_[next_train_].datagram_bytes);
    MoveOn(bytes);
  }
}

void SendBatch::SkipFailed(UdpSocket& socket, int error_number) {
  const Train& train = trains_[next_train_];
  size_t bytes = messages_->vectors[0].iov_len;
  if (bytes > train.datagram_bytes && (error_number == EIO || error_number == EINVAL)) {
    // EIO: the interface cannot do the checksums. EINVAL: the kernel does not know the option, or the segments do not fit, or
    // the peer's address is one that cannot be reached from ours. A single datagram will tell.
    split_train_ = next_train_;
    split_error_ = error_number;
    return;
  }
  if (next_train_ == split_train_) {
    bytes = train.bytes - next_offset_;  // the peer's address it is, so the whole train is lost
    split_train_ = kNoTrain;
  }
  CountSendFailure(socket.mutable_counters(), error_number, DatagramsIn(bytes, train.datagram_bytes));
  MoveOn(bytes);
}

void SendBatch::MoveOn(size_t bytes) {
  next_offset_ += bytes;
  if (next_offset_ < trains_[next_train_].bytes) return;
  ++next_train_;
  next_offset_ = 0;
}

SendBatch::FlushResult SendBatch::Flush(UdpSocket& socket) {
  CULVERT_CHECK(reserved_bytes_ == 0);
  // Each turn sends or skips at least one datagram, splits a train (once each) or is interrupted; a storm of signals may wait.
  int interruptions = 0;
  while (next_train_ < train_count_) {
    const size_t count = FillMessages(socket);
    const int sent = sendmmsg(socket.fd(), messages_->headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    if (sent > 0) {
      Advance(socket, static_cast<size_t>(sent));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return FlushResult::kWouldBlock;
    if (errno == EINTR && ++interruptions < 100) continue;
    SkipFailed(socket, errno);
  }
  Clear();
  return FlushResult::kEmptied;
}

}  // namespace culvert::io
