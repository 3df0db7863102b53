// Metrics and probes: what is told, what is bounded, and what an answer depends on.
#include "server/observe/observer.h"

#include <gmock/gmock.h>

#include <fstream>
#include <future>
#include <regex>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/observe/http_server.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using ::testing::HasSubstr;


std::set<std::string> NamesIn(const std::string& text, const std::string& pattern) {
  std::set<std::string> names;
  const std::regex regex(pattern);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), regex); at != std::sregex_iterator(); ++at) names.insert((*at)[1]);
  return names;
}

TEST(MetricBookTest, SumsWhatIsToldTwiceAndSortsFamilies) {
  MetricBook book;
  book.Counter("b_total", "B.", {{"x", "1"}}, 2);
  book.Counter("b_total", "B.", {{"x", "1"}}, 3);
  book.Gauge("a", "A.", {}, 1.5);
  EXPECT_EQ(book.Text(), "# HELP a A.\n# TYPE a gauge\na 1.5\n# HELP b_total B.\n# TYPE b_total counter\nb_total{x=\"1\"} 5\n");
}

TEST(MetricBookTest, EscapesWhatALabelMayHold) {
  MetricBook book;
  book.Gauge("a", "A.", {{"x", "a\"b\\c\nd"}}, 1);
  EXPECT_THAT(book.Text(), HasSubstr(R"(a{x="a\"b\\c\nd"} 1)"));
}

TEST(MetricBookTest, ManyOwnersShareASeries) {
  MetricBook book;
  for (size_t i = 0; i < MetricBook::kMaxOwners + 500; ++i) {
    book.Counter("a_total", "A.", {{"owner", book.OwnerLabel("listener", "l" + std::to_string(i))}}, 1);
  }
  EXPECT_EQ(book.OwnerLabel("listener", "l3"), "l3");
  EXPECT_EQ(book.OwnerLabel("dialer", "d"), "d");
  const std::string text = book.Text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), static_cast<ptrdiff_t>(2 + MetricBook::kMaxOwners + 1));
  EXPECT_THAT(text, HasSubstr("a_total{owner=\"_other\"} 500\n"));
}

TEST(RttHistogramTest, SamplesEverySessionOnceInAWhile) {
  MergedReport report;
  report.taken_at = TimePoint() + std::chrono::hours(1);
  for (const int milliseconds : {2, 40, 9000}) {
    SessionSnapshot& session = report.sessions.emplace_back();
    session.transport = Transport::kQuic;
    session.stats.smoothed_rtt = std::chrono::milliseconds(milliseconds);
  }
  RttHistogram histogram;
  histogram.Sample(report);
  report.taken_at += std::chrono::seconds(1);
  histogram.Sample(report);  // too soon
  MetricBook book;
  histogram.AddTo(book);
  const std::string text = book.Text();
  EXPECT_THAT(text, HasSubstr(R"(culvertd_session_rtt_seconds_bucket{transport="quic",le="0.0025"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(culvertd_session_rtt_seconds_bucket{transport="quic",le="5"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(culvertd_session_rtt_seconds_bucket{transport="quic",le="+Inf"} 3)"));
  EXPECT_THAT(text, HasSubstr(R"(culvertd_session_rtt_seconds_count{transport="quic"} 3)"));
}

class ObserverTest : public ControlFixture {
 protected:
  ObserverTest() : ControlFixture("", [](SupervisorOptions& options) { options.config_status.add_config_dirs("/etc/culvertd"); }) {
    v1::ApplyRequest request;
    *request.add_objects() = TcpListener("local", "127.0.0.1:1");
    *request.add_objects() = KcpListener("wire", "127.0.0.1:2");
    *request.add_objects() = KcpDialer("far", "b:1");
    *request.add_objects() = ForwardTo("out", "local", "far");
    v1::ApplyResponse response;
    EXPECT_TRUE(Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response).ok());
  }
};

