#include "server/access/unix_door.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/log.h"

namespace culvert::server {
namespace {

// Ends rooms one after the other. Its own end waits for all of them.
class RoomEnder {
 public:
  RoomEnder() : thread_([this] { Run(); }) {}
  ~RoomEnder() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  RoomEnder(const RoomEnder&) = delete;
  RoomEnder& operator=(const RoomEnder&) = delete;

  void End(std::unique_ptr<CallerRoom> room) {
    {
      const std::lock_guard lock(mutex_);
      rooms_.push_back(std::move(room));
    }
    wake_.notify_one();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return is_closed_ || !rooms_.empty(); });
      if (rooms_.empty()) return;
      std::unique_ptr<CallerRoom> room = std::move(rooms_.front());
      rooms_.pop_front();
      lock.unlock();
      room = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<CallerRoom>> rooms_;  // guarded by mutex_
  bool is_closed_ = false;                         // guarded by mutex_
  std::thread thread_;
};

}  // namespace

class UnixDoor::Loop final : public DoorLoop {
 public:
  Loop(io::UnixListenSocket socket, std::shared_ptr<const AccessPolicy> policy, MakeRoom make_room, OnRefused on_refused)
      : DoorLoop(std::move(on_refused)), socket_(std::move(socket)), policy_(std::move(policy)), make_room_(std::move(make_room)) {}

  absl::Status Prepare() { return DoorLoop::Prepare(socket_.fd()); }
  void OfferPolicy(std::shared_ptr<const AccessPolicy> policy) {
    {
      const std::lock_guard lock(policy_mutex_);
      next_policy_ = std::move(policy);
    }
    Wake();
  }

 private:
  struct Room {
    Caller caller;
    std::unique_ptr<CallerRoom> server;  // nullptr: it is being ended, and nobody enters any more
    size_t connections = 0;
  };
  struct Visitor final : public Guest {
    uint32_t uid = 0;
    std::list<Room>::iterator room;
  };

  void OnTurn() override {
    std::shared_ptr<const AccessPolicy> next;
    {
      const std::lock_guard lock(policy_mutex_);
      next = std::exchange(next_policy_, nullptr);
    }
    if (next != nullptr) SetPolicy(std::move(next));
  }
  void OnClosed() override {
    for (Room& room : rooms_) EndRoom(room);
    rooms_.clear();
    ender_ = std::nullopt;
  }

  void SetPolicy(std::shared_ptr<const AccessPolicy> policy) {
    policy_ = std::move(policy);
    for (Room& room : rooms_) {
      if (room.server == nullptr || policy_->RoleOf(room.caller.principals) == room.caller.role) continue;
      Log(LogLevel::kInfo, "control", "the access policy changed for a caller, who is sent away", {{"principal", room.caller.Name()}});
      // At once, however long the room takes to end.
      for (const auto& guest : guests()) {
        if (&*static_cast<const Visitor&>(*guest).room == &room) Disconnect(*guest);
      }
      EndRoom(room);
    }
    rooms_.remove_if([](const Room& room) { return room.server == nullptr && room.connections == 0; });
  }
  void EndRoom(Room& room) {
    if (room.server != nullptr) ender_->End(std::move(room.server));
  }

  Taken TakeOne() override {
    bool is_out_of_files = false;
    std::optional<io::UnixListenSocket::Accepted> accepted = socket_.Accept(is_out_of_files);
    if (is_out_of_files) return Taken::kOutOfFiles;
    if (!accepted) return Taken::kNobody;
    Take(*std::move(accepted));
    return Taken::kOne;
  }

