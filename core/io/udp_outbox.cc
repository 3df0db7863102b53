// Flow: Add copies and links; Flush takes the lanes in turn: Fill makes messages of a lane's items, Send hands them to the kernel and goes on
// behind what it took or refused.
#include "core/io/udp_outbox.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/io/send_errors.h"
#include "core/io/sockaddr.h"

namespace culvert::io {
namespace {

constexpr size_t kMaxMessages = 64;           // of one sendmmsg
constexpr size_t kMaxTrainDatagrams = 64;     // UDP_MAX_SEGMENTS of Linux before 6.9
constexpr size_t kMaxTrainBytes = 65'000;     // below what IP can carry, headers included
// Longer ones may need fragments, which trains do not get: a payload of IPv6 over Ethernet.
constexpr size_t kMaxInTrain = 1452;

}  // namespace

struct UdpOutbox::Messages {
  std::array<mmsghdr, kMaxMessages> headers{};
  std::array<Sockaddr, kMaxMessages> peers;
  std::array<iovec, kMaxMessages * kMaxTrainDatagrams> vectors{};
  std::array<uint32_t, kMaxMessages> next{};       // the item behind each message
  std::array<uint32_t, kMaxMessages> datagrams{};  // in each message
  struct alignas(cmsghdr) Control {
    std::array<uint8_t, CMSG_SPACE(sizeof(uint16_t))> bytes;
  };
  std::array<Control, kMaxMessages> controls;
};

UdpOutbox::UdpOutbox()
    : buffer_(std::make_unique_for_overwrite<uint8_t[]>(kBufferBytes)),
      items_(std::make_unique<Item[]>(kMaxDatagrams)),
      messages_(std::make_unique<Messages>()) {}

UdpOutbox::~UdpOutbox() = default;

bool UdpOutbox::Add(Lane& lane, const SocketAddress& peer, ByteView head, ByteView payload) {
  const size_t size = head.size() + payload.size();
  if (size > kMaxPayload) return false;
  if (item_count_ == kMaxDatagrams || kBufferBytes - used_bytes_ < size) Flush();
  uint8_t* at = buffer_.get() + used_bytes_;
  if (!head.empty()) std::memcpy(at, head.data(), head.size());
  if (!payload.empty()) std::memcpy(at + head.size(), payload.data(), payload.size());
  const auto index = static_cast<uint32_t>(item_count_++);
  items_[index] = {peer, static_cast<uint32_t>(used_bytes_), static_cast<uint32_t>(size), kNone};
  used_bytes_ += size;
  if (lane.last_ == kNone) {
    lane.first_ = index;
    lanes_.push_back(&lane);
  } else {
    items_[lane.last_].next = index;
  }
  lane.last_ = index;
  return true;
}

void UdpOutbox::Flush(Lane& lane) {
  if (lane.first_ == kNone) return;
  Send(lane);
  lane.first_ = lane.last_ = kNone;
  std::erase(lanes_, &lane);
}

void UdpOutbox::Flush() {
  for (Lane* lane : lanes_) {
    Send(*lane);
    lane->first_ = lane->last_ = kNone;
  }
  lanes_.clear();
  used_bytes_ = item_count_ = 0;
}

size_t UdpOutbox::Fill(const Lane& lane, uint32_t first, bool with_trains) {
  size_t count = 0;
  size_t vector = 0;
  for (uint32_t at = first; at != kNone && count < kMaxMessages;) {
    const Item& head = items_[at];
    msghdr& header = messages_->headers[count].msg_hdr;
    header = msghdr{};
    header.msg_name = &messages_->peers[count];
    header.msg_namelen = ToSockaddr(head.peer, lane.socket_->is_v6(), messages_->peers[count]);
    header.msg_iov = &messages_->vectors[vector];
    size_t bytes = 0;
    uint32_t datagrams = 0;
    for (;;) {
      const Item& item = items_[at];
      messages_->vectors[vector++] = {buffer_.get() + item.offset, item.size};
      bytes += item.size;
      ++datagrams;
      const bool ends_train = item.size != head.size;
      at = item.next;
      if (at == kNone || !with_trains || ends_train || head.size == 0 || head.size > kMaxInTrain) break;
      const Item& next = items_[at];
      if (next.size > head.size || next.size == 0 || next.peer != head.peer || datagrams == kMaxTrainDatagrams ||
          bytes + next.size > kMaxTrainBytes) {
        break;
      }
    }
    header.msg_iovlen = datagrams;
    if (datagrams > 1) {
      header.msg_control = messages_->controls[count].bytes.data();
      header.msg_controllen = CMSG_LEN(sizeof(uint16_t));
      cmsghdr* control = CMSG_FIRSTHDR(&header);
      control->cmsg_level = SOL_UDP;
      control->cmsg_type = UDP_SEGMENT;
      control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      const auto size = static_cast<uint16_t>(head.size);
      std::memcpy(CMSG_DATA(control), &size, sizeof size);
      header.msg_controllen = CMSG_SPACE(sizeof(uint16_t));
    }
    messages_->next[count] = at;
    messages_->datagrams[count] = datagrams;
    ++count;
  }
  return count;
}

void UdpOutbox::Send(Lane& lane) {
  UdpSocket& socket = *lane.socket_;
  UdpSocket::Counters& counters = socket.mutable_counters();
  int interruptions = 0;
  bool splits_next = false;  // a train was refused: its datagrams are tried one by one
  for (uint32_t at = lane.first_; at != kNone;) {
    const bool with_trains = socket.granted().gso && !splits_next;
    const size_t count = Fill(lane, at, with_trains);
    const int sent = sendmmsg(socket.fd(), messages_->headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    if (sent > 0) {
      // What was refused as a train went through in parts: it is the segmentation that does not work here.
      if (splits_next) socket.DisableGso(EIO);
      splits_next = false;
      counters.sent_trains += static_cast<uint64_t>(sent);
      for (int i = 0; i < sent; ++i) counters.sent_datagrams += messages_->datagrams[static_cast<size_t>(i)];
      at = messages_->next[static_cast<size_t>(sent) - 1];
      continue;
    }
    if (errno == EINTR && ++interruptions < 100) continue;
    if (messages_->datagrams[0] > 1 && (errno == EIO || errno == EINVAL)) {
      splits_next = true;
      continue;
    }
    splits_next = false;
    const int error_number = errno;
    CountSendFailure(counters, error_number, messages_->datagrams[0]);
    at = messages_->next[0];
    if (error_number != EAGAIN) continue;
    // The socket's buffer is full: the others would fare no better.
    for (; at != kNone; at = items_[at].next) CountSendFailure(counters, error_number, 1);
  }
}

}  // namespace culvert::io
