#include "server/access/unix_door.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <list>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "core/io/monotonic_clock.h"
#include "core/io/reactor.h"

namespace culvert::server {
namespace {

// A listener that finds no descriptor waits, as its socket stays readable.
constexpr Duration kOutOfFilesPause = std::chrono::milliseconds(100);
constexpr Duration kRefusalPause = std::chrono::milliseconds(200);
constexpr int kAcceptsPerTurn = 16;

}  // namespace

class UnixDoor::Loop final : private io::IoHandler {
 public:
  Loop(io::UnixListenSocket socket, std::unique_ptr<io::Reactor> reactor, std::unique_ptr<io::Mailbox> mailbox,
       std::shared_ptr<const AccessPolicy> policy, MakeRoom make_room, OnRefused on_refused)
      : socket_(std::move(socket)),
        reactor_(std::move(reactor)),
        mailbox_(std::move(mailbox)),
        policy_(std::move(policy)),
        make_room_(std::move(make_room)),
        on_refused_(std::move(on_refused)) {}

  absl::Status Prepare() {
    if (absl::Status status = reactor_->Add(socket_.fd(), io::kReadable, *this); !status.ok()) return status;
    return reactor_->Add(mailbox_->fd(), io::kReadable, mail_);
  }

  void Run() {
    while (!is_closed_) {
      std::optional<TimePoint> deadline;
      if (paused_) deadline = resume_at_;
      reactor_->Wait(deadline);
      if (paused_ && io::Now() >= resume_at_) {
        paused_ = false;
        reactor_->Modify(socket_.fd(), io::kReadable);
      }
      reactor_->Dispatch();
      mailbox_->Drain();
      ForgetEnded();
      if (std::shared_ptr<const AccessPolicy> policy = TakeNextPolicy()) SetPolicy(std::move(policy));
    }
    connections_.clear();
    rooms_.clear();
  }

  void OfferPolicy(std::shared_ptr<const AccessPolicy> policy) {
    {
      const std::lock_guard lock(policy_mutex_);
      next_policy_ = std::move(policy);
    }
    mailbox_->Wake();
  }
  void Close() {
    is_closed_ = true;
    mailbox_->Wake();
  }

 private:
  std::shared_ptr<const AccessPolicy> TakeNextPolicy() {
    const std::lock_guard lock(policy_mutex_);
    return std::exchange(next_policy_, nullptr);
  }
  void SetPolicy(std::shared_ptr<const AccessPolicy> policy) {
    policy_ = std::move(policy);
    for (Room& room : rooms_) {
      if (policy_->RoleOf(room.caller.principals) == room.caller.role) continue;
      Log(LogLevel::kInfo, "control", "the access policy changed for a caller, who is sent away", {{"principal", room.caller.Name()}});
      room.is_stale = true;
      room.server->Empty();
    }
    rooms_.remove_if([](const Room& room) { return room.is_stale && room.connections == 0; });
  }

  struct Room {
    Caller caller;
    std::unique_ptr<CallerRoom> server;
    size_t connections = 0;
    bool is_stale = false;  // of an older policy: nobody enters any more
  };
  struct Connection final : public io::IoHandler {
    io::FileDescriptor second;  // of its socket
    uint32_t uid = 0;
    std::list<Room>::iterator room;
    bool has_ended = false;
    void OnIo(uint32_t ready) override {
      if ((ready & (io::kHangUp | io::kError)) != 0) has_ended = true;
    }
  };
  struct MailHandler final : public io::IoHandler {
    void OnIo(uint32_t) override {}  // the loop drains after every wait
  };

  void OnIo(uint32_t) override {
    // A few at a time, so that a flood of them holds up nothing else here; who has left makes room first.
    ForgetEnded();
    bool is_out_of_files = false;
    for (int taken = 0; taken < kAcceptsPerTurn && !is_closed_; ++taken) {
      std::optional<io::UnixListenSocket::Accepted> accepted = socket_.Accept(is_out_of_files);
      if (!accepted) break;
      Take(*std::move(accepted));
    }
    if (!is_out_of_files) return;
    paused_ = true;
    resume_at_ = io::Now() + kOutOfFilesPause;
    reactor_->Modify(socket_.fd(), 0);
  }

  void Take(io::UnixListenSocket::Accepted accepted) {
    Caller caller;
    caller.principals = PrincipalsOf(accepted.peer);
    caller.role = policy_->RoleOf(caller.principals);
    caller.channel = v1::CONTROL_CHANNEL_UNIX;
    if (caller.role == v1::ROLE_UNSPECIFIED) return Refuse(caller, "has no role");
    const size_t of_user = static_cast<size_t>(
        std::ranges::count_if(connections_, [&](const auto& one) { return one->uid == accepted.peer.uid; }));
    if (connections_.size() >= kMaxConnections || of_user >= kMaxConnectionsPerUser) {
      return Refuse(caller, "has too many connections");
    }
    absl::StatusOr<io::FileDescriptor> second = accepted.socket.Duplicate();
    auto connection = std::make_unique<Connection>();
    if (!second.ok() || !reactor_->Add(second->get(), 0, *connection).ok()) return;  // no descriptor is left: the caller tries again
    connection->second = *std::move(second);
    connection->uid = accepted.peer.uid;
    connection->room = RoomOf(std::move(caller));
    if (!connection->room->server->Enter(std::move(accepted.socket))) {
      Log(LogLevel::kError, "control", "cannot serve a caller on the control socket", {{"principal", connection->room->caller.Name()}});
      reactor_->Remove(connection->second.get());
      connection->room->is_stale = true;  // the next call of theirs makes another one
      if (connection->room->connections == 0) rooms_.erase(connection->room);
      return;
    }
    ++connection->room->connections;
    connections_.push_back(std::move(connection));
  }

