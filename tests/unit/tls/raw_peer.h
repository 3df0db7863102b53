// BoringSSL by itself at one end of a wire, for peers that behave as TlsConnection never would.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/testing/certificate_maker.h"
#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {

class RawPeer {
 public:
  struct Options {
    Role role = Role::kClient;
    uint16_t max_version = 0x0304;
    const testing::Certificate* certificate = nullptr;
  };
  RawPeer(const Options& options, Transport& transport);
  ~RawPeer();

  // Goes on with the handshake; true: it is done.
  bool Advance();
  bool Write(const std::string& bytes);
  // Replaces the key it sends with and tells the other end, with no data.
  void SendKeyUpdate();
  // An alert that ends the connection.
  void SendAlert(uint8_t alert);
  // Of the error that Advance met: BoringSSL's constant.
  std::string error() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::tls