TEST_F(ObserverTest, IsReadyOnceItHasStarted) {
  Observer observer(*supervisor_, {});
  EXPECT_EQ(observer.Started().status, 503);
  EXPECT_EQ(observer.Ready().status, 503);
  EXPECT_EQ(observer.Alive().status, 200);
  observer.SetStarted();
  EXPECT_EQ(observer.Started().status, 200);
  EXPECT_EQ(observer.Ready().status, 200);
}

TEST_F(ObserverTest, AFloodOfProbesLooksOnce) {
  Observer observer(*supervisor_, {});
  observer.SetStarted();
  EXPECT_THAT(observer.Metrics().body, HasSubstr("culvertd_listeners{state=\"active\",transport=\"tcp\"} 1"));
  v1::CreateListenerRequest request;
  *request.mutable_listener() = TcpListener("another", "127.0.0.1:3").listener();
  v1::CreateListenerResponse response;
  const auto began = io::Now();
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &response).ok());
  const std::string second = observer.Metrics().body;
  if (io::Now() - began >= Observer::kMostAge / 2) GTEST_SKIP() << "too slow a machine to tell";
  EXPECT_THAT(second, HasSubstr("culvertd_listeners{state=\"active\",transport=\"tcp\"} 1"));
}

TEST_F(ObserverTest, ADialerThatIsRequiredMustHaveASession) {
  Observer observer(*supervisor_, {.ready_requires = {"far", "missing"}});
  observer.SetStarted();
  const HttpAnswer answer = observer.Ready();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "dialer/far has no session\n");
}

TEST_F(ObserverTest, WhoStopsIsAlive) {
  Observer observer(*supervisor_, {.unready_on_drain = true});
  observer.SetStarted();
  observer.SetStopping();
  supervisor_->BeginStop();
  EXPECT_EQ(observer.Alive().status, 200);
  EXPECT_EQ(observer.Ready().status, 503);
}

// Every metric that can be made is described, and none is described that cannot be made.
TEST_F(ObserverTest, EveryMetricIsDescribed) {
  Observation seen = *Await<absl::StatusOr<Observation>>([this](const auto& done) { supervisor_->Observe(done); });
  MergedReport report = *seen.report;
  const auto fill = [](ObjectCounters& counters) {
    counters.rx_datagrams = counters.lost_segments = counters.tls_handshakes = counters.reverse_parked = 1;
    counters.dropped.fill(1);
    counters.refused.fill(1);
    counters.udp_dropped.fill(1);
  };
  for (const ObjectView& view : seen.objects) {
    const ObjectKey key = KeyOf(view.entry->object);
    fill(key.kind == Kind::kListener ? report.listeners[key.name] : key.kind == Kind::kDialer ? report.dialers[key.name] : report.forwards[key.name]);
  }
  report.targets["far"].emplace_back();
  report.sessions.emplace_back().stats.smoothed_rtt = std::chrono::milliseconds(1);
  seen.report = std::make_shared<const MergedReport>(report);
  for (ObjectView& view : seen.objects) {
    if (view.bound) view.bound->granted.emplace();
  }
  MetricBook book;
  AddMetrics(seen, book);
  AddProcessMetrics(book);
  RttHistogram rtt;
  rtt.Sample(report);
  rtt.AddTo(book);
  std::ifstream file(METRIC_NAMES);
  std::stringstream text;
  text << file.rdbuf();
  std::set<std::string> described = NamesIn(text.str(), R"(\| `([a-z_]+)` \|)");
  EXPECT_EQ(described.erase("culvertd_certificate_expiry_timestamp_seconds"), 1u);  // takes a certificate; seen in tests/e2e
  EXPECT_EQ(NamesIn(book.Text(), R"(# TYPE ([a-z_]+) )"), described);
}

TEST(HttpServerTest, RefusesAddressesThatAreNone) {
  for (const char* address : {"", "9464", "localhost", "::1:9464", "[::1]", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:94x", "[::1:9464"}) {
    EXPECT_EQ(HttpServer::Start(address, {}).status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
  EXPECT_EQ(HttpServer::Start("203.0.113.1:0", {}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(HttpServerTest, TakesAnyPortOfAllAddresses) {
  const auto server = HttpServer::Start(":0", {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
}

}  // namespace
}  // namespace culvert::server
