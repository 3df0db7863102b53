#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::ElementsAre;

class DeleteTest : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.listeners.emplace_back().mutable_metadata()->set_name("local-pg");
    daemon_.dialers.emplace_back().mutable_metadata()->set_name("site-b");
    daemon_.forwards.emplace_back().mutable_metadata()->set_name("pg");
  }
  FakeDaemon daemon_;
};

TEST_F(DeleteTest, TakesForwardsFirst) {
  const Answer answer = daemon_.Run({"delete", "lsn/local-pg", "dl/site-b", "fwd/pg"});
  EXPECT_EQ(answer.out, "forward/pg deleted\ndialer/site-b deleted\nlistener/local-pg deleted\n");
  EXPECT_EQ(answer.code, 0);
}

TEST_F(DeleteTest, TakesTheObjectsOfAFile) {
  const std::string file =
      daemon_.Write("t.yaml",
                    "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: local-pg}\nspec: {}\n---\n"
                    "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: pg}\nspec: {}\n");
  EXPECT_EQ(daemon_.Run({"delete", "-f", file}).code, 0);
  EXPECT_THAT(daemon_.deleted, ElementsAre("forward/pg", "listener/local-pg"));
}

TEST_F(DeleteTest, AsksOnATerminalBeforeSeveralGo) {
  const Answer no = daemon_.Run({"delete", "lsn/local-pg", "fwd/pg"}, "n\n", true);
  EXPECT_EQ(no.code, 1);
  EXPECT_NE(no.err.find("delete these 2 objects? [y/N]"), std::string::npos);
  EXPECT_TRUE(daemon_.deleted.empty());
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "fwd/pg"}, "", true).code, 1);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "fwd/pg"}, "y\n", true).code, 0);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "fwd/pg", "--yes"}, "", true).code, 0);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg"}, "", true).code, 0);
}

TEST_F(DeleteTest, MayLetThingsEnd) {
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "--drain-timeout", "90s"}).code, 0);
  EXPECT_EQ(daemon_.drain_timeout.seconds(), 90);
  for (const char* wrong : {"soon", "-1s", "2h"}) {
    const Answer answer = daemon_.Run({"delete", "lsn/local-pg", "--drain-timeout", wrong});
    EXPECT_EQ(answer.code, 2);
    EXPECT_NE(answer.err.find("--drain-timeout"), std::string::npos) << answer.err;
  }
}

TEST_F(DeleteTest, SaysHowToForce) {
  daemon_.on_delete = [](const std::string&, bool force) {
    if (force) return grpc::Status::OK;
    return ErrorWithDetails(grpc::StatusCode::FAILED_PRECONDITION, "listener/local-pg is used by forward/pg",
                            "RESOURCE_IN_USE");
  };
  const Answer answer = daemon_.Run({"delete", "lsn/local-pg"});
  EXPECT_EQ(answer.err,
            "error: listener/local-pg is used by forward/pg (RESOURCE_IN_USE)\n"
            "next: culvertctl delete listener/local-pg --force    deletes the forwards that use it too\n");
  EXPECT_EQ(answer.code, 6);
  EXPECT_EQ(daemon_.Run({"delete", "lsn/local-pg", "--force"}).code, 0);
}

TEST_F(DeleteTest, GoesOnBehindOneThatIsMissing) {
  const Answer answer = daemon_.Run({"delete", "fwd/nope", "lsn/local-pg"});
  EXPECT_EQ(answer.out, "listener/local-pg deleted\n");
  EXPECT_EQ(answer.err, "error: forward/nope does not exist (RESOURCE_NOT_FOUND)\n");
  EXPECT_EQ(answer.code, 3);
}

TEST_F(DeleteTest, MayIgnoreWhatIsMissing) {
  const Answer answer = daemon_.Run({"delete", "fwd/nope", "--ignore-not-found"});
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.err, "forward/nope is not there\n");
  EXPECT_EQ(answer.code, 0);
}

TEST_F(DeleteTest, RefusesUnclearRequests) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"delete"},
                                                {"delete", "lsn"},
                                                {"delete", "all"},
                                                {"delete", "ses/x"},
                                                {"delete", "fwd/pg", "-f", "x"}}) {
    EXPECT_EQ(daemon_.Run(words).code, 2);
  }
  EXPECT_TRUE(daemon_.deleted.empty());
}

TEST(Delete, IsNotForWhatIsObserved) {
  FakeDaemon daemon;
  EXPECT_EQ(daemon.Run({"delete", "ses/a"}).err,
            "error: a session is closed, not deleted\nnext: culvertctl close session/NAME\n");
  EXPECT_EQ(daemon.Run({"delete", "str/a/4"}).err,
            "error: a stream is closed, not deleted\nnext: culvertctl close stream/NAME\n");
  EXPECT_EQ(daemon.Run({"delete", "udp/4"}).code, 2);
  EXPECT_EQ(daemon.Run({"delete", "ev/4"}).err, "error: events are not deleted\n");
}

}  // namespace
}  // namespace culvert::cli
