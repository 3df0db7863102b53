// Bytes through a QUIC tunnel between two daemons, and how streams end: each direction by itself, and what is cut never looks complete.
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

class QuicStreams : public ::testing::Test {
 protected:
  void Start(TcpServer::Handler application = ChoiceHandler(), QuicText quic = {}, std::string dialer_spec = "") {
    auto pair = TunnelPair::Start({.application = std::move(application),
                                   .quic = std::move(quic),
                                   .dialer_spec = std::move(dialer_spec),
                                   .near_tls = files_.Dialer("server_name: far.example"),
                                   .far_tls = files_.Listener()});
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
  }
  uint64_t OpenStreams() { return SumOf(pair_->near().GetJson("sessions"), "openStreams"); }

  TlsFiles files_;
  std::unique_ptr<TunnelPair> pair_;
};

absl::Status WritePattern(TcpStream& stream, uint64_t bytes, uint64_t seed) { return stream.Transfer(bytes, seed, 0, 0); }

TEST_F(QuicStreams, EightMebibytesEachWay) {
  Start();
  for (const Closer closer : {Closer::kClient, Closer::kServer}) {
    EXPECT_EQ(RunExchange(pair_->client(), {.up_bytes = 8 * kMebibyte, .down_bytes = 8 * kMebibyte, .closer = closer}),
              absl::OkStatus())
        << pair_->Logs();
  }
  EXPECT_TRUE(pair_->application().WaitForActive(0, seconds(10)));
  EXPECT_TRUE(Eventually([&] { return OpenStreams() == 0; })) << pair_->near().GetJson("sessions");
}

TEST_F(QuicStreams, EveryOuterLayer) {
  for (const char* security : {"NONE", "AES_128_GCM", "CHACHA20_POLY1305"}) {
    for (const char* header : {"NONE", "SRTP", "DTLS"}) {
      QuicText quic{.security = security, .header = header};
      if (quic.security != "NONE") quic.key_file = "seed";
      Start(ChoiceHandler(), quic);
      EXPECT_EQ(RunExchange(pair_->client(), {.up_bytes = 300'000, .down_bytes = 300'000}), absl::OkStatus())
          << security << " " << header << "\n" << pair_->Logs();
    }
  }
}

TEST_F(QuicStreams, Ipv6) {
  auto pair = TunnelPair::Start(
      {.host = "[::1]", .quic = QuicText{}, .near_tls = files_.Dialer("server_name: far.example"), .far_tls = files_.Listener()});
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(RunExchange((*pair)->client(), {.up_bytes = kMebibyte, .down_bytes = kMebibyte}), absl::OkStatus()) << (*pair)->Logs();
}

TEST_F(QuicStreams, ManySizes) {
  Start();
  EXPECT_EQ(RunEchoes(pair_->client(), {1, 2, 100, 1163, 4096, 16'383, 16'384, 16'385, 65'535, 1'000'000}, 1), absl::OkStatus());
}

TEST_F(QuicStreams, TwoHundredConnectionsShareSessions) {
  Start();
  const absl::Status status = RunTogether(200, [&](int number) {
    return RunExchange(pair_->client(), {.up_bytes = 100'000, .down_bytes = 100'000, .seed = static_cast<uint64_t>(number)});
  });
  EXPECT_EQ(status, absl::OkStatus()) << pair_->Logs();
  EXPECT_TRUE(pair_->application().WaitForActive(0, seconds(10)));
  // One for each worker at least, and never one for each connection.
  EXPECT_LT(FindAll(pair_->near().GetJson("sessions"), "openStreams").size(), 20u) << pair_->near().GetJson("sessions");
}

TEST_F(QuicStreams, MoreStreamsThanASessionTakesOpenAnother) {
  std::mutex mutex;
  Start(EchoHandler(), {.more = "max_streams_per_session: 8"});
  std::vector<TcpStream> streams;
  for (int i = 0; i < 40; ++i) {
    auto stream = TcpStream::Connect(pair_->entrance());
    ASSERT_TRUE(stream.ok());
    ASSERT_EQ(stream->Write("x"), absl::OkStatus());
    streams.push_back(*std::move(stream));
  }
  for (TcpStream& stream : streams) {
    stream.SetLimit(seconds(30));
    const auto back = stream.ReadText(1);
    ASSERT_TRUE(back.ok()) << back.status() << pair_->Logs();
  }
  EXPECT_GE(SumOf(pair_->near().GetJson("dialers"), "active"), 5u) << pair_->near().GetJson("dialers");
}

