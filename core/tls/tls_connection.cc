// The flow: Advance drives BoringSSL's handshake over a TransportBio; OnHandshakeDone judges what shows only then,
// sends tickets and gathers what is known of the peer; Read and Write open and seal records; each failure ends in
// Fail.
#include "core/tls/tls_connection.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/tls/certificate_info.h"
#include "core/tls/failure_text.h"
#include "core/tls/handshake_hooks.h"
#include "core/tls/session_cache_impl.h"
#include "core/tls/tls_context_impl.h"
#include "core/tls/transport_bio.h"

#include <openssl/err.h>

namespace culvert::tls {
namespace {

constexpr size_t kMaxRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;

int64_t SystemWallClock() { return std::time(nullptr); }

}  // namespace

std::string_view TlsFailureName(TlsFailure failure) {
  switch (failure) {
    case TlsFailure::kNone:
      return "NONE";
    case TlsFailure::kAlert:
      return "TLS_ALERT";
    case TlsFailure::kPeerRejected:
      return "PEER_IDENTITY_REJECTED";
    case TlsFailure::kProtocol:
      return "TLS_PROTOCOL";
    case TlsFailure::kTruncated:
      return "TLS_TRUNCATED";
  }
  return "NONE";
}

struct TlsConnection::Impl {
  Impl(std::shared_ptr<const TlsContext> shared, const TlsConnectionOptions& options, Transport& below);

  void OnHandshakeDone();
  // What a call of BoringSSL that returned `result` (0 or less) means.
  void OnNoProgress(int result);
  void Fail(TlsFailure kind, std::string text);
  void SendFinish();
  size_t SealRecord(ByteView bytes);

  std::shared_ptr<const TlsContext> context;
  Transport& transport;
  HandshakeState state;
  TransportBio bio;
  bssl::UniquePtr<SSL> ssl;  // after `bio` and `state`, which it uses
  Progress progress = Progress::kWaiting;
  TlsFailure failure = TlsFailure::kNone;
  bool peer_finished = false;
  bool truncated = false;
  bool finish_asked = false;
  uint64_t records_per_key;
  uint64_t records_left;  // with the present key
  TlsInfo info;
  std::string message;
};

TlsConnection::Impl::Impl(std::shared_ptr<const TlsContext> shared, const TlsConnectionOptions& options,
                          Transport& below)
    : context(std::move(shared)),
      transport(below),
      bio(below),
      records_per_key(options.records_per_key),
      records_left(options.records_per_key) {
  CULVERT_CHECK(records_per_key > 0);
  state.context = &context->impl();
  state.cache = options.cache;
  state.wall_clock = options.wall_clock != nullptr ? options.wall_clock : SystemWallClock;
  state.server_name = std::string(BareName(options.server_name));
  ssl.reset(SSL_new(state.context->ssl.get()));
  CULVERT_CHECK(ssl != nullptr);
  SSL_set_shed_handshake_config(ssl.get(), 1);  // not needed afterwards
  SetHandshakeState(ssl.get(), state);
  bio.AttachTo(ssl.get());
  if (context->role() == Role::kServer) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
    if (!PrepareClient(ssl.get(), state)) {
      Fail(TlsFailure::kProtocol, "the server name cannot be sent: " + Printable(state.server_name));
    }
  }
}

void TlsConnection::Impl::OnHandshakeDone() {
  if (const uint8_t alert = JudgeResumedClient(ssl.get(), state); alert != 0) {
    SSL_send_fatal_alert(ssl.get(), alert);
    Fail(TlsFailure::kPeerRejected, std::exchange(state.rejection, {}));
    return;
  }
  // Tickets wait for the first write; a server that has nothing to say for now would keep them. An empty write makes no
  // record of its own.
  if (context->role() == Role::kServer) SSL_write(ssl.get(), "", 0);
  info = DescribeHandshake(ssl.get(), state);
  progress = Progress::kDone;
  if (finish_asked) SendFinish();
}

