// TcpStream: a TCP connection as a ByteStream. It watches its socket edge-triggered and remembers what is ready, so that a side
// that may not read for a while costs no wake-ups and no system calls.
// Thread: confined to one worker.
#pragma once

#include <cstdint>
#include <vector>

#include "core/io/reactor.h"
#include "core/io/tcp_socket.h"
#include "core/transport/session_stats.h"
#include "server/byte_stream.h"

namespace culvert::server {

class SessionRegistry;
struct WorkerContext;

class TcpStream final : public ByteStream, private io::IoHandler {
 public:
  // `session`: its entry in the worker's registry, ended together with the connection; may be null.
  TcpStream(WorkerContext& context, io::TcpSocket socket, SlotHandle session);
  ~TcpStream() override;
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  [[nodiscard]] size_t Peek(size_t limit, std::span<ByteView> views) override;
  void Consume(size_t size) override;
  [[nodiscard]] bool AtEnd() const override { return has_ended_ && leftover_.empty(); }
  [[nodiscard]] size_t WritableBytes() override;
  [[nodiscard]] size_t Write(std::span<const ByteView> views) override;
  // The kernel goes on delivering whatever becomes of us.
  [[nodiscard]] bool HasUndelivered() const override { return false; }
  [[nodiscard]] bool CanHalfClose() const override { return true; }
  void FinishWriting() override;
  [[nodiscard]] bool IsBroken() const override { return is_broken_; }
  void Close() override;
  void Reset(CloseReason reason) override;

  // Byte counters, state and, from the kernel, the RTTs.
  [[nodiscard]] SessionStats Stats() const;

 private:
  void OnIo(uint32_t ready) override;
  void Finish();

  WorkerContext& context_;
  io::TcpSocket socket_;
  SlotHandle session_;
  SocketAddress peer_;
  TimePoint opened_at_{};
  uint64_t rx_bytes_ = 0;
  uint64_t tx_bytes_ = 0;
  std::vector<uint8_t> leftover_;  // read, but not taken by the other side; only while there is some
  size_t shown_bytes_ = 0;         // by the last Peek
  bool may_read_ = false;          // a read may yield something
  bool may_write_ = true;
  bool peer_finished_ = false;     // an end is on its way behind what is still to be read
  bool has_ended_ = false;
  bool is_broken_ = false;
};

}  // namespace culvert::server