  void Take(io::UnixListenSocket::Accepted accepted) {
    Caller caller;
    caller.principals = PrincipalsOf(accepted.peer);
    caller.role = policy_->RoleOf(caller.principals);
    caller.channel = v1::CONTROL_CHANNEL_UNIX;
    if (caller.role == v1::ROLE_UNSPECIFIED) return Refuse(caller.Name(), "has no role");
    const auto of_user = static_cast<size_t>(
        std::ranges::count_if(guests(), [&](const auto& guest) { return static_cast<const Visitor&>(*guest).uid == accepted.peer.uid; }));
    const size_t most = caller.role == v1::ROLE_ADMIN ? kMaxConnections : kMaxConnections - kReservedForAdmins;
    if (guests().size() >= most || of_user >= kMaxConnectionsPerUser) return Refuse(caller.Name(), "has too many connections");
    auto visitor = std::make_unique<Visitor>();
    visitor->uid = accepted.peer.uid;
    visitor->room = RoomOf(std::move(caller));
    Room& room = *visitor->room;
    Guest* const guest = LetIn(accepted.socket, std::move(visitor));
    if (guest == nullptr) return;  // no descriptor is left: the caller tries again
    ++room.connections;
    if (room.server->Enter(std::move(accepted.socket))) return;
    Log(LogLevel::kError, "control", "cannot serve a caller on the control socket", {{"principal", room.caller.Name()}});
    EndRoom(room);  // the next call of theirs makes another one
    SendAway(*guest);
  }

  void OnGone(Guest& guest) override {
    const std::list<Room>::iterator room = static_cast<Visitor&>(guest).room;
    if (--room->connections == 0 && room->server == nullptr) rooms_.erase(room);
  }

  std::list<Room>::iterator RoomOf(Caller caller) {
    const auto found = std::ranges::find_if(
        rooms_, [&](const Room& room) { return room.server != nullptr && room.caller.principals == caller.principals; });
    if (found != rooms_.end()) return found;
    // Those without visitors are kept for the next call of a script that makes many; but not those of everybody who ever came.
    auto empty = static_cast<size_t>(std::ranges::count_if(rooms_, [](const Room& room) { return room.connections == 0; }));
    for (auto at = rooms_.begin(); at != rooms_.end() && empty > kMaxEmptyRooms;) {
      const auto room = at++;
      if (room->connections != 0) continue;
      EndRoom(*room);
      rooms_.erase(room);
      --empty;
    }
    std::unique_ptr<CallerRoom> server = make_room_(caller);
    return rooms_.insert(rooms_.end(), Room{std::move(caller), std::move(server), 0});
  }

  io::UnixListenSocket socket_;
  std::shared_ptr<const AccessPolicy> policy_;
  const MakeRoom make_room_;
  std::mutex policy_mutex_;
  std::shared_ptr<const AccessPolicy> next_policy_;  // guarded by policy_mutex_
  std::list<Room> rooms_;
  std::optional<RoomEnder> ender_{std::in_place};
};

absl::StatusOr<std::unique_ptr<UnixDoor>> UnixDoor::Open(const std::string& path, std::shared_ptr<const AccessPolicy> policy,
                                                         MakeRoom make_room, OnRefused on_refused) {
  absl::StatusOr<io::UnixListenSocket> socket = io::UnixListenSocket::Bind(path);
  if (!socket.ok()) return std::move(socket).status();
  auto loop = std::make_unique<Loop>(*std::move(socket), std::move(policy), std::move(make_room), std::move(on_refused));
  if (absl::Status status = loop->Prepare(); !status.ok()) return status;
  return std::unique_ptr<UnixDoor>(new UnixDoor(std::move(loop)));
}

UnixDoor::UnixDoor(std::unique_ptr<Loop> loop) : loop_(*loop), thread_(std::move(loop)) {}

void UnixDoor::SetPolicy(std::shared_ptr<const AccessPolicy> policy) { loop_.OfferPolicy(std::move(policy)); }

Principals PrincipalsOf(const io::PeerCredentials& peer) {
  Principals principals{"uid:" + std::to_string(peer.uid), "gid:" + std::to_string(peer.gid)};
  for (const uint32_t group : peer.groups) {
    if (group != peer.gid) principals.push_back("gid:" + std::to_string(group));
  }
  return principals;
}

}  // namespace culvert::server
