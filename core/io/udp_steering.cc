// Steering of QUIC packets inside a SO_REUSEPORT group by classic BPF, which needs no privilege.
//
// The program sees the UDP payload. Connection ids have 12 bytes, the worker is byte 11 ^ byte 3 ^ byte 7 ^ key
// (core/quic/connection_id.h); where the id stands, RFC 8999 says:
//   short header  | 0....... | id ...                                     id at 1
//   long header   | 1....... | version (4) | length of id | id ...        id at 6, if the length is 12
// The number returned is the index in the group. One outside of it makes the kernel choose by the hash of the addresses, so that
// foreign ids (a client's first, random one) are spread as without us. A load beyond the packet would mean socket 0, so lengths
// are compared first.
#include <linux/filter.h>
#include <sys/socket.h>

#include <array>

#include "core/io/udp_socket.h"

namespace culvert::io {
namespace {

constexpr uint32_t kConnectionIdBytes = 12;
constexpr uint32_t kLongHeaderBit = 0x80;
constexpr uint32_t kLengthAt = 5;       // of a long header: 1 byte of flags, 4 of version
constexpr uint32_t kShortIdAt = 1;
constexpr uint32_t kLongIdAt = 6;
constexpr uint32_t kNobody = 0xffffffff;

constexpr sock_filter Statement(uint32_t code, uint32_t value) { return {static_cast<uint16_t>(code), 0, 0, value}; }
constexpr sock_filter Jump(uint32_t code, uint32_t value, uint8_t if_true, uint8_t if_false) {
  return {static_cast<uint16_t>(code), if_true, if_false, value};
}
constexpr sock_filter LoadByte(uint32_t at) { return Statement(BPF_LD | BPF_B | BPF_ABS, at); }
constexpr sock_filter CopyToX() { return Statement(BPF_MISC | BPF_TAX, 0); }
constexpr sock_filter XorX() { return Statement(BPF_ALU | BPF_XOR | BPF_X, 0); }

constexpr size_t kWorkerSteps = 9;

// Returns the worker named by the id at `at`.
constexpr std::array<sock_filter, kWorkerSteps> ReturnWorker(uint32_t at, uint8_t key) {
  return {LoadByte(at + 3),  CopyToX(), LoadByte(at + 7), XorX(), CopyToX(),
          LoadByte(at + 11), XorX(),    Statement(BPF_ALU | BPF_XOR | BPF_K, key), Statement(BPF_RET | BPF_A, 0)};
}

}  // namespace

bool UdpSocket::SteerByConnectionId(size_t payload_offset, uint8_t worker_key) {
  const auto base = static_cast<uint32_t>(payload_offset);
  const auto short_id = ReturnWorker(base + kShortIdAt, worker_key);
  const auto long_id = ReturnWorker(base + kLongIdAt, worker_key);

  std::array<sock_filter, 8 + 2 * kWorkerSteps + 1> program{};
  constexpr auto kLast = static_cast<uint8_t>(program.size() - 1);
  // Jumps are relative to the instruction that follows.
  const auto to_last = [](size_t from) { return static_cast<uint8_t>(kLast - from - 1); };
  size_t at = 0;
  const auto add = [&](const sock_filter& step) { program[at++] = step; };
  add(Statement(BPF_LD | BPF_W | BPF_LEN, 0));
  add(Jump(BPF_JMP | BPF_JGE | BPF_K, base + kShortIdAt + kConnectionIdBytes, 0, to_last(at)));
  add(LoadByte(base));
  add(Jump(BPF_JMP | BPF_JSET | BPF_K, kLongHeaderBit, kWorkerSteps, 0));
  for (const sock_filter& step : short_id) add(step);
  // Long headers. The shortest packet with one is far longer than this, but whoever sends here need not know.
  add(Statement(BPF_LD | BPF_W | BPF_LEN, 0));
  add(Jump(BPF_JMP | BPF_JGE | BPF_K, base + kLongIdAt + kConnectionIdBytes, 0, to_last(at)));
  add(LoadByte(base + kLengthAt));
  add(Jump(BPF_JMP | BPF_JEQ | BPF_K, kConnectionIdBytes, 0, to_last(at)));
  for (const sock_filter& step : long_id) add(step);
  add(Statement(BPF_RET | BPF_K, kNobody));

  const sock_fprog filter{.len = static_cast<unsigned short>(at), .filter = program.data()};
  return setsockopt(fd(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) == 0;
}

void UdpSocket::StopSteering() {
#ifdef SO_DETACH_REUSEPORT_BPF
  SetOption(fd(), SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
#endif
}

}  // namespace culvert::io
