#include "tests/testing/socks_udp_client.h"

#include <poll.h>

#include <utility>

#include "absl/strings/str_format.h"

namespace culvert::testing {
namespace {

std::string HeaderFor(const HostPort& destination) {
  std::string header(3, '\0');
  if (const auto address = IpAddress::Parse(destination.host); address.ok() && address->is_v4()) {
    header += '\1';
    header.append(reinterpret_cast<const char*>(address->bytes().data()), 4);
  } else {
    header += '\3';
    header += static_cast<char>(destination.host.size());
    header += destination.host;
  }
  header += static_cast<char>(destination.port >> 8);
  header += static_cast<char>(destination.port & 0xff);
  return header;
}

// How long the header in front of an answer is; 0: it is none.
size_t HeaderSize(ByteView bytes) {
  if (bytes.size() < 4) return 0;
  size_t size = 0;
  if (bytes[3] == 1) size = 10;
  if (bytes[3] == 4) size = 22;
  if (bytes[3] == 3 && bytes.size() > 4) size = 7 + size_t{bytes[4]};
  return size <= bytes.size() ? size : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SocksUdpAssociation>> SocksUdpAssociation::Open(const SocketAddress& proxy, const std::string& user) {
  auto control = TcpStream::Connect(proxy);
  if (!control.ok()) return control.status();
  std::vector<uint8_t> answer(2);
  const bool has_user = !user.empty();
  if (auto status = control->Write(std::string("\x05\x01") + (has_user ? '\2' : '\0')); !status.ok()) return status;
  if (auto status = control->ReadExactly(answer); !status.ok()) return status;
  if (answer[1] != (has_user ? 2 : 0)) return absl::PermissionDeniedError("the proxy wants something else");
  if (has_user) {
    const size_t colon = user.find(':');
    const std::string name = user.substr(0, colon);
    const std::string password = user.substr(colon + 1);
    const std::string message = std::string("\1") + static_cast<char>(name.size()) + name + static_cast<char>(password.size()) + password;
    if (auto status = control->Write(message); !status.ok()) return status;
    if (auto status = control->ReadExactly(answer); !status.ok()) return status;
    if (answer[1] != 0) return absl::PermissionDeniedError("the proxy does not know that user");
  }
  if (auto status = control->Write(std::string("\5\3\0\1\0\0\0\0\0\0", 10)); !status.ok()) return status;
  std::vector<uint8_t> reply(10);
  if (auto status = control->ReadExactly(reply); !status.ok()) return status;
  if (reply[1] != 0 || reply[3] != 1) return absl::FailedPreconditionError(absl::StrFormat("reply %d", reply[1]));
  const SocketAddress relay{IpAddress::V4({reply[4], reply[5], reply[6], reply[7]}), LoadBigEndian16(reply.data() + 8)};
  return std::unique_ptr<SocksUdpAssociation>(new SocksUdpAssociation(*std::move(control), relay));
}

bool SocksUdpAssociation::SendTo(const HostPort& destination, ByteView bytes) {
  const std::string header = HeaderFor(destination);
  std::vector<uint8_t> whole(header.begin(), header.end());
  whole.insert(whole.end(), bytes.begin(), bytes.end());
  return outward_.SendTo(relay_, whole);
}

std::optional<SocksUdpAssociation::Received> SocksUdpAssociation::Receive(Duration limit) {
  auto received = outward_.Receive(limit);
  if (!received) return std::nullopt;
  const auto header = static_cast<ptrdiff_t>(HeaderSize(received->bytes));
  if (header == 0) return std::nullopt;
  return Received{{received->bytes.begin(), received->bytes.begin() + header}, {received->bytes.begin() + header, received->bytes.end()}};
}

absl::StatusOr<std::unique_ptr<SocksUdpClient>> SocksUdpClient::Start(const SocketAddress& proxy, const HostPort& destination,
                                                                      const std::string& user) {
  auto association = SocksUdpAssociation::Open(proxy, user);
  if (!association.ok()) return association.status();
  return std::unique_ptr<SocksUdpClient>(new SocksUdpClient(*std::move(association), destination));
}

SocksUdpClient::SocksUdpClient(std::unique_ptr<SocksUdpAssociation> association, const HostPort& destination)
    : association_(std::move(association)), destination_(destination), thread_([this] { Run(); }) {}

SocksUdpClient::~SocksUdpClient() {
  stop_ = true;
  thread_.join();
}

void SocksUdpClient::Run() {
  SocketAddress client;
  while (!stop_) {
    pollfd ready[] = {{local_.fd(), POLLIN, 0}, {association_->fd(), POLLIN, 0}};
    if (poll(ready, 2, 50) <= 0) continue;
    if ((ready[0].revents & POLLIN) != 0) {
      if (const auto received = local_.Receive()) {
        client = received->from;
        association_->SendTo(destination_, received->bytes);
      }
    }
    if ((ready[1].revents & POLLIN) != 0) {
      if (const auto received = association_->Receive(UdpPeer::kDefaultLimit)) local_.SendTo(client, received->bytes);
    }
  }
}

}  // namespace culvert::testing
