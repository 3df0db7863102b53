// The server's side of SOCKS5 on one stream: method, credentials if the listener has users, then CONNECT or UDP ASSOCIATE.
//
// Refused in the protocol's own words: no method in common 0xFF; wrong credentials 01 01; BIND and unknown commands 07; an unknown
// address type 08; anything else malformed 01. Who speaks SOCKS4 gets SOCKS4's rejection, who speaks HTTP a short 400.
// Thread: confined to its owner.
// Source: RFC 1928, RFC 1929. Stricter: reserved bytes must be zero; names as core/frontdoor/text.h has them.
#pragma once

#include <cstdint>
#include <memory>

#include "core/frontdoor/door.h"
#include "core/frontdoor/users.h"

namespace culvert::frontdoor {

// `users` null: no authentication, and only that. Otherwise user name and password (RFC 1929), and only that.
// Of UDP ASSOCIATE, request().destination is where the client says it will send from: often 0.0.0.0:0, or a name.
std::unique_ptr<Door> CreateSocks5Door(std::shared_ptr<const UserTable> users);

// REP of the reply (RFC 1928 section 6) to a request that was answered with `refusal`.
[[nodiscard]] uint8_t Socks5ReplyCode(Refusal refusal);

}  // namespace culvert::frontdoor
