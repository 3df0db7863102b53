// UdpNat: a network address translator between one dialer and one listener on loopback, that can be made to forget its mapping: what comes
// afterwards leaves from another port, or another address of 127/8, as after a reboot of a home router.
// Thread: the object belongs to the test's; forwarding has one of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/unique_fd.h"

namespace culvert::testing {

class UdpNat {
 public:
  // Binds a port of 127.0.0.1 for the dialer. Errors: the system's.
  static absl::StatusOr<std::unique_ptr<UdpNat>> Start(const SocketAddress& listener);
  ~UdpNat();
  UdpNat(const UdpNat&) = delete;
  UdpNat& operator=(const UdpNat&) = delete;

  const SocketAddress& address() const { return address_; }
  // The listener sees another port from now on; with `address` also another address. What was on its way to the old one is lost.
  absl::Status Rebind(bool address);
  // Drops everything, both ways, while set.
  void SetBlackHole(bool on) { drops_ = on; }
  uint64_t forwarded() const { return forwarded_; }

 private:
  UdpNat() = default;
  absl::StatusOr<UniqueFd> OpenOutside(uint8_t last_octet);
  void Run();

  SocketAddress address_;
  SocketAddress listener_;
  UniqueFd inside_;
  UniqueFd stop_;
  std::mutex mutex_;  // outside_
  UniqueFd outside_;
  uint8_t next_octet_ = 2;
  std::atomic<bool> drops_{false};
  std::atomic<uint64_t> forwarded_{0};
  std::thread thread_;
};

}  // namespace culvert::testing
