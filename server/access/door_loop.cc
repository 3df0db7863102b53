#include "server/access/door_loop.h"

#include <chrono>
#include <optional>
#include <utility>

#include "core/base/status_macros.h"
#include "core/io/monotonic_clock.h"

namespace culvert::server {
namespace {

constexpr size_t kMailboxCapacity = 64;
// A listener that finds no descriptor waits, as its socket stays readable.
constexpr Duration kOutOfFilesPause = std::chrono::milliseconds(100);
constexpr Duration kRefusalPause = std::chrono::milliseconds(200);
constexpr int kAcceptsPerTurn = 16;

}  // namespace

absl::Status DoorLoop::Prepare(int socket) {
  socket_ = socket;
  CULVERT_ASSIGN_OR_RETURN(reactor_, io::Reactor::Create());
  CULVERT_ASSIGN_OR_RETURN(mailbox_, io::Mailbox::Create(kMailboxCapacity));
  CULVERT_RETURN_IF_ERROR(reactor_->Add(socket_, io::kReadable, *this));
  return reactor_->Add(mailbox_->fd(), io::kReadable, mail_);
}

void DoorLoop::Run() {
  while (!is_closed_) {
    std::optional<TimePoint> deadline;
    if (paused_) deadline = resume_at_;
    reactor_->Wait(deadline);
    if (paused_ && io::Now() >= resume_at_) {
      paused_ = false;
      reactor_->Modify(socket_, io::kReadable);
    }
    reactor_->Dispatch();
    mailbox_->Drain();
    ForgetEnded();
    OnTurn();
  }
  guests_.clear();
  OnClosed();
}

void DoorLoop::Close() {
  is_closed_ = true;
  Wake();
}

void DoorLoop::OnIo(uint32_t) {
  // A few at a time, so that a flood of them holds up nothing else here; who has left makes room first.
  ForgetEnded();
  for (int taken = 0; taken < kAcceptsPerTurn && !is_closed_; ++taken) {
    const Taken one = TakeOne();
    if (one == Taken::kOne) continue;
    if (one == Taken::kNobody) return;
    paused_ = true;
    resume_at_ = io::Now() + kOutOfFilesPause;
    reactor_->Modify(socket_, 0);
    return;
  }
}

DoorLoop::Guest* DoorLoop::LetIn(const io::FileDescriptor& socket, std::unique_ptr<Guest> guest) {
  absl::StatusOr<io::FileDescriptor> second = socket.Duplicate();
  if (!second.ok() || !reactor_->Add(second->get(), 0, *guest).ok()) return nullptr;
  guest->second_ = *std::move(second);
  guests_.push_back(std::move(guest));
  return guests_.back().get();
}

void DoorLoop::Refuse(const std::string& who, const char* why) {
  const TimePoint now = io::Now();
  if (now - last_refusal_ < kRefusalPause) return;
  last_refusal_ = now;
  on_refused_(who, why);
}

void DoorLoop::ForgetEnded() {
  std::erase_if(guests_, [this](const std::unique_ptr<Guest>& guest) {
    if (!guest->has_ended_) return false;
    reactor_->Remove(guest->second_.get());
    OnGone(*guest);
    return true;
  });
}

}  // namespace culvert::server
