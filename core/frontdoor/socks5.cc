#include "core/frontdoor/socks5.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "core/base/check.h"
#include "core/crypto/secret.h"
#include "core/frontdoor/datagram_address.h"
#include "core/frontdoor/text.h"

namespace culvert::frontdoor {
namespace {

constexpr uint8_t kSocksVersion = 5;
constexpr uint8_t kNoAuthentication = 0;
constexpr uint8_t kUserPassword = 2;
constexpr uint8_t kNoAcceptableMethod = 0xff;
constexpr uint8_t kCredentialsVersion = 1;  // of the negotiation, not of SOCKS
constexpr uint8_t kConnect = 1;
constexpr uint8_t kUdpAssociate = 3;

constexpr uint8_t kGeneralFailure = 1;
constexpr uint8_t kCommandNotSupported = 7;
constexpr uint8_t kAddressTypeNotSupported = 8;

constexpr size_t kMaxMessageBytes = 512;

// Each message is read in steps: `needed_` bytes are enough to know how many more there are, or that it is whole.
//
//   version      ver
//   greeting     ver nmethods methods[nmethods]             answered by  ver method
//   credentials  ver ulen name[ulen] plen password[plen]    answered by  ver status
//   request      ver cmd rsv type address port              answered by  ver rep rsv type address port   (Answer)
class Socks5Door final : public Door {
 public:
  explicit Socks5Door(std::shared_ptr<const UserTable> users) : users_(std::move(users)) {}

  size_t OnBytes(ByteView bytes) override {
    size_t taken = 0;
    while (state_ == State::kReading && taken < bytes.size()) {
      const size_t chunk = std::min(needed_ - size_, bytes.size() - taken);
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(taken), chunk, buffer_.span().begin() + static_cast<ptrdiff_t>(size_));
      size_ += chunk;
      taken += chunk;
      if (size_ == needed_) Step();
    }
    return taken;
  }

  void Answer(Refusal refusal, std::string_view message, const SocketAddress& bound) override {
    CULVERT_CHECK(state_ == State::kRequested);
    if (refusal == Refusal::kNone) {
      AppendReply(0, bound);
      state_ = State::kDone;
    } else {
      AppendReply(Socks5ReplyCode(refusal), {});
      Refuse(refusal, PlainText(message, kMaxMessageBytes));
    }
  }

 private:
  enum class Phase : uint8_t { kVersion, kGreeting, kCredentials, kRequest };

  void Step() {
    const ByteView message = buffer_.view().first(size_);
    switch (phase_) {
      case Phase::kVersion:
        return OnVersion(message[0]);
      case Phase::kGreeting:
        return OnGreeting(message);
      case Phase::kCredentials:
        return OnCredentials(message);
      case Phase::kRequest:
        return OnRequest(message);
    }
  }

  // Begins the next message, and forgets this one.
  void Begin(Phase phase, size_t needed) {
    SecureErase(buffer_.span().first(size_));
    size_ = 0;
    phase_ = phase;
    needed_ = needed;
  }

  void OnVersion(uint8_t version) {
    if (version == kSocksVersion) {
      phase_ = Phase::kGreeting;
      needed_ = 2;
      return;
    }
    if (version == 4) {
      Append({0x00, 0x5b, 0, 0, 0, 0, 0, 0});  // request rejected, in SOCKS4
      return Refuse(Refusal::kMalformed, "the client speaks SOCKS4, this is SOCKS5");
    }
    if (version >= 'A' && version <= 'Z') {
      constexpr std::string_view kResponse =
          "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 47\r\nConnection: close\r\n\r\n"
          "This is a SOCKS5 port, it does not speak HTTP.\n";
      output_.insert(output_.end(), kResponse.begin(), kResponse.end());
      return Refuse(Refusal::kMalformed, "the client speaks HTTP, this is SOCKS5");
    }
    Refuse(Refusal::kMalformed, "the client does not speak SOCKS5");
  }

  void OnGreeting(ByteView message) {
    const size_t whole = 2 + size_t{message[1]};
    if (message.size() < whole) {
      needed_ = whole;
      return;
    }
    const ByteView methods = message.subspan(2);
    const uint8_t wanted = users_ == nullptr ? kNoAuthentication : kUserPassword;
    if (std::find(methods.begin(), methods.end(), wanted) == methods.end()) {
      Append({kSocksVersion, kNoAcceptableMethod});
      return Refuse(Refusal::kUnauthenticated, users_ == nullptr ? "the client offers no access without authentication"
                                                                 : "the client offers no user name and password");
    }
    Append({kSocksVersion, wanted});
    if (users_ == nullptr) return Begin(Phase::kRequest, 5);
    Begin(Phase::kCredentials, 2);
  }

