// What happens to live sessions when something about them ends: the listener, the daemon, the peer.
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

// A connection that has carried a byte each way, so that both ends know of it.
absl::StatusOr<TcpStream> OpenAndProve(const TunnelPair& pair) {
  absl::StatusOr<TcpStream> stream = TcpStream::Connect(pair.entrance());
  if (!stream.ok()) return stream.status();
  if (absl::Status status = stream->Write(kEchoMode); !status.ok()) return status;
  if (absl::Status status = stream->Transfer(100, 1, 100, 1); !status.ok()) return status;
  return stream;
}

// The end of a stream, in order or not, within the limit.
bool Ends(TcpStream& stream, Duration limit) {
  stream.SetLimit(limit);
  const auto rest = stream.ReadToEnd();
  return rest.ok() || absl::IsAborted(rest.status());
}

TEST(Sessions, AreListedWhileTheyLiveAndGoneAfter) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_TRUE(FindAll((*pair)->far().GetJson("sessions"), "conversationId").empty());
  {
    auto stream = OpenAndProve(**pair);
    ASSERT_TRUE(stream.ok()) << stream.status();
    const std::string sessions = (*pair)->far().GetJson("sessions");
    ASSERT_EQ(FindAll(sessions, "conversationId").size(), 1u) << sessions;
    EXPECT_EQ(FindAll(sessions, "listener").at(0), TunnelPair::kWire);
    EXPECT_NE(sessions.find("smoothedRtt"), std::string::npos) << sessions;
  }
  EXPECT_TRUE(
      Eventually([&] { return FindAll((*pair)->far().GetJson("sessions"), "conversationId").empty(); }, seconds(20)))
      << (*pair)->far().GetJson("sessions");
}

TEST(Sessions, EndWithTheirListener) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  auto stream = OpenAndProve(**pair);
  ASSERT_TRUE(stream.ok()) << stream.status();
  const RunResult used = (*pair)->far().Ctl({"delete", std::string("listener/") + TunnelPair::kWire});
  EXPECT_EQ(used.exit_code, 6) << used.out << used.err;
  EXPECT_NE(used.err.find("RESOURCE_IN_USE"), std::string::npos) << used.err;
  ASSERT_TRUE(stream->Transfer(100, 2, 100, 2).ok()) << "a refused delete must not disturb";

  const RunResult deleted = (*pair)->far().Ctl({"delete", std::string("listener/") + TunnelPair::kWire, "--force"});
  EXPECT_EQ(deleted.exit_code, 0) << deleted.err;
  EXPECT_TRUE(Ends(*stream, seconds(10))) << "the client of a deleted listener's session was not told";
  EXPECT_TRUE((*pair)->application().WaitForActive(0, seconds(10)));
  EXPECT_TRUE(Eventually([&] { return FindAll((*pair)->far().GetJson("sessions"), "conversationId").empty(); }));
  // The port is free again at once.
  const RunResult again = (*pair)->far().Apply((*pair)->far_manifest());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(RunEcho((*pair)->client(), 1000, 3), absl::OkStatus());
}

TEST(Sessions, EndByCommand) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  auto stream = OpenAndProve(**pair);
  ASSERT_TRUE(stream.ok()) << stream.status();
  const RunResult names = (*pair)->near().Ctl({"get", "sessions", "-o", "name"});
  ASSERT_EQ(names.exit_code, 0) << names.err;
  const std::string name = names.out.substr(0, names.out.find('\n'));
  ASSERT_NE(name.find("session/"), std::string::npos) << names.out;
  const RunResult closed = (*pair)->near().Ctl({"close", name});
  EXPECT_EQ(closed.exit_code, 0) << closed.err;
  EXPECT_TRUE(Ends(*stream, seconds(10)));
  const RunResult gone = (*pair)->near().Ctl({"close", "session/nosuch"});
  EXPECT_EQ(gone.exit_code, 3) << gone.out << gone.err;
}

TEST(Sessions, APeerIsToldWhenTheDaemonStops) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  auto stream = OpenAndProve(**pair);
  ASSERT_TRUE(stream.ok()) << stream.status();
  const auto status = (*pair)->far().Stop();
  ASSERT_TRUE(status) << "did not stop";
  EXPECT_EQ(status->code, 0);
  EXPECT_TRUE(Ends(*stream, seconds(10))) << "v2ray would take 30 s here; a culvertd says goodbye";
}

TEST(Sessions, SurviveNothingOfAKilledPeerButTheOtherEndLivesOn) {
  // Two tunnels: in one the far side is killed, in the other the near side. mKCP notices after 30 s of silence.
  auto far_dies = TunnelPair::Start();
  auto near_dies = TunnelPair::Start();
  ASSERT_TRUE(far_dies.ok() && near_dies.ok());
  auto stream = OpenAndProve(**far_dies);
  auto other = OpenAndProve(**near_dies);
  ASSERT_TRUE(stream.ok() && other.ok());
  ASSERT_TRUE((*far_dies)->far().process().Stop(SIGKILL, seconds(5)));
  ASSERT_TRUE((*near_dies)->near().process().Stop(SIGKILL, seconds(5)));
  EXPECT_TRUE(Ends(*stream, seconds(60)));
  EXPECT_TRUE((*near_dies)->application().WaitForActive(0, seconds(30)));
  EXPECT_TRUE((*near_dies)->far().process().IsRunning());
  EXPECT_TRUE(Eventually([&] { return FindAll((*near_dies)->far().GetJson("sessions"), "conversationId").empty(); },
                         seconds(30)));
  // A far side that is back is used again without touching the near one.
  ASSERT_EQ((*far_dies)->RestartFar(), absl::OkStatus());
  EXPECT_EQ(RunExchange((*far_dies)->client(), {.up_bytes = 100'000, .down_bytes = 100'000}), absl::OkStatus());
}

TEST(Sessions, PausedListenersAndForwardsTakeNothingNew) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  auto stream = OpenAndProve(**pair);
  ASSERT_TRUE(stream.ok()) << stream.status();
  std::string paused = (*pair)->near_manifest();
  paused.insert(paused.find("  transport: TCP\n"), "  paused: true\n");
  ASSERT_EQ((*pair)->near().Apply(paused).exit_code, 0);
  EXPECT_EQ(stream->Transfer(1000, 4, 1000, 4), absl::OkStatus()) << "what exists goes on";
  ClientOptions client = (*pair)->client();
  client.limit = seconds(3);
  EXPECT_FALSE(RunEcho(client, 100, 5).ok());
  ASSERT_EQ((*pair)->near().Apply((*pair)->near_manifest()).exit_code, 0);
  EXPECT_EQ(RunEcho((*pair)->client(), 100, 6), absl::OkStatus());
}

}  // namespace
}  // namespace culvert::testing
