#include "server/tls_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxViews = 16;
// A whole record at a time is sealed even where less room is left below: small records cost more than the wait of the rest.
constexpr size_t kRecordBytes = 16 << 10;

}  // namespace

// The connection together with the session below: what lives on when only a farewell is left to send.
class TlsStream::Link final : public Lingering, private tls::Transport, private StreamObserver, private TimerHandler {
 public:
  Link(WorkerContext& context, TlsStream& owner, std::unique_ptr<ByteStream> below, std::shared_ptr<const tls::TlsContext> tls,
       Options options)
      : owner_(&owner),
        cache_(std::move(options.cache)),
        below_(std::move(below)),
        departure_(context.timers, *this),
        connection_(std::move(tls), {.server_name = std::move(options.server_name), .cache = cache_.get()}, *this) {
    below_->set_observer(this);
  }
  ~Link() override = default;

  tls::TlsConnection& connection() { return connection_; }
  ByteStream& below() { return *below_; }
  [[nodiscard]] bool HasSessionEnded() const { return below_->AtEnd() || below_->IsBroken(); }

  // Nobody reads or writes any more: closes the session below once all is sent. False: that takes until is_done.
  bool Depart(TimePoint now) {
    owner_ = nullptr;
    if (TryToLeave()) return true;
    departure_.Set(now + kMaxDeparture);
    return false;
  }
  [[nodiscard]] bool is_done() const override { return is_done_; }

 private:
  bool TryToLeave() {
    if (!connection_.FlushWrites() && !below_->IsBroken()) return false;
    below_->Close();
    is_done_ = true;
    return true;
  }

  size_t Read(ByteSpan out) override {
    std::array<ByteView, kMaxViews> views;
    size_t total = 0;
    while (total < out.size()) {
      const size_t count = below_->Peek(out.size() - total, views);
      size_t bytes = 0;
      for (const ByteView view : std::span(views).first(count)) {
        std::memcpy(out.data() + total + bytes, view.data(), view.size());
        bytes += view.size();
      }
      below_->Consume(bytes);
      total += bytes;
      if (count < views.size()) break;
    }
    return total;
  }
  size_t Write(ByteView bytes) override { return below_->Write(std::span(&bytes, 1)); }
  bool AtEnd() const override { return HasSessionEnded(); }

  void OnStreamReady() override {
    if (is_done_) return;
    if (owner_ == nullptr) {
      static_cast<void>(TryToLeave());
      return;
    }
    // An end that did not fit: the owner writes no more, so nobody else would send it.
    if (connection_.HasPendingWrites()) static_cast<void>(connection_.FlushWrites());
    owner_->NotifyReady();
  }
  // The peer takes nothing any more. What it misses must not look complete.
  void OnTimer(TimePoint /*now*/) override {
    below_->Reset(CloseReason::kUnacknowledged);
    is_done_ = true;
  }

  TlsStream* owner_;  // nullptr: departing
  std::shared_ptr<tls::SessionCache> cache_;
  std::unique_ptr<ByteStream> below_;
  Timer departure_;
  tls::TlsConnection connection_;  // last: it uses the others
  bool is_done_ = false;
};

TlsStream::TlsStream(WorkerContext& context, std::unique_ptr<ByteStream> below, std::shared_ptr<const tls::TlsContext> tls,
                     Options options, LingeringKeeper& keeper)
    : context_(context),
      keeper_(keeper),
      link_(std::make_unique<Link>(context, *this, std::move(below), std::move(tls), std::move(options))),
      began_at_(context.now) {}

TlsStream::~TlsStream() {
  // A stream that nobody ended: better an error than an end that looks complete.
  Reset(CloseReason::kAborted);
}

tls::TlsConnection::Progress TlsStream::Handshake() {
  using Progress = tls::TlsConnection::Progress;
  if (!link_) return Progress::kFailed;
  const Progress progress = link_->connection().Advance();
  if (progress == Progress::kDone && !session_) {
    session_ = std::make_shared<const SessionTls>(SessionTls{link_->connection().info(), context_.now - began_at_});
  }
  return progress;
}

tls::TlsFailure TlsStream::failure() const { return link_ ? link_->connection().failure() : failure_; }