void TlsConnection::Impl::OnNoProgress(int result) {
  if (result < 0 && SSL_want_read(ssl.get())) {
    ERR_clear_error();  // of anybody's: SSL_get_error would take it for ours
    return;
  }
  switch (SSL_get_error(ssl.get(), result)) {
    case SSL_ERROR_ZERO_RETURN:
      peer_finished = true;
      if (progress == Progress::kWaiting)
        Fail(TlsFailure::kAlert, "the peer refused: alert " + AlertName(SSL_AD_CLOSE_NOTIFY));
      return;
    case SSL_ERROR_SSL: {
      if (!state.rejection.empty()) {
        ERR_clear_error();
        return Fail(TlsFailure::kPeerRejected, std::exchange(state.rejection, {}));
      }
      if (!state.has_common_alpn) {
        ERR_clear_error();
        return Fail(TlsFailure::kProtocol,
                    absl::StrFormat("no common application protocol (ALPN): the peer offers %s; ours: %s",
                                    state.offered_alpn, state.context->alpn));
      }
      Failure taken = TakeFailure(state.context->alpn, progress == Progress::kDone);
      return Fail(taken.kind, std::move(taken.message));
    }
    default:  // SSL_ERROR_SYSCALL: the transport's end
      truncated = true;
      if (progress == Progress::kWaiting) Fail(TlsFailure::kTruncated, "the connection ended during the TLS handshake");
  }
}

void TlsConnection::Impl::Fail(TlsFailure kind, std::string text) {
  if (progress == Progress::kDone) truncated = true;  // bytes may be missing
  progress = Progress::kFailed;
  failure = kind;
  message = std::move(text);
}

void TlsConnection::Impl::SendFinish() {
  SSL_shutdown(ssl.get());  // 0: sent, and the peer has not finished; reading goes on as before
  ERR_clear_error();
}

size_t TlsConnection::Impl::SealRecord(ByteView bytes) {
  if (records_left == 0) {
    if (!SSL_key_update(ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED)) OnNoProgress(-1);
    records_left = records_per_key;
  }
  const int sealed = SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (sealed <= 0) {
    OnNoProgress(sealed);
    return 0;
  }
  --records_left;
  return static_cast<size_t>(sealed);
}

TlsConnection::TlsConnection(std::shared_ptr<const TlsContext> context, const TlsConnectionOptions& options,
                             Transport& transport)
    : impl_(std::make_unique<Impl>(std::move(context), options, transport)) {}
TlsConnection::~TlsConnection() = default;

TlsConnection::Progress TlsConnection::Advance() {
  impl_->bio.Flush();
  if (impl_->progress != Progress::kWaiting) return impl_->progress;
  const int result = SSL_do_handshake(impl_->ssl.get());
  if (result == 1) {
    impl_->OnHandshakeDone();
  } else {
    impl_->OnNoProgress(result);
  }
  return impl_->progress;
}

TlsFailure TlsConnection::failure() const { return impl_->failure; }
const std::string& TlsConnection::failure_message() const { return impl_->message; }

const TlsInfo& TlsConnection::info() const {
  CULVERT_CHECK(!impl_->info.version.empty());
  return impl_->info;
}

size_t TlsConnection::Read(ByteSpan out) {
  size_t total = 0;
  while (total < out.size() && impl_->progress == Progress::kDone && !impl_->peer_finished) {
    const size_t wanted = std::min(out.size() - total, kMaxRecordBytes);
    const int opened = SSL_read(impl_->ssl.get(), out.data() + total, static_cast<int>(wanted));
    if (opened <= 0) {
      impl_->OnNoProgress(opened);
      break;
    }
    total += static_cast<size_t>(opened);
  }
  return total;
}

bool TlsConnection::AtEnd() const { return impl_->peer_finished && impl_->progress == Progress::kDone; }
bool TlsConnection::IsTruncated() const { return impl_->truncated; }

size_t TlsConnection::Write(ByteView bytes) {
  CULVERT_DCHECK(!impl_->finish_asked);
  size_t total = 0;
  while (total < bytes.size() && impl_->progress == Progress::kDone && !impl_->finish_asked && impl_->bio.Flush()) {
    const size_t sealed = impl_->SealRecord(bytes.subspan(total, std::min(bytes.size() - total, kMaxRecordBytes)));
    if (sealed == 0) break;
    total += sealed;
  }
  return total;
}

bool TlsConnection::FlushWrites() { return impl_->bio.Flush(); }
bool TlsConnection::HasPendingWrites() const { return impl_->bio.HasPending(); }

void TlsConnection::Finish() {
  if (std::exchange(impl_->finish_asked, true)) return;
  if (impl_->progress == Progress::kDone) impl_->SendFinish();
}

}  // namespace culvert::tls
