// Tap and TailLogs over real gRPC.
#include <algorithm>

#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::seconds;

class TailApiTest : public ControlFixture {
 protected:
  void End(const std::string& forward, EndedRecord::Verdict verdict = EndedRecord::Verdict::kClosed, int64_t ago_seconds = 0) {
    EndedRecord record;
    record.ended_at_unix_ns = io::UnixNanoseconds() - ago_seconds * 1'000'000'000;
    record.verdict = verdict;
    record.reason = verdict == EndedRecord::Verdict::kRefused ? "DIAL_FAILED" : kEndedFinished;
    record.forward = forward;
    record.session_id = "s0x1";
    record.source = "10.0.0.1:40000";
    record.rx_bytes = 12;
    record.duration = seconds(3);
    const std::lock_guard lock(worker_.ended_mutex);
    worker_.ended.Add(std::move(record));
  }
  // Forwards of the records, in order; "-" for a marker.
  std::vector<std::string> TapAll(const v1::TapRequest& request, grpc::Status* status = nullptr) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    const auto reader = Observe()->Tap(&context, request);
    std::vector<std::string> forwards;
    v1::TapResponse message;
    while (reader->Read(&message)) forwards.push_back(message.has_record() ? message.record().forward() : "-");
    const grpc::Status ended = reader->Finish();
    if (status != nullptr) {
      *status = ended;
    } else {
      EXPECT_TRUE(ended.ok()) << ended.error_message();
    }
    return forwards;
  }
};

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(TailApiTest, TapGivesWhatHasEnded) {
  End("a");
  End("b", EndedRecord::Verdict::kRefused);
  grpc::ClientContext context;
  const auto reader = Observe()->Tap(&context, {});
  v1::TapResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.record().kind(), v1::TapRecord::KIND_STREAM);
  EXPECT_EQ(message.record().verdict(), v1::TapRecord::VERDICT_CLOSED);
  EXPECT_EQ(message.record().reason(), "FINISHED");
  EXPECT_EQ(message.record().session(), "sessions/s0x1");
  EXPECT_EQ(message.record().source(), "10.0.0.1:40000");
  EXPECT_EQ(message.record().counters().rx_bytes(), 12u);
  EXPECT_EQ(message.record().duration().seconds(), 3);
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.record().reason(), "DIAL_FAILED");
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(TailApiTest, TapTakesAFilterAnAgeAndANumber) {
  End("old", EndedRecord::Verdict::kClosed, 3600);
  End("a");
  End("b", EndedRecord::Verdict::kBroken);
  End("a");
  v1::TapRequest request;
  EXPECT_THAT(TapAll(request), ElementsAre("old", "a", "b", "a"));
  request.mutable_since()->set_seconds(60);
  EXPECT_THAT(TapAll(request), ElementsAre("a", "b", "a"));
  request.set_last(2);
  EXPECT_THAT(TapAll(request), ElementsAre("b", "a"));
  request.set_last(0);
  EXPECT_THAT(TapAll(request), IsEmpty());
  request.clear_last();
  request.set_filter("forward=a AND verdict!=REFUSED");
  EXPECT_THAT(TapAll(request), ElementsAre("a", "a"));
}

TEST_F(TailApiTest, TapGoesOnWithWhatEnds) {
  End("before");
  v1::TapRequest request;
  request.set_follow(true);
  request.set_last(1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  const auto reader = Observe()->Tap(&context, request);
  v1::TapResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.record().forward(), "before");
  End("later");
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.record().forward(), "later");
  supervisor_->BeginStop();
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_EQ(ReasonIn(reader->Finish()), "DAEMON_STOPPING");
}

TEST_F(TailApiTest, TapSaysHowManyWereBeyondTheRate) {
  v1::TapRequest request;
  request.set_follow(true);
  request.set_last(100);
  request.set_max_per_second(3);
  End("first");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  const auto reader = Observe()->Tap(&context, request);
  v1::TapResponse message;
  ASSERT_TRUE(reader->Read(&message));
  {
    const std::lock_guard lock(worker_.ended_mutex);  // so that they come in one batch
    for (int i = 0; i < 10; ++i) worker_.ended.Add(EndedRecord());
  }
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(reader->Read(&message));
    EXPECT_TRUE(message.has_record());
  }
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.lost().cause(), v1::LostRecords::CAUSE_RATE_LIMIT);
  EXPECT_EQ(message.lost().records(), 7u);
  context.TryCancel();
}

TEST_F(TailApiTest, RefusesWhatMakesNoSense) {
  v1::TapRequest request;
  grpc::Status status;
  request.set_filter("forwrd=a");
  TapAll(request, &status);
  EXPECT_EQ(ReasonIn(status), "INVALID_FILTER");
  request.clear_filter();
  request.set_last(-1);
  request.set_max_per_second(20'000);
  TapAll(request, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(TailApiTest, LimitsItsReaders) {
  v1::TailLogsRequest request;
  request.set_follow(true);
  request.set_last(1);
  logs_.Add(1, LogLevel::kInfo, "control", "first", {});
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::TailLogsResponse>>> readers;
  v1::TailLogsResponse message;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(Observe()->TailLogs(contexts.emplace_back(std::make_unique<grpc::ClientContext>()).get(), request));
    ASSERT_TRUE(readers.back()->Read(&message));
  }
  grpc::ClientContext context;
  const auto one_more = Observe()->TailLogs(&context, request);
  EXPECT_FALSE(one_more->Read(&message));
  EXPECT_EQ(one_more->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (const auto& each : contexts) each->TryCancel();
  for (const auto& reader : readers) static_cast<void>(reader->Finish());
}

TEST_F(TailApiTest, TailLogsGivesLinesByLevelAndFilter) {
  logs_.Add(1, LogLevel::kInfo, "control", "one", {{"forward", "pg"}});
  logs_.Add(2, LogLevel::kWarning, "dial", "two", {});
  logs_.Add(3, LogLevel::kError, "dial", "three", {});
  const auto all = [&](const v1::TailLogsRequest& request) {
    grpc::ClientContext context;
    const auto reader = Observe()->TailLogs(&context, request);
    std::vector<std::string> messages;
    v1::TailLogsResponse message;
    while (reader->Read(&message)) messages.push_back(message.record().message());
    EXPECT_TRUE(reader->Finish().ok());
    return messages;
  };
  v1::TailLogsRequest request;
  EXPECT_THAT(all(request), ElementsAre("one", "two", "three"));
  request.set_least_level(v1::LOG_LEVEL_WARNING);
  EXPECT_THAT(all(request), ElementsAre("two", "three"));
  request.set_filter("level=ERROR");
  EXPECT_THAT(all(request), ElementsAre("three"));
  request.set_filter("fields.forward=pg");
  EXPECT_THAT(all(request), IsEmpty()) << "it is below the level";
  request.clear_least_level();
  EXPECT_THAT(all(request), ElementsAre("one"));
}

TEST_F(TailApiTest, TheDaemonSaysHowItsMachineStands) {
  v1::GetDaemonResponse response;
  ASSERT_TRUE(Call<v1::DaemonService>(&v1::DaemonService::Stub::GetDaemon, v1::GetDaemonRequest(), &response).ok());
  EXPECT_LT(std::abs(response.daemon().time().seconds() - io::UnixNanoseconds() / 1'000'000'000), 60);
  EXPECT_GT(response.daemon().open_files(), 3u);
  EXPECT_GE(response.daemon().open_files_limit(), response.daemon().open_files());
}

}  // namespace
}  // namespace culvert::server
