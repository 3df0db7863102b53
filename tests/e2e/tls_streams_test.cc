// Bytes through TLS inside the tunnel, and how streams end: with TLS each direction ends by itself, and what is cut never looks
// complete.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "tests/e2e/tls_files.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/pattern.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

constexpr uint64_t kMebibyte = 1 << 20;

class TlsStreams : public ::testing::Test {
 protected:
  void Start(TcpServer::Handler application = ChoiceHandler(), KcpText kcp = {}, bool has_seed = true) {
    auto pair = TunnelPair::Start({.application = std::move(application),
                                   .has_seed = has_seed,
                                   .kcp = std::move(kcp),
                                   .near_tls = files_.Dialer(),
                                   .far_tls = files_.Listener()});
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
  }
  // No session is left on either side.
  bool IsIdle() {
    return SumOf(pair_->near().GetJson("dialers"), "active") == 0 && SumOf(pair_->far().GetJson("listeners"), "active") == 0;
  }

  TlsFiles files_;
  std::unique_ptr<TunnelPair> pair_;
};

// Writes `bytes` of pattern `seed`.
absl::Status WritePattern(TcpStream& stream, uint64_t bytes, uint64_t seed) { return stream.Transfer(bytes, seed, 0, 0); }

// Longer than half_close_linger: without TLS the way back would be closed by then.
void BeSilent() { (void)poll(nullptr, 0, 3000); }

TEST_F(TlsStreams, EightMebibytesEachWay) {
  Start();
  for (const Closer closer : {Closer::kClient, Closer::kServer}) {
    EXPECT_EQ(RunExchange(pair_->client(), {.up_bytes = 8 * kMebibyte, .down_bytes = 8 * kMebibyte, .closer = closer}),
              absl::OkStatus())
        << pair_->Logs();
  }
  EXPECT_TRUE(pair_->application().WaitForActive(0, seconds(10)));
  EXPECT_TRUE(Eventually([&] { return IsIdle(); })) << pair_->near().GetJson("dialers");
}

TEST_F(TlsStreams, ManySizesWithAHeaderAndWithoutASeed) {
  Start(ChoiceHandler(), {.header = "SRTP"}, /*has_seed=*/false);
  EXPECT_EQ(RunEchoes(pair_->client(), {1, 2, 100, 1163, 4096, 16'383, 16'384, 16'385, 65'535, 1'000'000}, 1), absl::OkStatus());
}

TEST_F(TlsStreams, FiftyConnectionsAtOnce) {
  Start();
  const absl::Status status = RunTogether(50, [&](int number) {
    return RunExchange(pair_->client(),
                       {.up_bytes = 200'000, .down_bytes = 200'000, .seed = static_cast<uint64_t>(number)});
  });
  EXPECT_EQ(status, absl::OkStatus()) << pair_->Logs();
  EXPECT_TRUE(Eventually([&] { return IsIdle(); }));
}

TEST_F(TlsStreams, TheServerMaySpeakFirst) {
  Start(GreetingHandler("220 ready\r\n"));
  EXPECT_EQ(RunGreeted({.to = pair_->entrance()}, "220 ready\r\n"), absl::OkStatus()) << pair_->Logs();
}

TEST_F(TlsStreams, TheServerAnswersAMebibyteAfterTheClientsEnd) {
  Start([](TcpStream& stream) {
    stream.SetLimit(seconds(60));
    const auto got = stream.ReadToEnd();
    if (!got.ok() || *got != kMebibyte) return;
    BeSilent();
    (void)WritePattern(stream, kMebibyte, 7);
  });
  auto client = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(client.ok());
  client->SetLimit(seconds(60));
  ASSERT_EQ(WritePattern(*client, kMebibyte, 6), absl::OkStatus());
  client->FinishWriting();
  EXPECT_EQ(client->Transfer(0, 0, kMebibyte, 7), absl::OkStatus()) << pair_->Logs();
  const auto rest = client->ReadToEnd();
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(*rest, 0u);
  EXPECT_TRUE(Eventually([&] { return IsIdle(); }, seconds(30))) << "both directions ended, but a session is left";
}

TEST_F(TlsStreams, TheClientSendsAMebibyteAfterTheServersEnd) {
  std::mutex mutex;
  absl::Status received = absl::UnknownError("nothing yet");
  Start([&](TcpStream& stream) {
    stream.SetLimit(seconds(60));
    absl::Status status = WritePattern(stream, kMebibyte, 8);
    stream.FinishWriting();
    if (status.ok()) status = stream.Transfer(0, 0, kMebibyte, 9);
    const auto rest = stream.ReadToEnd();
    if (status.ok() && (!rest.ok() || *rest != 0)) status = absl::DataLossError("no end");
    const std::lock_guard lock(mutex);
    received = status;
  });
  auto client = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(client.ok());
  client->SetLimit(seconds(60));
  ASSERT_EQ(client->Transfer(0, 0, kMebibyte, 8), absl::OkStatus()) << pair_->Logs();
  const auto end = client->ReadToEnd();
  ASSERT_TRUE(end.ok()) << end.status();
  BeSilent();
  ASSERT_EQ(WritePattern(*client, kMebibyte, 9), absl::OkStatus());
  client->FinishWriting();
  EXPECT_TRUE(pair_->application().WaitForActive(0, seconds(30)));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(received, absl::OkStatus()) << pair_->Logs();
}

