// What the audit trail says of streams when they end.
#include <gmock/gmock.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "core/base/log.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using Fields = std::map<std::string, std::string>;

// The lines of the audit trail, by message.
class Trail final : public LogSink {
 public:
  void Write(LogLevel, std::string_view component, std::string_view message, std::initializer_list<LogField> fields) override {
    if (component != "audit") return;
    Fields line;
    for (const LogField& field : fields) line.emplace(std::string(field.key), field.value);
    const std::lock_guard lock(mutex_);
    lines_.emplace(std::string(message), std::move(line));
    changed_.notify_all();
  }
  // The first line of that message, once it is there; empty: it does not come.
  Fields WaitFor(const std::string& message) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return lines_.contains(message); });
    const auto line = lines_.find(message);
    return line != lines_.end() ? line->second : Fields();
  }
  bool Has(const std::string& message) {
    const std::lock_guard lock(mutex_);
    return lines_.contains(message);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::string, Fields> lines_;  // guarded by mutex_
};

// Before the daemon and after it.
struct TrailInstalled {
  TrailInstalled() { SetLogSink(&trail); }
  ~TrailInstalled() { SetLogSink(nullptr); }
  Trail trail;
};

class AuditTest : public TrailInstalled, public ControlFixture {
 protected:
  AuditTest() {
    v1::CreateDialerRequest request;
    v1::CreateDialerResponse response;
    *request.mutable_dialer() = KcpDialer("out", "127.0.0.1:1").dialer();
    request.mutable_dialer()->mutable_spec()->set_stream_header(v1::STREAM_HEADER_CULVERT);
    EXPECT_TRUE(Call<v1::DialerService>(&v1::DialerService::Stub::CreateDialer, request, &response).ok());
  }
  ~AuditTest() override { Stop(); }
  using Stream = grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>;
  std::unique_ptr<Stream> Connect(grpc::ClientContext& context) {
    auto stream = dialers_->Connect(&context);
    v1::ConnectRequest open;
    open.mutable_open()->set_dialer("dialers/out");
    open.mutable_open()->set_destination("db.example:5432");
    EXPECT_TRUE(stream->Write(open));
    return stream;
  }
  std::string Own() const { return "uid:" + std::to_string(UserId()); }

  const std::unique_ptr<v1::DialerService::Stub> dialers_ = v1::DialerService::NewStub(channel_);
};

constexpr char kConnectBegan[] = "culvert.v1.DialerService/Connect";
constexpr char kConnectEnded[] = "culvert.v1.DialerService/Connect ended";
constexpr char kProbeEnded[] = "culvert.v1.DialerService/ProbeDialer ended";

TEST_F(AuditTest, AConnectionSaysWhatItCarriedWhenItEnds) {
  std::shared_ptr<ConnectChannel> far;
  std::mutex mutex;
  worker_.on_connect = [&](const std::shared_ptr<ConnectChannel>& channel) {
    {
      const std::lock_guard lock(mutex);
      far = channel;
    }
    channel->Open({});
    channel->WorkerSend("1234567");
    channel->WorkerFinish();
  };
  grpc::ClientContext context;
  const auto stream = Connect(context);
  v1::ConnectRequest data;
  data.set_data("12345");
  EXPECT_TRUE(stream->Write(data));
  EXPECT_TRUE(stream->WritesDone());
  v1::ConnectResponse response;
  while (stream->Read(&response) && !response.finish()) {
  }
  EXPECT_EQ(trail.WaitFor(kConnectBegan)["subject"], "dialer/out to db.example:5432");
  EXPECT_FALSE(trail.Has(kConnectEnded)) << "it goes on";
  {
    const std::lock_guard lock(mutex);
    std::string message;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!far->IsCallerFinished() && std::chrono::steady_clock::now() < give_up) static_cast<void>(far->WorkerReceive(message));
    far->End({.is_ok = true});
  }
  EXPECT_TRUE(stream->Finish().ok());
  Fields line = trail.WaitFor(kConnectEnded);
  EXPECT_EQ(line["event"], "audit");
  EXPECT_EQ(line["principal"], Own());
  EXPECT_EQ(line["subject"], "dialer/out to db.example:5432");
  EXPECT_EQ(line["bytes_from_caller"], "5");
  EXPECT_EQ(line["bytes_to_caller"], "7");
  EXPECT_EQ(line["result"], "ok");
  EXPECT_THAT(line["elapsed"], testing::MatchesRegex("[0-9]+.[0-9][0-9][0-9]s"));
}

TEST_F(AuditTest, AConnectionThatCameToNothingSaysWhy) {
  grpc::ClientContext context;
  const auto stream = Connect(context);
  v1::ConnectResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
  Fields line = trail.WaitFor(kConnectEnded);
  EXPECT_EQ(line["result"], "CONNECT_REFUSED");
  EXPECT_EQ(line["bytes_to_caller"], "0");
}

TEST_F(AuditTest, ACallerWhoLeavesEndsItToo) {
  worker_.on_connect = [this](const std::shared_ptr<ConnectChannel>& channel) {
    channel->Open({});
    // As a worker is woken: it looks later, on its own thread.
    channel->SetWorkerWake([this, weak = std::weak_ptr<ConnectChannel>(channel)] {
      thread_.PostReply([weak] {
        const auto living = weak.lock();
        if (living != nullptr && living->IsCallerGone()) living->End({.reason = "CANCELLED", .message = "gone"});
      });
    });
  };
  grpc::ClientContext context;
  const auto stream = Connect(context);
  v1::ConnectResponse response;
  ASSERT_TRUE(stream->Read(&response));
  context.TryCancel();
  static_cast<void>(stream->Finish());
  EXPECT_EQ(trail.WaitFor(kConnectEnded)["result"], "CANCELLED");
}

TEST_F(AuditTest, AProbeSaysHowItWentWhenItEnds) {
  const auto probe = [this](const v1::ProbeDialerRequest& request) {
    grpc::ClientContext context;
    const auto reader = dialers_->ProbeDialer(&context, request);
    v1::ProbeDialerResponse step;
    while (reader->Read(&step)) {
    }
    return reader->Finish();
  };
  v1::ProbeDialerRequest by_name;
  by_name.set_name("dialers/out");
  EXPECT_TRUE(probe(by_name).ok());
  Fields line = trail.WaitFor(kProbeEnded);
  EXPECT_EQ(line["principal"], Own());
  EXPECT_EQ(line["subject"], "dialer/out");
  EXPECT_EQ(line["result"], "ok");
}

TEST_F(AuditTest, AProbeOfSettingsSaysWhichTargets) {
  worker_.is_silent = true;
  v1::ProbeDialerRequest request;
  request.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
  request.mutable_spec()->add_targets("db:1");
  request.mutable_spec()->add_targets("db:2");
  grpc::ClientContext context;
  const auto reader = dialers_->ProbeDialer(&context, request);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (worker_.probes == 0 && std::chrono::steady_clock::now() < give_up) {
  }
  context.TryCancel();
  static_cast<void>(reader->Finish());
  Fields line = trail.WaitFor(kProbeEnded);
  EXPECT_EQ(line["subject"], "settings for db:1,db:2");
  EXPECT_EQ(line["result"], "CANCELLED");
}

}  // namespace
}  // namespace culvert::server