const std::string& TlsStream::failure_message() const {
  return link_ ? link_->connection().failure_message() : failure_message_;
}

size_t TlsStream::Peek(size_t limit, std::span<ByteView> views) {
  if (views.empty() || limit == 0 || !link_) return 0;
  if (!leftover_.empty()) {
    views[0] = ByteView(leftover_).first(std::min(limit, leftover_.size()));
    shown_bytes_ = views[0].size();
    return 1;
  }
  const ByteSpan room = ByteSpan(context_.scratch).first(std::min({limit, kMaxOpenedBytes, context_.scratch.size()}));
  shown_bytes_ = link_->connection().Read(room);
  if (shown_bytes_ == 0) return 0;
  views[0] = room.first(shown_bytes_);
  return 1;
}

void TlsStream::Consume(size_t size) {
  CULVERT_CHECK(size <= shown_bytes_);
  if (!leftover_.empty()) {
    leftover_.erase(leftover_.begin(), leftover_.begin() + static_cast<ptrdiff_t>(size));
    if (leftover_.empty()) std::vector<uint8_t>().swap(leftover_);
  } else if (size < shown_bytes_ && link_) {
    leftover_.assign(context_.scratch.begin() + static_cast<ptrdiff_t>(size),
                     context_.scratch.begin() + static_cast<ptrdiff_t>(shown_bytes_));
  }
  shown_bytes_ = 0;
}

bool TlsStream::AtEnd() const { return link_ && leftover_.empty() && link_->connection().AtEnd(); }

size_t TlsStream::WritableBytes() {
  if (!link_) return 0;
  // What is left from the last record first; where that falls short, the session below says when there is room again.
  if (!link_->connection().FlushWrites()) return 0;
  const size_t room = link_->below().WritableBytes();
  return room == 0 ? 0 : std::max(room, kRecordBytes);
}

size_t TlsStream::Write(std::span<const ByteView> views) {
  if (!link_) return 0;
  size_t written = 0;
  for (ByteView view : views) {
    while (!view.empty()) {
      const size_t taken = link_->connection().Write(view);
      if (taken == 0) return written;
      written += taken;
      view = view.subspan(taken);
    }
  }
  return written;
}

bool TlsStream::HasUndelivered() const {
  return link_ && (link_->connection().HasPendingWrites() || link_->below().HasUndelivered());
}

bool TlsStream::HasPeerAnswered() const { return link_ ? link_->below().HasPeerAnswered() : peer_answered_; }

std::optional<TimeInLimit> TlsStream::time_in_limit() const {
  return link_ ? link_->below().time_in_limit() : std::nullopt;
}

bool TlsStream::CanHalfClose() const { return link_ && !link_->HasSessionEnded(); }

void TlsStream::FinishWriting() {
  if (!link_) return;
  link_->connection().Finish();
  static_cast<void>(link_->connection().FlushWrites());
}

bool TlsStream::IsBroken() const {
  if (!link_) return false;
  const tls::TlsConnection& connection = link_->connection();
  if (connection.failure() != tls::TlsFailure::kNone || connection.IsTruncated()) return true;
  // Once the peer has said that it sends no more, everything is here, though perhaps not taken yet: a slow reader may outlast
  // the session below.
  return link_->below().IsBroken() && !connection.AtEnd();
}

void TlsStream::RememberOutcome() {
  set_observer(nullptr);
  leftover_ = {};
  if (!link_) return;
  peer_answered_ = link_->below().HasPeerAnswered();
  failure_ = link_->connection().failure();
  failure_message_ = link_->connection().failure_message();
}

void TlsStream::Close() {
  RememberOutcome();
  if (!link_) return;
  std::unique_ptr<Link> link = std::move(link_);
  if (session_ && failure_ == tls::TlsFailure::kNone) link->connection().Finish();
  if (!link->Depart(context_.now)) keeper_.Keep(std::move(link));
}

void TlsStream::Reset(CloseReason reason) {
  RememberOutcome();
  if (!link_) return;
  link_->below().Reset(reason);
  link_ = nullptr;
}

}  // namespace culvert::server
