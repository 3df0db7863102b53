#include "core/io/mailbox.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>
#include <vector>

namespace culvert::io {
namespace {

bool IsReadable(int fd, int timeout_ms = 0) {
  pollfd poller{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&poller, 1, timeout_ms) == 1;
}

TEST(Mailbox, RunsInOrderAndWakes) {
  auto mailbox = *Mailbox::Create(10);
  std::vector<int> ran;
  EXPECT_FALSE(IsReadable(mailbox->fd()));
  EXPECT_TRUE(mailbox->Post([&] { ran.push_back(1); }));
  EXPECT_TRUE(mailbox->Post([&] { ran.push_back(2); }));
  EXPECT_TRUE(IsReadable(mailbox->fd()));
  EXPECT_EQ(mailbox->Drain(), 2u);
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  EXPECT_FALSE(IsReadable(mailbox->fd()));
  EXPECT_EQ(mailbox->Drain(), 0u);
}

TEST(Mailbox, RefusesWhenFullAndTakesAgainAfterwards) {
  auto mailbox = *Mailbox::Create(2);
  EXPECT_TRUE(mailbox->Post([] {}));
  EXPECT_TRUE(mailbox->Post([] {}));
  EXPECT_FALSE(mailbox->Post([] {}));
  EXPECT_EQ(mailbox->Drain(), 2u);
  EXPECT_TRUE(mailbox->Post([] {}));
}

TEST(Mailbox, WhatATaskPostsWaitsForTheNextDrain) {
  auto mailbox = *Mailbox::Create(2);
  int ran = 0;
  ASSERT_TRUE(mailbox->Post([&] { ASSERT_TRUE(mailbox->Post([&] { ++ran; })); }));
  EXPECT_EQ(mailbox->Drain(), 1u);
  EXPECT_EQ(ran, 0);
  EXPECT_TRUE(IsReadable(mailbox->fd()));
  EXPECT_EQ(mailbox->Drain(), 1u);
  EXPECT_EQ(ran, 1);
}

TEST(Mailbox, ClosedRefusesButRunsWhatItTook) {
  auto mailbox = *Mailbox::Create(2);
  bool ran = false;
  ASSERT_TRUE(mailbox->Post([&] { ran = true; }));
  mailbox->Close();
  EXPECT_FALSE(mailbox->Post([] {}));
  EXPECT_EQ(mailbox->Drain(), 1u);
  EXPECT_TRUE(ran);
}

TEST(Mailbox, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  auto mailbox = *Mailbox::Create(64);
  std::atomic<int> finished{0};
  int ran = 0;  // of this thread alone
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        while (!mailbox->Post([&] { ++ran; })) std::this_thread::yield();
      }
      ++finished;
      mailbox->Wake();
    });
  }
  while (ran < kThreads * kEach) {
    ASSERT_TRUE(IsReadable(mailbox->fd(), 10'000)) << "a wake-up was lost after " << ran;
    mailbox->Drain();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ran, kThreads * kEach);
}

}  // namespace
}  // namespace culvert::io
