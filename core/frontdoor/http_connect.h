// The server's side of one HTTP CONNECT request on one stream.
//
// The head is read to its end, at most 16 KiB and 100 fields. Answered with an error, and `Connection: close`:
//   400  malformed, at the line that is; also a body (Content-Length, Transfer-Encoding), two Host or Proxy-Authorization fields
//   405  another method than CONNECT (names of methods are case-sensitive)
//   407  the listener has users, and the credentials are missing or wrong; Basic only
//   431  larger than that
// A Host field is not compared with the target, and not missed. Lines may end in LF alone, CR alone is an error.
// Thread: confined to its owner.
// Source: RFC 9110 section 9.3.6, RFC 9112, RFC 7617 (Basic), RFC 9209 (Proxy-Status). Stricter: no empty line before the request.
#pragma once

#include <memory>

#include "core/frontdoor/door.h"
#include "core/frontdoor/users.h"

namespace culvert::frontdoor {

// `users` null: no authentication; credentials are not looked at.
std::unique_ptr<Door> CreateHttpConnectDoor(std::shared_ptr<const UserTable> users);

// Status code of the response to a request that was answered with `refusal`; 200 for kNone.
[[nodiscard]] int HttpConnectStatus(Refusal refusal);

}  // namespace culvert::frontdoor