  // Coming again and again costs who is refused nothing: it is told a few times a second.
  void Refuse(const Caller& caller, const char* why) {
    const TimePoint now = io::Now();
    if (now - last_refusal_ < kRefusalPause) return;
    last_refusal_ = now;
    on_refused_(caller.Name(), why);
  }

  std::list<Room>::iterator RoomOf(Caller caller) {
    const auto found = std::ranges::find_if(rooms_, [&](const Room& room) { return !room.is_stale && room.caller.principals == caller.principals; });
    if (found != rooms_.end()) return found;
    // Those without visitors are kept for the next call of a script that makes many; but not those of everybody who ever came.
    size_t empty = static_cast<size_t>(std::ranges::count_if(rooms_, [](const Room& room) { return room.connections == 0; }));
    for (auto at = rooms_.begin(); at != rooms_.end() && empty > kMaxEmptyRooms;) {
      const auto room = at++;
      if (room->connections != 0) continue;
      rooms_.erase(room);
      --empty;
    }
    std::unique_ptr<CallerRoom> server = make_room_(caller);
    return rooms_.insert(rooms_.end(), Room{std::move(caller), std::move(server), 0, false});
  }

  void ForgetEnded() {
    std::erase_if(connections_, [this](const std::unique_ptr<Connection>& connection) {
      if (!connection->has_ended) return false;
      reactor_->Remove(connection->second.get());
      Room& room = *connection->room;
      if (--room.connections == 0 && room.is_stale) rooms_.erase(connection->room);
      return true;
    });
  }

  io::UnixListenSocket socket_;
  const std::unique_ptr<io::Reactor> reactor_;
  const std::unique_ptr<io::Mailbox> mailbox_;
  std::atomic<bool> is_closed_{false};
  std::shared_ptr<const AccessPolicy> policy_;
  const MakeRoom make_room_;
  const OnRefused on_refused_;
  MailHandler mail_;
  bool paused_ = false;
  TimePoint resume_at_{};
  TimePoint last_refusal_{};
  std::mutex policy_mutex_;
  std::shared_ptr<const AccessPolicy> next_policy_;  // guarded by policy_mutex_
  std::list<Room> rooms_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

absl::StatusOr<std::unique_ptr<UnixDoor>> UnixDoor::Open(const std::string& path, std::shared_ptr<const AccessPolicy> policy,
                                                         MakeRoom make_room, OnRefused on_refused) {
  constexpr size_t kMailboxCapacity = 64;
  absl::StatusOr<io::UnixListenSocket> socket = io::UnixListenSocket::Bind(path);
  if (!socket.ok()) return std::move(socket).status();
  absl::StatusOr<std::unique_ptr<io::Reactor>> reactor = io::Reactor::Create();
  if (!reactor.ok()) return std::move(reactor).status();
  absl::StatusOr<std::unique_ptr<io::Mailbox>> mailbox = io::Mailbox::Create(kMailboxCapacity);
  if (!mailbox.ok()) return std::move(mailbox).status();
  auto loop = std::make_unique<Loop>(*std::move(socket), *std::move(reactor), *std::move(mailbox), std::move(policy),
                                     std::move(make_room), std::move(on_refused));
  if (absl::Status status = loop->Prepare(); !status.ok()) return status;
  return std::unique_ptr<UnixDoor>(new UnixDoor(std::move(loop)));
}

UnixDoor::UnixDoor(std::unique_ptr<Loop> loop) : loop_(std::move(loop)), thread_([loop = loop_.get()] { loop->Run(); }) {}

UnixDoor::~UnixDoor() { Close(); }

void UnixDoor::SetPolicy(std::shared_ptr<const AccessPolicy> policy) { loop_->OfferPolicy(std::move(policy)); }

void UnixDoor::Close() {
  if (!thread_.joinable()) return;
  loop_->Close();
  thread_.join();
}

Principals PrincipalsOf(const io::PeerCredentials& peer) {
  Principals principals{"uid:" + std::to_string(peer.uid), "gid:" + std::to_string(peer.gid)};
  for (const uint32_t group : peer.groups) {
    if (group != peer.gid) principals.push_back("gid:" + std::to_string(group));
  }
  return principals;
}

}  // namespace culvert::server
