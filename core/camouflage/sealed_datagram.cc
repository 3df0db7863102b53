#include "core/camouflage/sealed_datagram.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/base/check.h"
#include "core/crypto/aes_gcm.h"
#include "core/crypto/kcp_authenticator.h"
#include "core/crypto/secret.h"
#include "core/crypto/sha256.h"

namespace culvert {
namespace {

class PlainSealer final : public DatagramSealer {
 public:
  size_t prefix_size() const override { return 0; }
  size_t suffix_size() const override { return 0; }
  size_t nonce_size() const override { return 0; }

  void SealInPlace(ByteSpan, RandomSource&) const override {}

  DropReason OpenInPlace(ByteSpan sealed, ByteSpan& plain) const override {
    if (sealed.empty()) return DropReason::kTruncated;
    plain = sealed;
    return DropReason::kNone;
  }
};

class SimpleSealer final : public DatagramSealer {
 public:
  size_t prefix_size() const override { return kKcpAuthenticatorSize; }
  size_t suffix_size() const override { return 0; }
  size_t nonce_size() const override { return 0; }

  void SealInPlace(ByteSpan buffer, RandomSource&) const override { SealKcpAuthenticated(buffer); }

  DropReason OpenInPlace(ByteSpan sealed, ByteSpan& plain) const override {
    if (sealed.size() <= kKcpAuthenticatorSize) return DropReason::kTruncated;
    if (!OpenKcpAuthenticated(sealed)) return DropReason::kBadAuthTag;
    plain = sealed.subspan(kKcpAuthenticatorSize);
    return DropReason::kNone;
  }
};

class AeadSealer final : public DatagramSealer {
 public:
  explicit AeadSealer(Aead aead) : aead_(std::move(aead)) {}

  size_t prefix_size() const override { return Aead::kNonceSize; }
  size_t suffix_size() const override { return Aead::kTagSize; }
  size_t nonce_size() const override { return Aead::kNonceSize; }

  void SealInPlace(ByteSpan buffer, RandomSource& random) const override {
    CULVERT_CHECK(buffer.size() >= Aead::kNonceSize + Aead::kTagSize);
    const ByteSpan nonce = buffer.first(Aead::kNonceSize);
    const ByteSpan tag = buffer.last(Aead::kTagSize);
    random.Fill(nonce);
    aead_.SealInPlace(nonce, buffer.subspan(nonce.size(), buffer.size() - nonce.size() - tag.size()), tag);
  }

  DropReason OpenInPlace(ByteSpan sealed, ByteSpan& plain) const override {
    if (sealed.size() <= Aead::kNonceSize + Aead::kTagSize) return DropReason::kTruncated;
    const ByteSpan body = sealed.subspan(Aead::kNonceSize);
    if (!aead_.OpenInPlace(sealed.first(Aead::kNonceSize), body)) return DropReason::kBadAuthTag;
    plain = body.first(body.size() - Aead::kTagSize);
    return DropReason::kNone;
  }

 private:
  Aead aead_;
};

}  // namespace

namespace {

constexpr std::string_view kQuicSalt = "v2ray-quic-salt";

using OuterKey = SecretBytes<kSha256Size>;

OuterKey QuicOuterKey(std::string_view key) {
  std::string salted;
  salted.reserve(key.size() + kQuicSalt.size());  // so that no copy of the key is left behind by growing
  salted.append(key).append(kQuicSalt);
  std::array<uint8_t, kSha256Size> hash = Sha256(AsBytes(salted));
  OuterKey outer;
  std::ranges::copy(hash, outer.span().begin());
  SecureErase(hash);
  SecureErase({reinterpret_cast<uint8_t*>(salted.data()), salted.size()});
  return outer;
}

}  // namespace

std::unique_ptr<DatagramSealer> DatagramSealer::QuicAes128Gcm(std::string_view key) {
  const OuterKey outer = QuicOuterKey(key);
  return std::make_unique<AeadSealer>(Aead::Aes128Gcm(outer.view().first(Aead::kAes128KeySize)));
}
std::unique_ptr<DatagramSealer> DatagramSealer::QuicChacha20Poly1305(std::string_view key) {
  const OuterKey outer = QuicOuterKey(key);
  return std::make_unique<AeadSealer>(Aead::Chacha20Poly1305(outer.view()));
}

std::unique_ptr<DatagramSealer> DatagramSealer::Plain() { return std::make_unique<PlainSealer>(); }
std::unique_ptr<DatagramSealer> DatagramSealer::Simple() { return std::make_unique<SimpleSealer>(); }
std::unique_ptr<DatagramSealer> DatagramSealer::Aes128Gcm(std::string_view seed) {
  return std::make_unique<AeadSealer>(Aes128GcmFromSeed(seed));
}

}  // namespace culvert
