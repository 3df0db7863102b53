// The file that Save writes and Load reads, integers big-endian:
//
//   "CQK1" | check u32 | reset key 32 | current token key 32 | previous token key 32 | current since u64 (Unix seconds)
//
// The check, four bytes of the SHA-256 of all that follows it, finds damage: keys of which a bit has turned would serve, but nobody
// would know them again.
#include "core/quic/endpoint_keys.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "core/base/check.h"
#include "core/crypto/keyed_hash.h"
#include "core/crypto/secret.h"
#include "core/crypto/sha256.h"

namespace culvert::quic {
namespace {

constexpr std::string_view kMagic = "CQK1";
constexpr size_t kCheckSize = 4;
constexpr size_t kCheckedAt = 8;  // where the checked part begins
constexpr int64_t kDaySeconds = 24 * 60 * 60;
// Of one generation: 2 MiB at most. A peer gets a token or a ticket by a whole handshake, so filling it costs as many of those.
constexpr size_t kMaxRemembered = 128 * 1024;

using ResetKey = SecretBytes<EndpointKeys::kResetKeySize>;
using TokenKey = SecretBytes<EndpointKeys::kTokenKeySize>;

// Written and read whole, like every key here.
void Copy(ByteView from, ByteSpan to) {
  CULVERT_CHECK(from.size() == to.size());
  std::ranges::copy(from, to.begin());
}

void StoreBigEndian64(ByteSpan to, uint64_t value) {
  StoreBigEndian32(to.data(), static_cast<uint32_t>(value >> 32));
  StoreBigEndian32(to.data() + 4, static_cast<uint32_t>(value));
}
uint64_t LoadBigEndian64(ByteView from) {
  return static_cast<uint64_t>(LoadBigEndian32(from.data())) << 32 | LoadBigEndian32(from.data() + 4);
}

// Its key follows from the reset key: as secret, and no other source of randomness is needed after loading.
KeyedHash MemoryHash(ByteView reset_key) {
  constexpr std::string_view kPurpose = "culvert quic used once";
  SecretBytes<EndpointKeys::kResetKeySize + kPurpose.size()> input;
  Copy(reset_key, input.span().first(reset_key.size()));
  Copy(AsBytes(kPurpose), input.span().last(kPurpose.size()));
  const std::array<uint8_t, kSha256Size> digest = Sha256(input.view());
  return KeyedHash({LoadBigEndian64(ByteView(digest).first(8)), LoadBigEndian64(ByteView(digest).subspan(8, 8))});
}

struct Secrets {
  ResetKey reset;
  TokenKey current;
  TokenKey previous;
  int64_t current_since = 0;  // Unix seconds
};

// What was used in the last one to two days, as hashes under a key no peer knows: it cannot make two things hash alike, and where
// chance does, the second is refused, which costs a round trip. Two generations: the older one goes as a whole.
class UsedOnce {
 public:
  explicit UsedOnce(KeyedHash hash) : hash_(hash) {}

  bool Use(int64_t unix_seconds, ByteView what) {
    if (!started_) {
      started_ = true;
      since_ = unix_seconds;
    }
    // The clock was set back: what is remembered stays so for longer, never shorter.
    since_ = std::min(since_, unix_seconds);
    if (unix_seconds - since_ >= kDaySeconds) {
      older_ = std::exchange(newer_, {});
      since_ = unix_seconds;
    }
    const uint64_t value = hash_(what);
    if (older_.contains(value) || newer_.size() >= kMaxRemembered) return false;
    return newer_.insert(value).second;
  }

 private:
  KeyedHash hash_;
  absl::flat_hash_set<uint64_t> newer_;
  absl::flat_hash_set<uint64_t> older_;
  bool started_ = false;
  int64_t since_ = 0;  // when newer_ began
};

class EndpointKeysImpl final : public EndpointKeys {
 public:
  explicit EndpointKeysImpl(Secrets secrets)
      : used_once_(MemoryHash(secrets.reset.view())), secrets_(std::move(secrets)) {}

