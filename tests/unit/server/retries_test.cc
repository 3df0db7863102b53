// Many who change the same things at a time and send again what they are not sure of (reliability.md T58): nothing is lost, and nothing is
// done twice.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

constexpr int kThreads = 10;
constexpr int kAppliersOfAThread = 100;
constexpr char kCount[] = "count";

class RetriesTest : public ControlFixture {
 protected:
  // Sends a request once, or several times under its id; every answer must be that of the first, or that it is under way.
  template <typename Service, typename Request, typename Response>
  grpc::Status Insist(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                      Response* response, SeededRandom& random) {
    grpc::Status first = Call<Service>(method, request, response);
    for (uint32_t again = random.NextInRange(0, 2); first.ok() && again > 0; --again) {
      Response repeated;
      const grpc::Status status = Call<Service>(method, request, &repeated);
      if (!status.ok() || repeated.SerializeAsString() != response->SerializeAsString()) ++wrong_;
    }
    return first;
  }

  // Counts one up, however often somebody else was quicker. The value that it made.
  int CountUp(const std::string& id, SeededRandom& random) {
    for (int turn = 0;; ++turn) {
      v1::GetDialerRequest get;
      get.set_name("shared");
      v1::GetDialerResponse got;
      if (!Call<v1::DialerService>(&v1::DialerService::Stub::GetDialer, get, &got).ok()) return -1;
      v1::UpdateDialerRequest update;
      update.set_request_id(absl::StrCat(id, ".", turn));
      v1::Metadata& metadata = *update.mutable_dialer()->mutable_metadata();
      metadata.set_name("shared");
      metadata.set_etag(got.dialer().metadata().etag());
      const auto known = got.dialer().metadata().annotations().find(kCount);
      const int next = 1 + (known != got.dialer().metadata().annotations().end() ? std::stoi(known->second) : 0);
      (*metadata.mutable_annotations())[kCount] = std::to_string(next);
      update.mutable_update_mask()->add_paths("metadata.annotations");
      v1::UpdateDialerResponse updated;
      const grpc::Status status = Insist<v1::DialerService>(&v1::DialerService::Stub::UpdateDialer, update, &updated, random);
      if (status.ok()) return next;
      if (ReasonIn(status) != "ETAG_MISMATCH") return -1;
      ++overtaken_;
    }
  }
  // Makes an object of its own.
  bool MakeOne(const std::string& id, SeededRandom& random) {
    v1::CreateDialerRequest create;
    create.set_request_id(id);
    *create.mutable_dialer() = KcpDialer("d-" + id, "127.0.0.1:4000").dialer();
    v1::CreateDialerResponse created;
    return Insist<v1::DialerService>(&v1::DialerService::Stub::CreateDialer, create, &created, random).ok();
  }

  std::atomic<int> wrong_{0};      // answers to what was sent again
  std::atomic<int> overtaken_{0};
};

TEST_F(RetriesTest, AThousandAppliersLoseNothingAndDoNothingTwice) {
  v1::CreateDialerRequest create;
  *create.mutable_dialer() = KcpDialer("shared", "127.0.0.1:4000").dialer();
  v1::CreateDialerResponse created;
  ASSERT_TRUE(Call<v1::DialerService>(&v1::DialerService::Stub::CreateDialer, create, &created).ok());
  const int updates = worker_.updates;

  std::vector<std::vector<int>> counted(kThreads);
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      SeededRandom random(static_cast<uint64_t>(thread) + 1);
      for (int i = 0; i < kAppliersOfAThread; ++i) {
        const std::string id = absl::StrCat(thread, "-", i);
        counted[thread].push_back(CountUp("c" + id, random));
        if (i % 4 == 0) made += MakeOne(id, random) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  // Every value was made once, and who came later made a larger one: that is one order of all of them.
  std::set<int> values;
  for (const std::vector<int>& of_thread : counted) {
    EXPECT_TRUE(std::ranges::is_sorted(of_thread));
    values.insert(of_thread.begin(), of_thread.end());
  }
  EXPECT_EQ(values.size(), static_cast<size_t>(kThreads * kAppliersOfAThread));
  EXPECT_EQ(*values.begin(), 1);
  EXPECT_EQ(*values.rbegin(), kThreads * kAppliersOfAThread);
  EXPECT_EQ(wrong_, 0);
  EXPECT_EQ(made, kThreads * kAppliersOfAThread / 4);
  Stop();
  EXPECT_EQ(worker_.current->dialers.size(), static_cast<size_t>(made) + 1) << "nothing is there twice";
  EXPECT_EQ(worker_.updates - updates, kThreads * kAppliersOfAThread + made) << "what was sent again was not done again";
  std::printf("  overtaken %d times\n", overtaken_.load());
}

}  // namespace
}  // namespace culvert::server
