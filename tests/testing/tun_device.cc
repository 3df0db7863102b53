#include "tests/testing/tun_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <optional>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/testing/netns.h"
#include "tests/testing/process.h"

namespace culvert::testing {
namespace {

// Linux 6.2; older kernel headers do not name them.
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;

// <linux/virtio_net.h> is not C++ (it has a member called "class"). Native byte order, as TUN devices have it by default.
struct VirtioHeader {
  uint8_t flags;  // kVirtioNeedsChecksum
  uint8_t gso_type;
  uint16_t header_size;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
static_assert(sizeof(VirtioHeader) == 10);
constexpr uint8_t kVirtioNeedsChecksum = 1;
constexpr uint8_t kVirtioGsoTcp4 = 1;
constexpr uint8_t kVirtioGsoTcp6 = 4;
constexpr uint8_t kVirtioGsoUdp = 5;
constexpr uint8_t kVirtioGsoEcn = 0x80;

absl::Status SystemError(const char* what) {
  const int error = errno;
  const std::string message = absl::StrFormat("%s: %s", what, strerror(error));
  if (error == EPERM || error == EACCES) return absl::PermissionDeniedError(message);
  if (error == ENOENT) return absl::NotFoundError(message);
  return absl::InternalError(message);
}

absl::Status RunIp(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "ip");
  const RunResult result = RunProgram(arguments, std::chrono::seconds(10));
  if (result.exit_code == 0) return absl::OkStatus();
  std::string command;
  for (const std::string& argument : arguments) command += argument + " ";
  return absl::InternalError(absl::StrFormat("%s: %s", command, result.err));
}

absl::Status Configure(const TunOptions& options) {
  for (const std::string& address : options.addresses) {
    // nodad: the address is usable at once; nobody else is on this wire.
    const bool is_v6 = address.find(':') != std::string::npos;
    std::vector<std::string> command = {"address", "add", address, "dev", options.device};
    if (is_v6) command.push_back("nodad");
    CULVERT_RETURN_IF_ERROR(RunIp(std::move(command)));
  }
  return RunIp(
      {"link", "set", options.device, "mtu", absl::StrFormat("%u", options.mtu_bytes), "txqueuelen", "10000", "up"});
}

}  // namespace

absl::StatusOr<TunDevice> TunDevice::Create(const TunOptions& options) {
  std::optional<NetnsVisit> visit;  // the device stays where it was made
  if (!options.netns.empty()) {
    CULVERT_ASSIGN_OR_RETURN(visit, NetnsVisit::Enter(options.netns));
  }
  UniqueFd fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.is_open()) return SystemError("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (options.device.size() >= sizeof request.ifr_name) return absl::InvalidArgumentError("device name too long");
  memcpy(request.ifr_name, options.device.c_str(), options.device.size() + 1);
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return SystemError("TUNSETIFF");
  const unsigned plain = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  const bool has_udp = ioctl(fd.get(), TUNSETOFFLOAD, plain | kTunUso4 | kTunUso6) == 0;
  if (!has_udp && ioctl(fd.get(), TUNSETOFFLOAD, plain) != 0) return SystemError("TUNSETOFFLOAD");
  CULVERT_RETURN_IF_ERROR(Configure(options));
  return TunDevice(std::move(fd), has_udp);
}

ByteSpan TunDevice::Read(OffloadHeader& header, ByteSpan buffer) {
  VirtioHeader virtio{};
  iovec parts[] = {{&virtio, sizeof virtio}, {buffer.data(), buffer.size()}};
  const ssize_t size = readv(fd_.get(), parts, 2);
  if (size <= static_cast<ssize_t>(sizeof virtio)) return {};
  header = OffloadHeader{};
  header.needs_checksum = (virtio.flags & kVirtioNeedsChecksum) != 0;
  header.segment_size = virtio.gso_size;
  header.checksum_start = virtio.checksum_start;
  header.checksum_offset = virtio.checksum_offset;
  switch (virtio.gso_type & ~kVirtioGsoEcn) {
    case kVirtioGsoTcp4:
      header.gso = OffloadHeader::Gso::kTcp4;
      break;
    case kVirtioGsoTcp6:
      header.gso = OffloadHeader::Gso::kTcp6;
      break;
    case kVirtioGsoUdp:
      header.gso = OffloadHeader::Gso::kUdp;
      break;
    default:
      header.gso = OffloadHeader::Gso::kNone;
      break;
  }
  return buffer.first(static_cast<size_t>(size) - sizeof virtio);
}

bool TunDevice::Write(ByteView packet) {
  VirtioHeader virtio{};  // nothing left to do: complete checksums, one wire packet
  iovec parts[] = {{&virtio, sizeof virtio}, {const_cast<uint8_t*>(packet.data()), packet.size()}};
  return writev(fd_.get(), parts, 2) >= 0;
}

}  // namespace culvert::testing