  void Save(ByteSpan out) const override {
    CULVERT_CHECK(out.size() == kFileSize);
    ByteWriter writer(out);
    writer.WriteBytes(AsBytes(kMagic));
    writer.WriteU32(0);
    const std::lock_guard lock(mutex_);
    writer.WriteBytes(secrets_.reset.view());
    writer.WriteBytes(secrets_.current.view());
    writer.WriteBytes(secrets_.previous.view());
    StoreBigEndian64(out.last(8), static_cast<uint64_t>(secrets_.current_since));
    const auto digest = Sha256(out.subspan(kCheckedAt));
    Copy(ByteView(digest).first(kCheckSize), out.subspan(kMagic.size(), kCheckSize));
  }

  bool Rotate(RandomSource& random, int64_t unix_seconds) override {
    const std::lock_guard lock(mutex_);
    if (unix_seconds >= secrets_.current_since && unix_seconds - secrets_.current_since < kDaySeconds) return false;
    secrets_.previous = std::move(secrets_.current);
    random.Fill(secrets_.current.span());
    secrets_.current_since = unix_seconds;
    ++generation_;
    return true;
  }

  void CopyResetKey(ByteSpan out) const override {
    const std::lock_guard lock(mutex_);
    Copy(secrets_.reset.view(), out);
  }

  void CopyTokenKeys(ByteSpan current, ByteSpan previous) const override {
    const std::lock_guard lock(mutex_);
    Copy(secrets_.current.view(), current);
    Copy(secrets_.previous.view(), previous);
  }

  uint64_t token_key_generation() const override {
    const std::lock_guard lock(mutex_);
    return generation_;
  }

  bool UseOnce(int64_t unix_seconds, ByteView what) override {
    const std::lock_guard lock(mutex_);
    return used_once_.Use(unix_seconds, what);
  }

 private:
  mutable std::mutex mutex_;  // for everything below
  UsedOnce used_once_;
  Secrets secrets_;
  uint64_t generation_ = 1;
};

absl::Status Damaged(std::string_view why) { return absl::InvalidArgumentError("QUIC keys: " + std::string(why)); }

}  // namespace

std::shared_ptr<EndpointKeys> EndpointKeys::Generate(RandomSource& random, int64_t unix_seconds) {
  Secrets secrets;
  random.Fill(secrets.reset.span());
  random.Fill(secrets.current.span());
  random.Fill(secrets.previous.span());  // nothing was ever sealed with it
  secrets.current_since = unix_seconds;
  return std::make_shared<EndpointKeysImpl>(std::move(secrets));
}

absl::StatusOr<std::shared_ptr<EndpointKeys>> EndpointKeys::Load(ByteView saved) {
  if (saved.size() != kFileSize) {
    return Damaged(std::to_string(saved.size()) + " bytes instead of " + std::to_string(kFileSize));
  }
  ByteReader reader(saved);
  if (AsText(reader.ReadBytes(kMagic.size())) != kMagic) return Damaged("not a file of such keys, or of another version");
  const auto digest = Sha256(saved.subspan(kCheckedAt));
  if (!ConstantTimeEqual(reader.ReadBytes(kCheckSize), ByteView(digest).first(kCheckSize))) return Damaged("damaged");
  Secrets secrets;
  Copy(reader.ReadBytes(kResetKeySize), secrets.reset.span());
  Copy(reader.ReadBytes(kTokenKeySize), secrets.current.span());
  Copy(reader.ReadBytes(kTokenKeySize), secrets.previous.span());
  const uint64_t since = LoadBigEndian64(saved.last(8));
  if (since > static_cast<uint64_t>(INT64_MAX)) return Damaged("impossible time");
  secrets.current_since = static_cast<int64_t>(since);
  return std::make_shared<EndpointKeysImpl>(std::move(secrets));
}

}  // namespace culvert::quic
