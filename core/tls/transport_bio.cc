#include "core/tls/transport_bio.h"

#include "core/base/check.h"

namespace culvert::tls {

struct TransportBio::Method {
  static TransportBio& Self(BIO* bio) { return *static_cast<TransportBio*>(BIO_get_data(bio)); }

  static int Read(BIO* bio, char* out, int size) {
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    TransportBio& self = Self(bio);
    const size_t read = self.transport_.Read({reinterpret_cast<uint8_t*>(out), static_cast<size_t>(size)});
    if (read > 0) return static_cast<int>(read);
    if (self.transport_.AtEnd()) return 0;
    BIO_set_retry_read(bio);
    return -1;
  }

  static int Write(BIO* bio, const char* in, int size) {
    BIO_clear_retry_flags(bio);
    if (size > 0) Self(bio).Write({reinterpret_cast<const uint8_t*>(in), static_cast<size_t>(size)});
    return size;
  }

  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  // Made once, never freed: BIOs of any thread refer to it.
  static const BIO_METHOD* Get() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "culvert transport");
      CULVERT_CHECK(made != nullptr);
      BIO_meth_set_read(made, Read);
      BIO_meth_set_write(made, Write);
      BIO_meth_set_ctrl(made, Control);
      return made;
    }();
    return method;
  }
};

void TransportBio::AttachTo(SSL* ssl) {
  BIO* bio = BIO_new(Method::Get());
  CULVERT_CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);  // takes it
}

void TransportBio::Write(ByteView bytes) {
  if (Flush()) {
    while (!bytes.empty()) {
      const size_t taken = transport_.Write(bytes);
      if (taken == 0) break;
      bytes = bytes.subspan(taken);
    }
  }
  if (bytes.empty()) return;
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(sent_));
  sent_ = 0;
  kept_.insert(kept_.end(), bytes.begin(), bytes.end());
}

bool TransportBio::Flush() {
  while (HasPending()) {
    const size_t taken = transport_.Write(ByteView(kept_).subspan(sent_));
    if (taken == 0) return false;
    sent_ += taken;
  }
  if (kept_.capacity() > 0) std::vector<uint8_t>().swap(kept_);
  sent_ = 0;
  return true;
}

}  // namespace culvert::tls