  void OnCredentials(ByteView message) {
    if (message[0] != kCredentialsVersion) {
      Append({kCredentialsVersion, 1});
      Begin(Phase::kCredentials, 2);
      return Refuse(Refusal::kMalformed, "user name and password in a form that is not known");
    }
    const size_t name_size = message[1];
    const size_t with_password_size = 2 + name_size + 1;
    if (message.size() < with_password_size) {
      needed_ = with_password_size;
      return;
    }
    const size_t password_size = message[with_password_size - 1];
    if (message.size() < with_password_size + password_size) {
      needed_ = with_password_size + password_size;
      return;
    }
    const bool is_admitted = users_->Admits(AsText(message.subspan(2, name_size)), AsText(message.subspan(with_password_size)));
    Append({kCredentialsVersion, static_cast<uint8_t>(is_admitted ? 0 : 1)});
    Begin(Phase::kRequest, 5);
    if (!is_admitted) Refuse(Refusal::kUnauthenticated, "wrong user name or password");
  }

  // Five bytes are part of every request and tell the size of a name as well.
  void OnRequest(ByteView message) {
    if (message[0] != kSocksVersion || message[2] != 0)
      return RefuseWith(kGeneralFailure, Refusal::kMalformed, "malformed request");
    size_t whole = 0;
    switch (message[3]) {
      case 1:
        whole = 4 + 4 + 2;
        break;
      case 3:
        whole = 4 + 1 + size_t{message[4]} + 2;
        break;
      case 4:
        whole = 4 + 16 + 2;
        break;
      default:
        return RefuseWith(kAddressTypeNotSupported, Refusal::kNotSupported, "an address of a type that is not known");
    }
    if (message.size() < whole) {
      needed_ = whole;
      return;
    }
    // Only now: a reply to half a request is lost when the rest of it meets a closed socket.
    const uint8_t command = message[1];
    if (command != kConnect && command != kUdpAssociate) {
      return RefuseWith(kCommandNotSupported, Refusal::kNotSupported, "only CONNECT and UDP ASSOCIATE are to be had here");
    }
    DatagramAddress address;
    if (ParseDatagramAddress(message.subspan(3), address) == 0) {
      return RefuseWith(kGeneralFailure, Refusal::kMalformed, "the destination is not a host name");
    }
    request_.network = command == kConnect ? Network::kTcp : Network::kUdp;
    if (address.host.empty()) {
      request_.destination = {address.address.ip.ToString(), address.address.port};
    } else {
      request_.destination = {std::string(address.host), address.port};
    }
    if (command == kConnect && request_.destination.port == 0) {
      return RefuseWith(kGeneralFailure, Refusal::kMalformed, "there is no connecting to port 0");
    }
    state_ = State::kRequested;
  }

  void RefuseWith(uint8_t reply_code, Refusal refusal, std::string_view message) {
    AppendReply(reply_code, {});
    Refuse(refusal, std::string(message));
  }

  void Append(std::initializer_list<uint8_t> bytes) { output_.insert(output_.end(), bytes); }

  void AppendReply(uint8_t reply_code, const SocketAddress& bound) {
    Append({kSocksVersion, reply_code, 0});
    std::array<uint8_t, kMaxDatagramAddressBytes> encoded;
    const size_t size = WriteDatagramAddress({.address = bound}, encoded);
    output_.insert(output_.end(), encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(size));
  }

  const std::shared_ptr<const UserTable> users_;
  Phase phase_ = Phase::kVersion;
  // The longest message is that with the credentials. Secret, so that it is erased with the Door.
  SecretBytes<2 + 255 + 1 + 255> buffer_;
  size_t size_ = 0;
  size_t needed_ = 1;
};

}  // namespace

uint8_t Socks5ReplyCode(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return 0;
    case Refusal::kDestinationDenied:
      return 2;  // not allowed by ruleset
    case Refusal::kUnreachable:
      return 3;  // network unreachable
    case Refusal::kResolveFailed:
      return 4;  // host unreachable
    case Refusal::kConnectRefused:
      return 5;
    case Refusal::kConnectTimeout:
      return 6;  // TTL expired: RFC 1928 has no word for time-outs, and this is what others send for them
    case Refusal::kNotSupported:
      return kCommandNotSupported;
    default:
      return kGeneralFailure;
  }
}

std::unique_ptr<Door> CreateSocks5Door(std::shared_ptr<const UserTable> users) {
  return std::make_unique<Socks5Door>(std::move(users));
}

}  // namespace culvert::frontdoor
