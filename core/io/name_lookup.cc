#include "core/io/name_lookup.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/io/sockaddr.h"
#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

absl::Status LookupError(const std::string& host, std::string why) {
  if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  return absl::UnavailableError(absl::StrCat("resolve ", host, ": ", why));
}

}  // namespace

absl::StatusOr<std::vector<IpAddress>> LookUpHost(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // one entry per address instead of one per protocol
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error == EAI_SYSTEM) return LookupError(host, ErrorText(errno));
  if (error != 0) return LookupError(host, gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);

  std::vector<IpAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const IpAddress address = FromSockaddr(at->ai_addr).ip;
    if (address.family() == IpAddress::Family::kNone) continue;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  if (addresses.empty()) return LookupError(host, "no address");
  return addresses;
}

}  // namespace culvert::io
