#include "core/frontdoor/users.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "core/crypto/secret.h"
#include "core/crypto/sha256.h"
#include "core/frontdoor/text.h"

namespace culvert::frontdoor {
namespace {

using Salt = std::array<uint8_t, 16>;

// Salt, size of the name, name, password. The size keeps "ab" with "c" apart from "a" with "bc".
// REQUIRES: neither is longer than UserTable::kMaxNameBytes.
std::array<uint8_t, kSha256Size> HashOf(const Salt& salt, std::string_view name, std::string_view password) {
  SecretBytes<sizeof(Salt) + 1 + 2 * UserTable::kMaxNameBytes> buffer;
  ByteWriter writer(buffer.span());
  writer.WriteBytes(salt);
  writer.WriteU8(static_cast<uint8_t>(name.size()));
  writer.WriteBytes(AsBytes(name));
  writer.WriteBytes(AsBytes(password));
  return Sha256(buffer.view().first(writer.written()));
}

bool HasGoodSize(std::string_view text) { return !text.empty() && text.size() <= UserTable::kMaxNameBytes; }

// Fingerprints of tables with different salts are compared, so their key belongs to the process. Without a key a fingerprint would
// let whoever sees it try passwords against it.
const Salt& FingerprintKey(RandomSource& random) {
  static const Salt key = [&] {
    Salt drawn;
    random.Fill(drawn);
    return drawn;
  }();
  return key;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const UserTable>> UserTable::Parse(std::string_view text, RandomSource& random) {
  const Salt& fingerprint_key = FingerprintKey(random);
  std::shared_ptr<UserTable> table(new UserTable);
  random.Fill(table->salt_);
  random.Fill(table->nobody_);
  // No error shows any of the line: who forgets the name has written a password in its place.
  size_t number = 0;
  const auto error = [&number](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrFormat("line %d: %s", number, what));
  };
  while (!text.empty()) {
    ++number;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return error("is not NAME:PASSWORD");
    const std::string_view name = line.substr(0, colon);
    const std::string_view password = line.substr(colon + 1);
    if (!HasGoodSize(name)) return error("a name has 1 to 255 bytes");
    if (!HasGoodSize(password)) return error("a password has 1 to 255 bytes");
    if (!IsPlainText(line)) return error("is not UTF-8 without control characters");
    if (table->users_.size() == kMaxUsers) return error(absl::StrFormat("more than %d users", kMaxUsers));
    if (!table->users_.emplace(name, HashOf(table->salt_, name, password)).second) return error("this name has a password already");
    // A sum: the order of the lines makes no difference.
    const Hash print = HashOf(fingerprint_key, name, password);
    table->fingerprint_ += uint64_t{LoadBigEndian32(print.data())} << 32 | LoadBigEndian32(print.data() + 4);
  }
  return table;
}

bool UserTable::Admits(std::string_view name, std::string_view password) const {
  if (!HasGoodSize(name) || !HasGoodSize(password)) return false;
  const Hash hash = HashOf(salt_, name, password);
  const auto user = users_.find(name);
  const bool is_known = user != users_.end();
  const bool is_equal = ConstantTimeEqual(hash, is_known ? user->second : nobody_);
  return is_known && is_equal;
}

}  // namespace culvert::frontdoor
