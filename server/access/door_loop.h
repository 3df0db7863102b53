// DoorLoop: what the doors of the control API do alike (unix_door.h, tcp_door.h). A thread takes connections from a socket, a few at a
// time, and keeps a second descriptor of each that was let in, to learn when it ends: gRPC shuts a socket down before it closes it, so that
// ours keeps nothing open.
// Thread: Run's, but for Close and Wake.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/io/mailbox.h"
#include "core/io/reactor.h"
#include "core/io/unix_listen_socket.h"

namespace culvert::server {

// Somebody was turned away: who, and why.
using OnRefused = std::function<void(const std::string& who, const std::string& why)>;

class DoorLoop : private io::IoHandler {
 public:
  explicit DoorLoop(OnRefused on_refused) : on_refused_(std::move(on_refused)) {}
  virtual ~DoorLoop() = default;
  DoorLoop(const DoorLoop&) = delete;
  DoorLoop& operator=(const DoorLoop&) = delete;

  // Before Run. `socket` is the derived class's. Errors: RESOURCE_EXHAUSTED.
  absl::Status Prepare(int socket);
  // Until Close.
  void Run();
  void Close();
  // OnTurn is called soon.
  void Wake() { mailbox_->Wake(); }

 protected:
  // Whoever was let in; what the door knows of them is the derived class's.
  class Guest : private io::IoHandler {
   public:
    virtual ~Guest() = default;

   private:
    friend class DoorLoop;
    void OnIo(uint32_t ready) override {
      if ((ready & (io::kHangUp | io::kError)) != 0) has_ended_ = true;
    }
    io::FileDescriptor second_;  // of its socket
    bool has_ended_ = false;
  };

  enum class Taken : uint8_t { kOne, kNobody, kOutOfFiles };
  // Takes one connection that waits, and lets it in or not.
  virtual Taken TakeOne() = 0;
  // The connection has ended. The guest goes after this.
  virtual void OnGone(Guest&) {}
  // After whatever has woken the loop.
  virtual void OnTurn() {}
  // The loop has ended, and the guests are gone.
  virtual void OnClosed() {}

  // Watches the connection until it ends. nullptr: no descriptor is left for that.
  Guest* LetIn(const io::FileDescriptor& socket, std::unique_ptr<Guest> guest);
  // As if its connection had ended.
  static void SendAway(Guest& guest) { guest.has_ended_ = true; }
  // Ends its connection, whoever serves it.
  static void Disconnect(Guest& guest) { io::Disconnect(guest.second_); }
  const std::vector<std::unique_ptr<Guest>>& guests() const { return guests_; }
  // Coming again and again costs who is refused nothing: it is told a few times a second.
  void Refuse(const std::string& who, const char* why);

 private:
  struct MailHandler final : public io::IoHandler {
    void OnIo(uint32_t) override {}  // the loop drains after every wait
  };
  void OnIo(uint32_t) override;
  void ForgetEnded();

  const OnRefused on_refused_;
  int socket_ = -1;
  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<io::Mailbox> mailbox_;
  std::atomic<bool> is_closed_{false};
  MailHandler mail_;
  bool paused_ = false;
  TimePoint resume_at_{};
  TimePoint last_refusal_{};
  std::vector<std::unique_ptr<Guest>> guests_;
};

// A loop and its thread.
class DoorThread {
 public:
  explicit DoorThread(std::unique_ptr<DoorLoop> loop) : loop_(std::move(loop)), thread_([loop = loop_.get()] { loop->Run(); }) {}
  ~DoorThread() { Close(); }
  DoorThread(const DoorThread&) = delete;
  DoorThread& operator=(const DoorThread&) = delete;
  // Waits for the thread. Idempotent.
  void Close() {
    if (!thread_.joinable()) return;
    loop_->Close();
    thread_.join();
  }

 private:
  const std::unique_ptr<DoorLoop> loop_;
  std::thread thread_;
};

}  // namespace culvert::server
