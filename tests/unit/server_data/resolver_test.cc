#include "server/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <vector>

namespace culvert::server {
namespace {

using Answer = absl::StatusOr<Resolver::Addresses>;

Resolver::Addresses Loopback() { return {IpAddress::LoopbackV4()}; }

Answer Ask(Resolver& resolver, const std::string& host) {
  std::promise<Answer> promise;
  auto future = promise.get_future();
  EXPECT_TRUE(resolver.Resolve(host, [&promise](Answer answer) { promise.set_value(std::move(answer)); }));
  return future.get();
}

// A door that lookups wait behind.
class Gate {
 public:
  void Open() {
    {
      const std::lock_guard lock(mutex_);
      is_open_ = true;
    }
    changed_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
  }
  void AwaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
  int waiting_ = 0;
};

TEST(Resolver, AddressesNeedNoLookup) {
  Resolver resolver({.lookup = [](const std::string&) -> Answer { return absl::InternalError("not to be called"); }});
  EXPECT_EQ(resolver.ResolveNow("10.1.2.3"), Resolver::Addresses{*IpAddress::Parse("10.1.2.3")});
  EXPECT_EQ(resolver.ResolveNow("::1"), Resolver::Addresses{*IpAddress::Parse("::1")});
  EXPECT_FALSE(resolver.ResolveNow("db.example"));
}

TEST(Resolver, KeepsGoodAnswersForAWhile) {
  std::atomic<int> lookups{0};
  std::atomic<int64_t> seconds{0};
  Resolver resolver({.lookup =
                         [&](const std::string&) -> Answer {
                           ++lookups;
                           return Loopback();
                         },
                     .clock = [&] { return TimePoint(std::chrono::seconds(seconds)); }});
  EXPECT_EQ(*Ask(resolver, "db.example"), Loopback());
  EXPECT_EQ(resolver.ResolveNow("db.example"), Loopback());
  seconds = 29;
  EXPECT_TRUE(resolver.ResolveNow("db.example"));
  EXPECT_TRUE(resolver.ResolveNow("db.example", std::chrono::seconds(29)));
  EXPECT_FALSE(resolver.ResolveNow("db.example", std::chrono::seconds(28)));
  seconds = 30;
  EXPECT_FALSE(resolver.ResolveNow("db.example"));
  EXPECT_EQ(lookups, 1);
}

TEST(Resolver, FailuresAreToldAndNotKept) {
  std::atomic<int> lookups{0};
  Resolver resolver({.lookup = [&](const std::string& host) -> Answer {
    ++lookups;
    return absl::UnavailableError("resolve " + host + ": no such name");
  }});
  EXPECT_EQ(std::string(Ask(resolver, "nowhere.example").status().message()), "resolve nowhere.example: no such name");
  EXPECT_FALSE(resolver.ResolveNow("nowhere.example"));
  EXPECT_FALSE(Ask(resolver, "nowhere.example").ok());
  EXPECT_EQ(lookups, 2);
}

TEST(Resolver, ASlowNameDoesNotHoldUpOthers) {
  Gate gate;
  Resolver resolver({.threads = 2, .lookup = [&](const std::string& host) -> Answer {
                       if (host == "slow.example") gate.Pass();
                       return Loopback();
                     }});
  std::promise<void> slow_done;
  ASSERT_TRUE(resolver.Resolve("slow.example", [&](const Answer&) { slow_done.set_value(); }));
  gate.AwaitWaiting(1);
  EXPECT_TRUE(Ask(resolver, "quick.example").ok());
  gate.Open();
  slow_done.get_future().wait();
}

TEST(Resolver, WhoAsksForTheSameNameSharesTheLookup) {
  Gate gate;
  std::atomic<int> lookups{0};
  Resolver resolver({.threads = 4, .lookup = [&](const std::string&) -> Answer {
                       ++lookups;
                       gate.Pass();
                       return Loopback();
                     }});
  std::vector<std::promise<void>> answered(3);
  for (auto& promise : answered) {
    ASSERT_TRUE(resolver.Resolve("db.example", [&promise](const Answer&) { promise.set_value(); }));
  }
  gate.AwaitWaiting(1);
  gate.Open();
  for (auto& promise : answered) promise.get_future().wait();
  EXPECT_EQ(lookups, 1);
}

TEST(Resolver, RefusesWhenTooManyNamesWait) {
  Gate gate;
  Resolver resolver({.threads = 1, .max_waiting_names = 2, .lookup = [&](const std::string&) -> Answer {
                       gate.Pass();
                       return Loopback();
                     }});
  EXPECT_TRUE(resolver.Resolve("a.example", [](const Answer&) {}));
  EXPECT_TRUE(resolver.Resolve("b.example", [](const Answer&) {}));
  EXPECT_FALSE(resolver.Resolve("c.example", [](const Answer&) {}));
  EXPECT_TRUE(resolver.Resolve("a.example", [](const Answer&) {}));  // joins the one that waits
  gate.Open();
}

TEST(Resolver, EndsWhileALookupHangs) {
  // What the lookup left behind uses must outlive the test: it ends after it.
  static Gate gate;
  std::atomic<bool> called{false};
  {
    Resolver resolver({.threads = 1, .lookup = [](const std::string&) -> Answer {
                         gate.Pass();
                         return Loopback();
                       }});
    ASSERT_TRUE(resolver.Resolve("hangs.example", [&](const Answer&) { called = true; }));
    gate.AwaitWaiting(1);
  }
  gate.Open();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace culvert::server
