// TlsStream: TLS around another stream, as a ByteStream. Unlike the mKCP session below it can be half-closed: TLS says itself
// that one direction has ended (close_notify), so a session that ends without is known to be cut.
//
// How it ends:
//   AtEnd     the peer said that it sends no more. As long as the session below lives, the other direction goes on
//   IsBroken  the session below ended without that, or a record was damaged: bytes may be missing. A session that dies after
//             the peer has said it breaks nothing; what was opened stays until it is read
//   Close     says that we send no more; the session below is closed in order when that is out, if need be after this object
// Memory: bytes that are opened stand in the worker's scratch; what the other side did not take (at most kMaxOpenedBytes) is
// kept. Sealed bytes that the session below did not take are kept by the connection, less than two records.
// Thread: confined to one worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tls/tls_connection.h"
#include "server/byte_stream.h"
#include "server/lingering.h"
#include "server/worker.h"

namespace culvert::server {

struct WorkerContext;

class TlsStream final : public ByteStream {
 public:
  // Opened at a time. Larger ones save calls; a slow reader costs up to this beside its window.
  static constexpr size_t kMaxOpenedBytes = 64 << 10;
  // How long what is left to send may take after Close, as long as mKCP takes for the same.
  static constexpr Duration kMaxDeparture = std::chrono::seconds(15);

  struct Options {
    std::string server_name;                  // client; see TlsConnectionOptions
    std::shared_ptr<tls::SessionCache> cache;  // client; nullptr: no resumption
  };

  // `keeper` outlives the session below. The role is the context's.
  TlsStream(WorkerContext& context, std::unique_ptr<ByteStream> below, std::shared_ptr<const tls::TlsContext> tls,
            Options options, LingeringKeeper& keeper);
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // To be called once, and again when the observer hears that something happened, until it says kDone or kFailed. After a
  // failure Close lets the peer know of it.
  [[nodiscard]] tls::TlsConnection::Progress Handshake();
  // What was agreed on; nullptr: the handshake is not done.
  [[nodiscard]] const std::shared_ptr<const SessionTls>& session() const { return session_; }
  // Why it failed, in the handshake or later; stays after Close.
  [[nodiscard]] tls::TlsFailure failure() const;
  [[nodiscard]] const std::string& failure_message() const;

  // REQUIRES of the rest, but Close and Reset: the handshake is done.
  [[nodiscard]] size_t Peek(size_t limit, std::span<ByteView> views) override;
  void Consume(size_t size) override;
  [[nodiscard]] bool AtEnd() const override;
  [[nodiscard]] size_t WritableBytes() override;
  [[nodiscard]] size_t Write(std::span<const ByteView> views) override;
  [[nodiscard]] bool HasUndelivered() const override;
  [[nodiscard]] bool HasPeerAnswered() const override;
  [[nodiscard]] std::optional<TimeInLimit> time_in_limit() const override;
  // Until the session below has ended.
  [[nodiscard]] bool CanHalfClose() const override;
  void FinishWriting() override;
  // Also during the handshake.
  [[nodiscard]] bool IsBroken() const override;
  void Close() override;
  void Reset(CloseReason reason) override;

 private:
  class Link;
  void RememberOutcome();

  WorkerContext& context_;
  LingeringKeeper& keeper_;
  std::unique_ptr<Link> link_;  // nullptr: closed or reset
  const TimePoint began_at_;
  std::shared_ptr<const SessionTls> session_;
  std::vector<uint8_t> leftover_;  // opened, but not taken by the other side; only while there is some
  size_t shown_bytes_ = 0;         // by the last Peek
  // Once link_ is gone:
  bool peer_answered_ = false;
  tls::TlsFailure failure_ = tls::TlsFailure::kNone;
  std::string failure_message_;
};

}  // namespace culvert::server
