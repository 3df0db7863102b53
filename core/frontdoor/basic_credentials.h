// User name and password as HTTP's Basic scheme carries them.
#pragma once

#include <string_view>

#include "core/frontdoor/users.h"

namespace culvert::frontdoor {

// Whether the value of a Proxy-Authorization field is Basic (RFC 7617) with a name and a password that `users` admits. The base64 must
// be padded and without spare bits (RFC 4648 sections 3.2 and 3.5). What is decoded is erased; `value` is the caller's to erase.
[[nodiscard]] bool AdmitsBasic(const UserTable& users, std::string_view value);

}  // namespace culvert::frontdoor
