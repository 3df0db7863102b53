// Draining a daemon that carries something.
#include <gtest/gtest.h>

#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/tcp_stream.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

std::string Phase(Daemon& daemon) {
  const std::vector<nlohmann::json> phases = FindAll(daemon.Ctl({"call", "DaemonService/GetDaemon", "-o", "json"}).out, "phase");
  return phases.size() == 1 ? phases[0].get<std::string>() : "";
}

RunResult Drain(Daemon& daemon, const std::string& request) { return daemon.Ctl({"call", "DaemonService/StartDrain", "-d", request, "-o", "json"}); }

// An echo through the tunnel, or why not.
std::string Echo(TcpStream& stream, const std::string& text) {
  if (const absl::Status status = stream.Write(text); !status.ok()) return std::string(status.message());
  const auto answer = stream.ReadText(text.size());
  return answer.ok() ? *answer : std::string(answer.status().message());
}

// Whether a new stream reaches the application.
bool Reaches(const TunnelPair& pair) {
  auto stream = TcpStream::Connect(pair.entrance(), seconds(5));
  if (!stream.ok()) return false;
  stream->SetLimit(seconds(5));
  return Echo(*stream, "x") == "x";
}

class DrainTest : public ::testing::TestWithParam<bool> {
 protected:
  static TunnelOptions Options() {
    TunnelOptions options;
    options.application = EchoHandler();
    if (GetParam()) options.quic.emplace();
    return options;
  }
};

TEST_P(DrainTest, TheFarSideRefusesNewStreamsAndKeepsTheOldOne) {
  auto pair = TunnelPair::Start(Options());
  ASSERT_TRUE(pair.ok()) << pair.status();
  auto stream = TcpStream::Connect((*pair)->entrance());
  ASSERT_TRUE(stream.ok());
  ASSERT_EQ(Echo(*stream, "before"), "before") << (*pair)->Logs();

  const RunResult started = Drain((*pair)->far(), R"({"timeout": "60s", "inbound_only": true})");
  ASSERT_EQ(started.exit_code, 0) << started.err;
  EXPECT_FALSE(Reaches(**pair));
  EXPECT_EQ(Echo(*stream, "meanwhile"), "meanwhile") << (*pair)->Logs();
  EXPECT_EQ(Phase((*pair)->far()), "PHASE_DRAINING");

  stream->FinishWriting();
  EXPECT_TRUE(stream->ReadToEnd().ok());
  EXPECT_TRUE(Eventually([&] { return Phase((*pair)->far()) == "PHASE_DRAINED"; }, seconds(30))) << (*pair)->Logs();

  EXPECT_EQ((*pair)->far().Ctl({"call", "DaemonService/CancelDrain", "-o", "json"}).exit_code, 0);
  EXPECT_TRUE(Eventually([&] { return Reaches(**pair); }, seconds(20))) << (*pair)->Logs();
}

TEST_P(DrainTest, TheNearSideGoesOnWhenOnlyWhatComesInIsMeant) {
  auto pair = TunnelPair::Start(Options());
  ASSERT_TRUE(pair.ok()) << pair.status();
  ASSERT_EQ(Drain((*pair)->near(), R"({"timeout": "60s", "inbound_only": true})").exit_code, 0);
  EXPECT_TRUE(Reaches(**pair)) << (*pair)->Logs();
  EXPECT_TRUE(Eventually([&] { return Phase((*pair)->near()) == "PHASE_DRAINED"; }));
  ASSERT_EQ(Drain((*pair)->near(), R"({"timeout": "60s"})").exit_code, 0);
  EXPECT_FALSE(Reaches(**pair));
}

TEST_P(DrainTest, ADaemonThatIsToEndEndsWithTheLastStream) {
  auto pair = TunnelPair::Start(Options());
  ASSERT_TRUE(pair.ok()) << pair.status();
  auto stream = TcpStream::Connect((*pair)->entrance());
  ASSERT_TRUE(stream.ok());
  ASSERT_EQ(Echo(*stream, "before"), "before");
  ASSERT_EQ(Drain((*pair)->far(), R"({"timeout": "60s", "exit_when_drained": true})").exit_code, 0);
  EXPECT_EQ(Echo(*stream, "still there"), "still there");
  stream->FinishWriting();
  EXPECT_TRUE(stream->ReadToEnd().ok());
  const auto ended = (*pair)->far().process().Wait(seconds(20));
  ASSERT_TRUE(ended) << (*pair)->Logs();
  EXPECT_EQ(ended->code, 0);
}

TEST_P(DrainTest, TheVerbWaitsAndTellsWhatWasCut) {
  auto pair = TunnelPair::Start(Options());
  ASSERT_TRUE(pair.ok()) << pair.status();
  const RunResult idle = (*pair)->far().Ctl({"drain", "--wait"});
  EXPECT_EQ(idle.exit_code, 0) << idle.err;
  EXPECT_EQ(idle.out, "drained\n");
  EXPECT_EQ((*pair)->far().Ctl({"drain", "--cancel"}).exit_code, 0);
  auto stream = TcpStream::Connect((*pair)->entrance());
  ASSERT_TRUE(stream.ok());
  ASSERT_EQ(Echo(*stream, "before"), "before");
  const RunResult cut = (*pair)->far().Ctl({"drain", "--wait", "--exit", "--timeout", "2s"});
  EXPECT_EQ(cut.exit_code, 7) << cut.out << cut.err;
  EXPECT_NE(cut.err.find("1 streams"), std::string::npos) << cut.err;
  stream->Reset();
  const auto ended = (*pair)->far().process().Wait(seconds(30));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 0);
}

INSTANTIATE_TEST_SUITE_P(Transports, DrainTest, ::testing::Bool(), [](const auto& is_quic) { return is_quic.param ? "Quic" : "Kcp"; });

}  // namespace
}  // namespace culvert::testing
