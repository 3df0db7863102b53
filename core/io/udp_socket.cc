#include "core/io/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/io/sockaddr.h"
#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

// What a burst of one bandwidth-delay product at 1 Gbit/s and 60 ms needs (quirks K14).
constexpr uint64_t kDefaultBufferBytes = 8 << 20;

// The path MTU is ours to know: PROBE sets DF without believing ICMP messages that anyone can forge.
void ForbidFragmentation(int fd, bool is_v6) {
  SetOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (is_v6) SetOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
}

// Neither is what the kernel learnt of a path a reason to refuse what a client sent.
void AllowFragmentation(int fd, bool is_v6) {
  SetOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  if (is_v6) SetOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

// Both families are tried; one is enough (spec/udp.md, original destination).
absl::Status AskForDestinations(int fd, bool is_v6) {
  const bool v4 = SetOption(fd, SOL_IP, IP_TRANSPARENT, 1) && SetOption(fd, SOL_IP, IP_RECVORIGDSTADDR, 1);
  const bool v6 = is_v6 && SetOption(fd, SOL_IPV6, IPV6_TRANSPARENT, 1) && SetOption(fd, SOL_IPV6, IPV6_RECVORIGDSTADDR, 1);
  return v4 || v6 ? absl::OkStatus() : SocketStatus("take original destinations", EPERM);
}

// On a dual-stack socket each option governs the datagrams of its own family.
void AskForMarks(int fd, bool is_v6) {
  SetOption(fd, IPPROTO_IP, IP_RECVTOS, 1);
  if (is_v6) SetOption(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

uint64_t GrantedBuffer(int fd, int name) {
  const int doubled = GetOption(fd, SOL_SOCKET, name);
  return doubled < 0 ? 0 : static_cast<uint64_t>(doubled) / 2;
}

}  // namespace

absl::StatusOr<UdpSocket> UdpSocket::Open(const UdpSocketOptions& options, bool joins_group) {
  UdpSocket socket;
  CULVERT_ASSIGN_OR_RETURN(socket.fd_, OpenSocket(options.bind.ip, SOCK_DGRAM, options.socket));
  socket.is_v6_ = options.bind.ip.is_v6();
  const int fd = socket.fd();
  socket.traffic_class_ = static_cast<uint8_t>(options.socket.dscp << 2);  // RFC 2474: the upper six bits
  options.fragments ? AllowFragmentation(fd, socket.is_v6_) : ForbidFragmentation(fd, socket.is_v6_);
  if (options.original_destination) CULVERT_RETURN_IF_ERROR(AskForDestinations(fd, socket.is_v6_));
  AskForMarks(fd, socket.is_v6_);
  SetOption(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  const auto wanted = [](uint64_t bytes) { return bytes != 0 ? bytes : kDefaultBufferBytes; };
  RequestBuffers(fd, wanted(options.socket.receive_buffer_bytes), wanted(options.socket.send_buffer_bytes));
  if (joins_group || options.shares_port) CULVERT_RETURN_IF_ERROR(AllowSharedPort(fd));
  CULVERT_RETURN_IF_ERROR(BindSocket(fd, options.bind));

  socket.local_ = AddressOf(fd, /*peer=*/false);
  socket.granted_.receive_buffer_bytes = GrantedBuffer(fd, SO_RCVBUF);
  socket.granted_.send_buffer_bytes = GrantedBuffer(fd, SO_SNDBUF);
  socket.granted_.gso = GetOption(fd, SOL_UDP, UDP_SEGMENT) >= 0;  // the option exists; each train carries its own size
  socket.granted_.gro = SetOption(fd, SOL_UDP, UDP_GRO, 1);
  return socket;
}

absl::StatusOr<UdpSocket> UdpSocket::Bind(const UdpSocketOptions& options) { return Open(options, false); }

absl::StatusOr<std::vector<UdpSocket>> UdpSocket::BindGroup(const UdpSocketOptions& options, size_t count) {
  std::vector<UdpSocket> group;
  UdpSocketOptions member = options;
  for (size_t i = 0; i < count; ++i) {
    // The first binds without sharing, so that a port in use is an error even if its holder would share it (quirks U1).
    CULVERT_ASSIGN_OR_RETURN(UdpSocket socket, Open(member, /*joins_group=*/i > 0));
    if (i == 0 && count > 1) CULVERT_RETURN_IF_ERROR(AllowSharedPort(socket.fd()));
    member.bind.port = socket.local_.port;
    group.push_back(std::move(socket));
  }
  return group;
}

absl::StatusOr<UdpSocket> UdpSocket::Duplicate() const {
  UdpSocket copy;
  CULVERT_ASSIGN_OR_RETURN(copy.fd_, fd_.Duplicate());
  copy.local_ = local_;
  copy.granted_ = granted_;
  copy.is_v6_ = is_v6_;
  copy.traffic_class_ = traffic_class_;
  return copy;
}

void UdpSocket::DisableGso(int error_number) {
  if (!granted_.gso) return;
  granted_.gso = false;
  Log(LogLevel::kWarning, "io", "the kernel refuses UDP segmentation here; datagrams are sent one by one",
      {{"local", local_.ToString()}, {"error", ErrorText(error_number)}});
}

}  // namespace culvert::io
