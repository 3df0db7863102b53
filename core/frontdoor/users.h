// UserTable: who may use a SOCKS5 or HTTP CONNECT listener. Passwords are kept as salted hashes and compared in constant time.
// Thread: immutable; may be shared.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/random.h"

namespace culvert::frontdoor {

class UserTable {
 public:
  static constexpr size_t kMaxUsers = 10000;
  static constexpr size_t kMaxNameBytes = 255;  // RFC 1929; the same for passwords

  // `text`: a line NAME:PASSWORD each, 1 to 255 bytes of UTF-8 without control characters both, no name twice; empty
  // lines and lines that begin with # are skipped; \r before the end of a line is dropped.
  // Errors: INVALID_ARGUMENT "line 3: ...", which never shows a password.
  static absl::StatusOr<std::shared_ptr<const UserTable>> Parse(std::string_view text, RandomSource& random);

  // Takes as long for a name that is not there.
  [[nodiscard]] bool Admits(std::string_view name, std::string_view password) const;
  [[nodiscard]] size_t size() const { return users_.size(); }
  // Equal for tables of this process that admit the same names with the same passwords, whatever their salts: for telling whether a
  // file has changed. Its key is drawn once per process, so it says nothing about passwords, and nothing outside of the process.
  [[nodiscard]] uint64_t fingerprint() const { return fingerprint_; }

 private:
  UserTable() = default;

  using Hash = std::array<uint8_t, 32>;
  std::array<uint8_t, 16> salt_{};
  std::map<std::string, Hash, std::less<>> users_;
  Hash nobody_{};
  uint64_t fingerprint_ = 0;
};

}  // namespace culvert::frontdoor
