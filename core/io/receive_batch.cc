#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/io/datagram_batch.h"
#include "core/io/sockaddr.h"

namespace culvert::io {
namespace {

constexpr size_t kMessageBytes = 65'536;  // a whole GRO train
// Train size, drops, the traffic class (of IPv6 an int, of IPv4 a byte), and where a datagram was addressed to.
constexpr size_t kControlBytes =
    CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(sockaddr_in6));
constexpr uint8_t kEcnBits = 0x3;  // RFC 3168 section 5
constexpr int kMaxErrorsInARow = 16;  // pending ICMP errors taken off the socket before we wait again

struct Control {
  size_t datagram_bytes = 0;  // 0: not a train
  bool has_drops = false;
  uint32_t drops = 0;
  Ecn ecn = Ecn::kNotEct;
  SocketAddress original_destination;
};

Control ReadControl(msghdr& header) {
  Control control;
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(at), sizeof size);
      control.datagram_bytes = size > 0 ? static_cast<size_t>(size) : 0;
    } else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
      std::memcpy(&control.drops, CMSG_DATA(at), sizeof control.drops);
      control.has_drops = true;
    } else if ((at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) ||
               (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS)) {
      int traffic_class = 0;
      if (at->cmsg_level == IPPROTO_IP) {
        traffic_class = *CMSG_DATA(at);
      } else {
        std::memcpy(&traffic_class, CMSG_DATA(at), sizeof traffic_class);
      }
      control.ecn = static_cast<Ecn>(traffic_class & kEcnBits);
    } else if ((at->cmsg_level == SOL_IP && at->cmsg_type == IP_ORIGDSTADDR) ||
               (at->cmsg_level == SOL_IPV6 && at->cmsg_type == IPV6_ORIGDSTADDR)) {
      Sockaddr destination{};
      std::memcpy(&destination, CMSG_DATA(at), std::min(sizeof destination, at->cmsg_len - CMSG_LEN(0)));
      control.original_destination = FromSockaddr(&destination.generic);
    }
  }
  return control;
}

}  // namespace

struct ReceiveBatch::Buffers {
  std::array<mmsghdr, kMaxMessages> headers{};
  std::array<iovec, kMaxMessages> vectors{};
  std::array<Sockaddr, kMaxMessages> peers;
  struct alignas(cmsghdr) ControlBuffer {
    std::array<uint8_t, kControlBytes> bytes;
  };
  std::array<ControlBuffer, kMaxMessages> controls;
  std::unique_ptr<uint8_t[]> bytes = std::make_unique_for_overwrite<uint8_t[]>(kMaxMessages * kMessageBytes);
};

ReceiveBatch::ReceiveBatch() : buffers_(std::make_unique<Buffers>()) {
  for (size_t i = 0; i < kMaxMessages; ++i) {
    buffers_->vectors[i] = {buffers_->bytes.get() + i * kMessageBytes, kMessageBytes};
    msghdr& header = buffers_->headers[i].msg_hdr;
    header.msg_iov = &buffers_->vectors[i];
    header.msg_iovlen = 1;
    header.msg_name = &buffers_->peers[i];
    header.msg_control = buffers_->controls[i].bytes.data();
  }
}

ReceiveBatch::~ReceiveBatch() = default;

bool ReceiveBatch::Receive(UdpSocket& socket) {
  socket_ = &socket;
  message_count_ = 0;
  message_ = 0;
  rest_ = {};
  has_empty_ = false;
  for (mmsghdr& header : buffers_->headers) {
    header.msg_hdr.msg_namelen = sizeof(Sockaddr);
    header.msg_hdr.msg_controllen = kControlBytes;
  }
  for (int errors = 0; errors < kMaxErrorsInARow; ++errors) {
    const int count = recvmmsg(socket.fd(), buffers_->headers.data(), kMaxMessages, MSG_DONTWAIT, nullptr);
    if (count > 0) {
      message_count_ = static_cast<size_t>(count);
      BeginMessage(0);
      return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    // Whatever it is, an error that some datagram caused is no reason to stop listening (reliability T14).
    if (errno != EINTR) ++socket.mutable_counters().receive_errors;
  }
  return false;
}

void ReceiveBatch::BeginMessage(size_t index) {
  mmsghdr& header = buffers_->headers[index];
  UdpSocket::Counters& counters = socket_->mutable_counters();
  const Control control = ReadControl(header.msg_hdr);
  // The kernel's count is cumulative, but wraps at 2^32.
  if (control.has_drops) counters.kernel_drops += control.drops - static_cast<uint32_t>(counters.kernel_drops);
  rest_ = ByteSpan(buffers_->bytes.get() + index * kMessageBytes, header.msg_len);
  has_empty_ = rest_.empty();
  if ((header.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    ++counters.receive_truncations;
    rest_ = {};
    has_empty_ = false;
  }
  datagram_bytes_ = control.datagram_bytes != 0 ? control.datagram_bytes : rest_.size();
  peer_ = FromSockaddr(&buffers_->peers[index].generic);
  ecn_ = control.ecn;  // the kernel merges only datagrams with equal marks
  original_destination_ = control.original_destination;
}

bool ReceiveBatch::Next(Datagram& datagram) {
  while (rest_.empty() && !has_empty_) {
    if (message_ + 1 >= message_count_) return false;
    BeginMessage(++message_);
  }
  has_empty_ = false;
  const size_t size = std::min(datagram_bytes_, rest_.size());
  datagram.peer = peer_;
  datagram.ecn = ecn_;
  datagram.original_destination = original_destination_;
  datagram.bytes = rest_.first(size);
  rest_ = rest_.subspan(size);
  return true;
}

}  // namespace culvert::io