// A stream whose peer's process is killed: the other side's application must not take what it has for everything.
TEST_F(TlsStreams, AKilledNearEndResetsTheServer) {
  std::mutex mutex;
  absl::Status ending = absl::UnknownError("nothing yet");
  Start([&](TcpStream& stream) {
    stream.SetLimit(seconds(120));
    const auto got = stream.ReadToEnd();
    const std::lock_guard lock(mutex);
    ending = got.status();
  });
  auto client = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(client.ok());
  ASSERT_EQ(WritePattern(*client, 100'000, 1), absl::OkStatus());
  ASSERT_TRUE(pair_->application().WaitForAccepted(1, seconds(20)));
  ASSERT_TRUE(pair_->near().process().Stop(SIGKILL, seconds(10)));
  ASSERT_TRUE(pair_->application().WaitForActive(0, seconds(90))) << pair_->Logs();
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(absl::IsAborted(ending)) << ending;
}

TEST_F(TlsStreams, AKilledFarEndResetsTheClient) {
  Start(EchoHandler());
  auto client = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(client.ok());
  client->SetLimit(seconds(90));
  ASSERT_EQ(client->Write("hello"), absl::OkStatus());
  ASSERT_TRUE(client->ReadText(5).ok());
  ASSERT_TRUE(pair_->far().process().Stop(SIGKILL, seconds(10)));
  const auto end = client->ReadToEnd();
  EXPECT_TRUE(absl::IsAborted(end.status())) << end.status();
}

TEST_F(TlsStreams, TheSecondDialResumes) {
  Start();
  const RunResult probe = pair_->near().Ctl({"dial", TunnelPair::kDialer, "--count", "2"});
  EXPECT_EQ(probe.exit_code, 0) << probe.out;
  const size_t second = probe.out.find("\n2");
  ASSERT_NE(second, std::string::npos) << probe.out;
  EXPECT_FALSE(absl::StrContains(probe.out.substr(0, second), "resumed")) << probe.out;
  EXPECT_TRUE(absl::StrContains(probe.out.substr(second), "resumed")) << probe.out;
  // Streams resume as well, each worker with tickets of its own.
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(RunExchange(pair_->client(), {.up_bytes = 1000, .down_bytes = 1000}), absl::OkStatus());
  }
  EXPECT_GT(SumOf(pair_->near().GetJson("dialers"), "handshakesResumed"), 0u) << pair_->near().GetJson("dialers");
}

TEST_F(TlsStreams, NoOutputShowsAKey) {
  auto pair = TunnelPair::Start({.near_tls = files_.Dialer(files_.Shows("near")),
                                 .far_tls = files_.Listener(),
                                 .near = {.flags = {"--log-level", "debug"}},
                                 .far = {.flags = {"--log-level", "debug"}}});
  ASSERT_TRUE(pair.ok()) << pair.status();
  pair_ = *std::move(pair);
  std::string all;
  const auto collect = [&](const RunResult& result) { all += result.out + result.err; };
  for (Daemon* daemon : {&pair_->near(), &pair_->far()}) {
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"get", "all", "-o", "wide"},
                                                                                         {"get", "all", "-o", "json"},
                                                                                         {"get", "all", "-o", "yaml"},
                                                                                         {"get", "sessions", "-o", "json"},
                                                                                         {"export"},
                                                                                         {"status", "-o", "json"},
                                                                                         {"dial", TunnelPair::kDialer}}) {
      collect(daemon->Ctl(command));
    }
  }
  // What goes wrong with a key must not show it either.
  files_.Replace("far.key", files_.near().private_key_pem);
  collect(pair_->far().Apply(pair_->far_manifest()));
  files_.Replace("far.key", files_.far().private_key_pem.substr(0, files_.far().private_key_pem.size() / 2));
  collect(pair_->far().Apply(pair_->far_manifest()));
  ASSERT_TRUE(pair_->near().Stop());
  ASSERT_TRUE(pair_->far().Stop());
  all += pair_->Logs();
  for (const Certificate* certificate : {&files_.far(), &files_.near()}) {
    // The first whole line of base64, and the second.
    const std::string& pem = certificate->private_key_pem;
    const size_t first = pem.find('\n') + 1;
    for (const size_t at : {first, pem.find('\n', first) + 1}) {
      const std::string line = pem.substr(at, 32);
      ASSERT_EQ(line.size(), 32u);
      EXPECT_EQ(all.find(line), std::string::npos) << "a key is shown";
    }
  }
  EXPECT_EQ(all.find("PRIVATE KEY"), std::string::npos);
}

}  // namespace
}  // namespace culvert::testing
