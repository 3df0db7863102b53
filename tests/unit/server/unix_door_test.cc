// The door of the Unix socket, with rooms that are stand-ins: who gets in, and what holds up nobody.
#include "server/access/unix_door.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "server/process.h"
#include "tests/testing/temp_dir.h"

namespace culvert::server {
namespace {

using culvert::testing::TempDir;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr Clock::duration kLimit = seconds(10);

// What the rooms of a door have seen.
class Rooms {
 public:
  // Keeps the connections that enter; its end waits while ends are held up.
  std::unique_ptr<CallerRoom> Make(const Caller& caller) { return std::make_unique<Room>(*this, caller.Name()); }
  void HoldEnds(bool held) {
    const std::lock_guard lock(mutex_);
    are_held_ = held;
    changed_.notify_all();
  }
  bool WaitForEntries(const std::string& who, size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLimit, [&] { return entered_[who] >= count; });
  }
  bool WaitForEnds(size_t begun, size_t ended) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLimit, [&] { return ends_begun_ == begun && ends_ == ended; });
  }

 private:
  class Room final : public CallerRoom {
   public:
    Room(Rooms& all, std::string who) : all_(all), who_(std::move(who)) {}
    ~Room() override {
      std::unique_lock lock(all_.mutex_);
      ++all_.ends_begun_;
      all_.changed_.notify_all();
      all_.changed_.wait(lock, [this] { return !all_.are_held_; });
      ++all_.ends_;
      all_.changed_.notify_all();
    }
    bool Enter(io::FileDescriptor socket) override {
      const std::lock_guard lock(all_.mutex_);
      sockets_.push_back(std::move(socket));
      ++all_.entered_[who_];
      all_.changed_.notify_all();
      return true;
    }

   private:
    Rooms& all_;
    const std::string who_;
    std::vector<io::FileDescriptor> sockets_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, size_t> entered_;  // guarded by mutex_, like all below
  bool are_held_ = false;
  size_t ends_begun_ = 0;
  size_t ends_ = 0;
};

class UnixDoorTest : public ::testing::Test {
 protected:
  void Open(const std::string& policy) {
    auto door = UnixDoor::Open(path_, Policy(policy), [this](const Caller& caller) { return rooms_.Make(caller); }, [](const auto&, const auto&) {});
    ASSERT_TRUE(door.ok()) << door.status();
    door_ = *std::move(door);
  }
  static std::shared_ptr<const AccessPolicy> Policy(const std::string& rules) {
    auto policy = AccessPolicy::Parse("rules: [" + rules + "]", "p.yaml");
    EXPECT_TRUE(policy.ok()) << policy.status();
    return std::make_shared<const AccessPolicy>(*std::move(policy));
  }
  static std::string Own(const std::string& role) { return "{role: " + role + ", principals: ['uid:" + std::to_string(UserId()) + "']}"; }
  // A connection to the door; it has a place in the queue, if not yet more.
  io::FileDescriptor Connect() const {
    io::FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  // As another user. The call is the thread's alone, unlike seteuid of the library.
  io::FileDescriptor ConnectAs(uint32_t uid) const {
    io::FileDescriptor socket;
    std::thread([&] {
      EXPECT_EQ(syscall(SYS_setresuid, -1, uid, -1), 0);
      socket = Connect();
    }).join();
    return socket;
  }
  // Whether the door closes it.
  static bool IsSentAway(const io::FileDescriptor& socket) {
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char byte = 0;
    return recv(socket.get(), &byte, 1, 0) == 0;
  }

  const TempDir folder_;
  const std::string path_ = folder_.File("s");
  Rooms rooms_;
  std::unique_ptr<UnixDoor> door_;
};

TEST_F(UnixDoorTest, OthersCannotKeepAnAdminOut) {
  if (UserId() != 0) GTEST_SKIP() << "SKIPPED: ONLY ROOT CAN BE OTHER USERS, so nothing was proved";
  // For other users of our own group; connecting, they keep that.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::owner_all | std::filesystem::perms::group_exec);
  Open("{role: ADMIN, principals: ['uid:0']}, {role: OPERATOR, principals: ['uid:*']}");
  std::vector<io::FileDescriptor> sockets;
  std::vector<std::string> names;
  constexpr size_t kUsers = 4;
  const size_t for_others = UnixDoor::kMaxConnections - UnixDoor::kReservedForAdmins;
  size_t taken = 0;
  for (uint32_t uid = 61001; uid < 61001 + kUsers; ++uid) {
    size_t of_user = 0;
    for (size_t i = 0; i < UnixDoor::kMaxConnectionsPerUser; ++i) {
      sockets.push_back(ConnectAs(uid));
      if (taken < for_others) {
        ++taken;
        ASSERT_TRUE(rooms_.WaitForEntries("uid:" + std::to_string(uid), ++of_user));
      } else {
        EXPECT_TRUE(IsSentAway(sockets.back())) << "one of the others took a place that is for admins";
      }
    }
  }
  EXPECT_EQ(taken, for_others);
  for (size_t i = 1; i <= UnixDoor::kReservedForAdmins; ++i) {
    sockets.push_back(Connect());
    ASSERT_TRUE(rooms_.WaitForEntries("uid:0", i)) << "an admin was locked out";
  }
  EXPECT_TRUE(IsSentAway(Connect())) << "there is a limit for all";
}

TEST_F(UnixDoorTest, ARoomThatTakesLongToEndHoldsUpNobody) {
  Open(Own("OPERATOR"));
  const std::string who = "uid:" + std::to_string(UserId());
  const io::FileDescriptor first = Connect();
  ASSERT_TRUE(rooms_.WaitForEntries(who, 1));
  rooms_.HoldEnds(true);
  door_->SetPolicy(Policy(Own("VIEWER")));
  EXPECT_TRUE(IsSentAway(first)) << "at once, though its room goes on ending";
  ASSERT_TRUE(rooms_.WaitForEnds(1, 0));
  const io::FileDescriptor second = Connect();
  EXPECT_TRUE(rooms_.WaitForEntries(who, 2)) << "the door was held up";
  rooms_.HoldEnds(false);
  EXPECT_TRUE(rooms_.WaitForEnds(1, 1));
  // Closing waits for all of them.
  door_->Close();
  EXPECT_TRUE(rooms_.WaitForEnds(2, 2));
  EXPECT_TRUE(IsSentAway(second));
}

TEST_F(UnixDoorTest, WhoHasNoRoleAndWhoHasTooManyIsSentAway) {
  Open(Own("VIEWER"));
  std::vector<io::FileDescriptor> sockets;
  for (size_t i = 1; i <= UnixDoor::kMaxConnectionsPerUser; ++i) {
    sockets.push_back(Connect());
    ASSERT_TRUE(rooms_.WaitForEntries("uid:" + std::to_string(UserId()), i));
  }
  EXPECT_TRUE(IsSentAway(Connect()));
  door_->SetPolicy(Policy("{deny: true, principals: ['*']}"));
  for (const io::FileDescriptor& socket : sockets) EXPECT_TRUE(IsSentAway(socket));
  EXPECT_TRUE(IsSentAway(Connect()));
}

}  // namespace
}  // namespace culvert::server