TEST_F(QuicStreams, TheServerMaySpeakFirst) {
  Start(GreetingHandler("220 ready\r\n"));
  const TimePoint start = MonotonicNow();
  EXPECT_EQ(RunGreeted({.to = pair_->entrance()}, "220 ready\r\n"), absl::OkStatus()) << pair_->Logs();
  EXPECT_LT(ToSeconds(MonotonicNow() - start), 2);
}

TEST_F(QuicStreams, EachDirectionEndsByItself) {
  std::mutex mutex;
  absl::Status received = absl::UnknownError("nothing yet");
  Start([&](TcpStream& stream) {
    stream.SetLimit(seconds(60));
    absl::Status status = stream.Transfer(0, 0, kMebibyte, 6);
    const auto end = stream.ReadToEnd();
    if (status.ok() && (!end.ok() || *end != 0)) status = absl::DataLossError("no end");
    // Longer than half_close_linger: a stream that cannot half-close would be gone.
    (void)poll(nullptr, 0, 3000);
    if (status.ok()) status = WritePattern(stream, kMebibyte, 7);
    const std::lock_guard lock(mutex);
    received = status;
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
  EXPECT_TRUE(pair_->application().WaitForActive(0, seconds(10)));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(received, absl::OkStatus()) << pair_->Logs();
}

TEST_F(QuicStreams, AResetCrossesTheTunnelBothWays) {
  std::mutex mutex;
  absl::Status ending = absl::UnknownError("nothing yet");
  Start([&](TcpStream& stream) {
    stream.SetLimit(seconds(60));
    const auto choice = stream.ReadText(1);
    if (choice.ok() && *choice == "r") return stream.Reset();
    // A reset may overtake what was written before it.
    const absl::Status status = choice.ok() ? stream.ReadToEnd().status() : choice.status();
    const std::lock_guard lock(mutex);
    ending = status;
  });
  auto reset_by_server = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(reset_by_server.ok());
  reset_by_server->SetLimit(seconds(20));
  ASSERT_EQ(reset_by_server->Write("r"), absl::OkStatus());
  EXPECT_TRUE(absl::IsAborted(reset_by_server->ReadToEnd().status()));

  auto reset_by_client = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(reset_by_client.ok());
  ASSERT_EQ(reset_by_client->Write("hello"), absl::OkStatus());
  ASSERT_TRUE(pair_->application().WaitForAccepted(2, seconds(10)));
  reset_by_client->Reset();
  ASSERT_TRUE(pair_->application().WaitForActive(0, seconds(20))) << pair_->Logs();
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(absl::IsAborted(ending)) << ending;
}

TEST_F(QuicStreams, AKilledNearEndResetsTheServer) {
  std::mutex mutex;
  absl::Status ending = absl::UnknownError("nothing yet");
  Start([&](TcpStream& stream) {
    stream.SetLimit(seconds(120));
    const auto got = stream.ReadToEnd();
    const std::lock_guard lock(mutex);
    ending = got.status();
  }, {.more = "idle_timeout: 5s, keepalive_interval: 1s"});
  auto client = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(client.ok());
  ASSERT_EQ(WritePattern(*client, 100'000, 1), absl::OkStatus());
  ASSERT_TRUE(pair_->application().WaitForAccepted(1, seconds(20)));
  ASSERT_TRUE(pair_->near().process().Stop(SIGKILL, seconds(10)));
  ASSERT_TRUE(pair_->application().WaitForActive(0, seconds(60))) << pair_->Logs();
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(absl::IsAborted(ending)) << ending;
}

TEST_F(QuicStreams, TheSessionShowsWhatTheTransportKnows) {
  Start(EchoHandler());
  auto client = TcpStream::Connect(pair_->entrance());
  ASSERT_TRUE(client.ok());
  ASSERT_EQ(client->Write("hello"), absl::OkStatus());
  ASSERT_TRUE(client->ReadText(5).ok());
  const std::string sessions = pair_->near().GetJson("sessions");
  for (const char* field : {"smoothedRtt", "congestionWindowBytes", "pathMtuBytes", "openStreams", "handshakeTime", "cipher"}) {
    EXPECT_FALSE(FindAll(sessions, field).empty()) << field << "\n" << sessions;
  }
  EXPECT_EQ(OpenStreams(), 1u) << sessions;
  EXPECT_TRUE(absl::StrContains(sessions, "TRANSPORT_QUIC")) << sessions;
}

TEST_F(QuicStreams, TheSecondSessionResumes) {
  Start();
  const RunResult probe = pair_->near().Ctl({"dial", TunnelPair::kDialer, "--count", "2"});
  EXPECT_EQ(probe.exit_code, 0) << probe.out;
  EXPECT_TRUE(absl::StrContains(probe.out, "TLS_AES_128_GCM_SHA256") || absl::StrContains(probe.out, "TLSv1.3")) << probe.out;
}

}  // namespace
}  // namespace culvert::testing
