#include "server/control_thread.h"

#include <gmock/gmock.h>

#include <future>
#include <string>
#include <vector>

namespace culvert::server {
namespace {

using testing::ElementsAre;

TEST(ControlThreadTest, RepliesComeFirstThenWhatWaitsThenTheRestOfALongTask) {
  ControlThread thread;
  std::vector<std::string> order;
  std::promise<void> begin, end;
  ASSERT_TRUE(thread.Post([&, ready = begin.get_future().share()] {
    ready.wait();
    thread.PostRest([&] {
      order.push_back("rest");
      end.set_value();
    });
    thread.PostReply([&] { order.push_back("reply"); });
  }));
  ASSERT_TRUE(thread.Post([&] { order.push_back("request"); }));
  begin.set_value();
  end.get_future().wait();
  EXPECT_THAT(order, ElementsAre("reply", "request", "rest"));
}

TEST(ControlThreadTest, TheRestOfALongTaskIsNeverRefused) {
  ControlThread thread(1);
  std::promise<void> begin, end;
  ASSERT_TRUE(thread.Post([&, ready = begin.get_future().share()] {
    ready.wait();
    thread.PostRest([&] { end.set_value(); });
  }));
  while (!thread.Post([] {})) {  // until the first one runs
  }
  EXPECT_FALSE(thread.Post([] {}));
  begin.set_value();
  end.get_future().wait();
}

}  // namespace
}  // namespace culvert::server
