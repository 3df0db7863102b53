#include "core/io/reactor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "core/io/monotonic_clock.h"

namespace culvert::io {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct SocketPair {
  FileDescriptor ours;
  FileDescriptor theirs;
  SocketPair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ours = FileDescriptor(fds[0]);
    theirs = FileDescriptor(fds[1]);
  }
  void Ring() const { ASSERT_EQ(write(theirs.get(), "x", 1), 1); }
};

class Recorder final : public IoHandler {
 public:
  std::function<void()> then;
  std::vector<uint32_t> seen;
  void OnIo(uint32_t ready) override {
    seen.push_back(ready);
    if (then) then();
  }
};

class ReactorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Reactor::Create();
    ASSERT_TRUE(made.ok());
    reactor = *std::move(made);
  }
  void Turn() {
    reactor->Wait(Now() + seconds(10));
    reactor->Dispatch();
  }
  std::unique_ptr<Reactor> reactor;
};

TEST_F(ReactorTest, WaitsUntilTheDeadlineAndNotMuchLonger) {
  const TimePoint before = Now();
  EXPECT_EQ(reactor->Wait(before + std::chrono::microseconds(300)), 0u);
  const Duration waited = Now() - before;
  EXPECT_GE(waited, std::chrono::microseconds(300));
  EXPECT_LT(waited, seconds(5));  // a busy machine may take its time
}

TEST_F(ReactorTest, ADeadlineInThePastDoesNotWait) {
  const TimePoint before = Now();
  EXPECT_EQ(reactor->Wait(before - seconds(1)), 0u);
  EXPECT_LT(Now() - before, seconds(1));
}

TEST_F(ReactorTest, CallsTheHandlerOfWhatIsReady) {
  SocketPair a, b;
  Recorder on_a, on_b;
  ASSERT_TRUE(reactor->Add(a.ours.get(), kReadable, on_a).ok());
  ASSERT_TRUE(reactor->Add(b.ours.get(), kReadable, on_b).ok());
  a.Ring();
  Turn();
  ASSERT_EQ(on_a.seen.size(), 1u);
  EXPECT_TRUE(on_a.seen[0] & kReadable);
  EXPECT_TRUE(on_b.seen.empty());
}

TEST_F(ReactorTest, LevelTriggeredRepeatsEdgeTriggeredDoesNot) {
  SocketPair level, edge;
  Recorder on_level, on_edge;
  ASSERT_TRUE(reactor->Add(level.ours.get(), kReadable, on_level).ok());
  ASSERT_TRUE(reactor->Add(edge.ours.get(), kReadable | kEdge, on_edge).ok());
  level.Ring();
  edge.Ring();
  Turn();
  Turn();
  EXPECT_EQ(on_level.seen.size(), 2u);
  EXPECT_EQ(on_edge.seen.size(), 1u);
}

TEST_F(ReactorTest, NoInterestMeansNoReadiness) {
  SocketPair pair;
  Recorder recorder;
  ASSERT_TRUE(reactor->Add(pair.ours.get(), kReadable, recorder).ok());
  pair.Ring();
  reactor->Modify(pair.ours.get(), 0);
  EXPECT_EQ(reactor->Wait(Now()), 0u);
  reactor->Modify(pair.ours.get(), kReadable);
  EXPECT_EQ(reactor->Wait(Now()), 1u);
}

TEST_F(ReactorTest, AHandlerMayRemoveItselfAndAnother) {
  SocketPair a, b;
  Recorder on_a, on_b;
  ASSERT_TRUE(reactor->Add(a.ours.get(), kReadable, on_a).ok());
  ASSERT_TRUE(reactor->Add(b.ours.get(), kReadable, on_b).ok());
  // Whichever comes first removes both: exactly one call must be seen.
  const auto remove_both = [&] {
    reactor->Remove(a.ours.get());
    reactor->Remove(b.ours.get());
  };
  on_a.then = on_b.then = remove_both;
  a.Ring();
  b.Ring();
  Turn();
  EXPECT_EQ(on_a.seen.size() + on_b.seen.size(), 1u);
  EXPECT_EQ(reactor->Wait(Now()), 0u);
}

TEST_F(ReactorTest, StaleReadinessMissesANewHandlerUnderTheSameNumber) {
  SocketPair a, b, fresh;
  Recorder on_a, on_b, on_fresh;
  ASSERT_TRUE(reactor->Add(a.ours.get(), kReadable, on_a).ok());
  ASSERT_TRUE(reactor->Add(b.ours.get(), kReadable, on_b).ok());
  bool replaced = false;
  // The first handler closes the other's descriptor and puts a quiet socket in its place, under the same number.
  const auto replace = [&](SocketPair& other) {
    if (replaced) return;
    replaced = true;
    const int number = other.ours.get();
    reactor->Remove(number);
    ASSERT_EQ(dup2(fresh.ours.get(), number), number);
    ASSERT_TRUE(reactor->Add(number, kReadable, on_fresh).ok());
  };
  on_a.then = [&] { replace(b); };
  on_b.then = [&] { replace(a); };
  a.Ring();
  b.Ring();
  Turn();
  EXPECT_TRUE(replaced);
  EXPECT_EQ(on_a.seen.size() + on_b.seen.size(), 1u);
  EXPECT_TRUE(on_fresh.seen.empty());
}

TEST_F(ReactorTest, RemovingWhatIsNotThereIsHarmless) {
  reactor->Remove(-1);
  reactor->Remove(3);
  reactor->Remove(100000);
}

}  // namespace
}  // namespace culvert::io
