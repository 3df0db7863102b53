// What an operator looks at when something is wrong: tap, logs, why and check, against a real tunnel.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "absl/strings/str_format.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

std::string Out(const Daemon& daemon, const std::vector<std::string>& arguments) {
  const RunResult result = daemon.Ctl(arguments);
  EXPECT_EQ(result.exit_code, 0) << arguments.front() << ": " << result.err;
  return result.out;
}

TEST(Looking, TapTellsWhatEndedAtBothEnds) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  ASSERT_EQ(RunExchange((*pair)->client(), {.up_bytes = 200'000, .down_bytes = 100'000}), absl::OkStatus());
  for (Daemon* daemon : {&(*pair)->near(), &(*pair)->far()}) {
    std::string tap;
    EXPECT_TRUE(Eventually([&] {
      tap = Out(*daemon, {"tap", "-o", "jsonl", "--filter", "kind=STREAM AND verdict=CLOSED"});
      return tap.find("FINISHED") != std::string::npos;
    })) << tap;
    const std::string line = tap.substr(0, tap.find('\n'));
    EXPECT_GE(SumOf(line, "rxBytes"), 200'000u) << line;
    EXPECT_GE(SumOf(line, "txBytes"), 100'000u) << line;
    EXPECT_EQ(FindAll(line, "forward").at(0), TunnelPair::kForward) << line;
  }
  const std::string table = Out((*pair)->near(), {"tap"});
  EXPECT_NE(table.find("TIME"), std::string::npos);
  EXPECT_NE(table.find("CLOSED"), std::string::npos) << table;
  EXPECT_EQ(Out((*pair)->near(), {"tap", "--filter", "verdict=REFUSED"}), "");
  const RunResult wrong = (*pair)->near().Ctl({"tap", "--filter", "verdct=REFUSED"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.err.find("verdct"), std::string::npos) << wrong.err;
}

TEST(Looking, LogsHasTheLinesOfStandardErrorAndWhoReadsThem) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  const std::string logs = Out((*pair)->near(), {"logs"});
  EXPECT_NE(logs.find("daemon: serving "), std::string::npos) << logs;
  EXPECT_EQ(Out((*pair)->near(), {"logs", "--level", "error"}), "");
  EXPECT_NE(Out((*pair)->near(), {"logs", "--component", "audit"}).find("TailLogs"), std::string::npos) << "reading the log is written down";
  EXPECT_EQ(Out((*pair)->near(), {"logs", "--last", "0"}), "");
}

// A reader that does not read: the far end's window fills, and the near end says so and what to do.
TEST(Looking, WhySaysThatTheReaderIsSlow) {
  std::promise<void> over;
  TunnelOptions options;
  options.quic = QuicText{};
  options.application = [until = over.get_future().share()](TcpStream&) { until.wait(); };
  auto pair = TunnelPair::Start(std::move(options));
  ASSERT_TRUE(pair.ok()) << pair.status();
  auto client = TcpStream::Connect((*pair)->entrance());
  ASSERT_TRUE(client.ok()) << client.status();
  client->SetLimit(seconds(60));
  std::thread writer([&] { static_cast<void>(client->Write(std::string(256 << 20, 'x'))); });
  std::string why;
  EXPECT_TRUE(Eventually([&] {
    why = (*pair)->near().Ctl({"why", "dl/site-b", "--over", "500ms", "-o", "json"}).out;
    return why.find("\"limitedBy\": \"peer window\"") != std::string::npos;
  })) << why;
  const std::string text = Out((*pair)->near(), {"why", std::string("fwd/") + TunnelPair::kForward, "--over", "500ms"});
  EXPECT_NE(text.find("The peer allowed no more"), std::string::npos) << text;
  EXPECT_NE(text.find("\nnext: at the far side"), std::string::npos) << text;
  over.set_value();
  writer.join();
}

// Another seed is silence on an open port: the dialer's side says what that may mean, the listener's side what came.
TEST(Looking, CheckKnowsSilenceForWhatItIs) {
  auto pair = TunnelPair::Start();
  ASSERT_TRUE(pair.ok()) << pair.status();
  Daemon& near = (*pair)->near();
  const std::string fine = near.Ctl({"check"}).out;
  EXPECT_NE(fine.find("OK    far side      dialer/site-b"), std::string::npos) << fine;
  EXPECT_NE(fine.find("OK    versions"), std::string::npos) << fine;
  ASSERT_EQ(near.Apply(absl::StrFormat("apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: other-seed}\n"
                                       "spec: {transport: KCP, targets: [\"%s\"], kcp: {seed: another}}\n",
                                       (*pair)->wire().ToString()))
                .exit_code,
            0);
  const RunResult checked = near.Ctl({"check", "--timeout", "1s"});
  EXPECT_EQ(checked.exit_code, 1) << checked.out;
  EXPECT_NE(checked.out.find("FAIL  far side      dialer/other-seed"), std::string::npos) << checked.out;
  EXPECT_NE(checked.out.find("seed, header size or profile differ"), std::string::npos) << checked.out;
  const std::string far = (*pair)->far().Ctl({"check", "--no-probe"}).out;
  EXPECT_NE(far.find("WARN  silence       listener/kcp-in left"), std::string::npos) << far;
}

}  // namespace
}  // namespace culvert::testing
