// culvertctl get of what is observed below a session, and what listeners and forwards show of it.
#include <algorithm>

#include "cli/output/tables.h"
#include "cli/text/escape.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

constexpr char kHostile[] = "\x1b]0;owned\x07\n\xe2\x80\xae";

class GetObservedTest : public testing::Test {
 protected:
  GetObservedTest() {
    for (const char* name : {"sessions/k3f9q2/streams/4", "sessions/k3f9q2/streams/8", "sessions/p0x7aa/streams/0"}) {
      v1::Stream& stream = daemon_.streams.emplace_back();
      stream.set_name(name);
      stream.set_session("sessions/k3f9q2");
      stream.set_forward("pg");
      stream.set_source("10.0.1.5:40112");
      stream.set_destination("db.internal:5432");
      stream.set_far_session("sessions/t1");
      stream.set_state(v1::STATE_ACTIVE);
      stream.mutable_open_time()->set_seconds(NowSeconds() - 5 * 60 - 7);
      stream.mutable_connect_latency()->set_nanos(41'000'000);
      stream.mutable_idle_time()->set_seconds(3);
      stream.mutable_counters()->set_rx_bytes(12 * 1024);
      stream.mutable_counters()->set_tx_bytes(3250586);
      stream.set_worker(1);
    }
    daemon_.streams[2].clear_destination();
    daemon_.streams[2].clear_far_session();
    daemon_.streams[2].clear_connect_latency();
    daemon_.streams[2].set_state(v1::STATE_PENDING);
    for (const char* name : {"udpFlows/12", "udpFlows/13", "udpFlows/14"}) {
      v1::UdpFlow& flow = daemon_.flows.emplace_back();
      flow.set_name(name);
      flow.set_forward("dns");
      flow.set_listener("dns-in");
      flow.set_source("10.0.1.9:5353");
      flow.set_destination("10.9.0.2:53");
      flow.set_outside_address("192.0.2.1:40000");
      flow.set_session("sessions/k3f9q2");
      flow.mutable_open_time()->set_seconds(NowSeconds() - 3605);
      flow.mutable_idle_time()->set_seconds(2);
      flow.mutable_idle_timeout()->set_seconds(15);
      flow.set_queued_packets(7);
      flow.mutable_counters()->set_rx_bytes(512);
      flow.mutable_counters()->set_tx_bytes(2048);
      flow.mutable_counters()->set_rx_dropped(9);
      flow.set_worker(1);
    }
    v1::ListEventsResponse& message = daemon_.events.emplace_back();
    v1::Event& event = *message.add_events();
    event.set_revision(31);
    event.mutable_first_time()->set_seconds(NowSeconds() - 54 * 60 - 5);
    event.mutable_last_time()->set_seconds(NowSeconds() - 3 * 3600 - 5);
    event.set_count(31);
    event.set_type(v1::Event::TYPE_WARNING);
    event.set_reason("DialFailed");
    event.set_subject("dialer/edge");
    event.set_message("edge-b.example:443 certificate expired");
  }

  static size_t Widest(const std::string& text) {
    size_t widest = 0, begin = 0;
    for (size_t end = text.find('\n'); end != std::string::npos; begin = end + 1, end = text.find('\n', begin))
      widest = std::max(widest, DisplayWidth(text.substr(begin, end - begin)));
    return widest;
  }

  FakeDaemon daemon_;
};

TEST_F(GetObservedTest, ListsStreamsOverAllPages) {
  const Answer answer = daemon_.Run({"get", "streams"});
  EXPECT_EQ(answer.out,
            "NAME      FORWARD  SOURCE          DESTINATION       STATE    RX     TX      AGE\n"
            "k3f9q2/4  pg       10.0.1.5:40112  db.internal:5432  ACTIVE   12KiB  3.1MiB  5m\n"
            "k3f9q2/8  pg       10.0.1.5:40112  db.internal:5432  ACTIVE   12KiB  3.1MiB  5m\n"
            "p0x7aa/0  pg       10.0.1.5:40112  <far-side>        PENDING  12KiB  3.1MiB  5m\n");
  EXPECT_LE(Widest(answer.out), 80u);
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(
      daemon_.Run({"get", "str", "-o", "wide"}).out,
      "NAME      FORWARD  SOURCE          DESTINATION       STATE    RX     TX      SESSION  FAR-SESSION  CONNECT  "
      "IDLE  WORKER  AGE\n"
      "k3f9q2/4  pg       10.0.1.5:40112  db.internal:5432  ACTIVE   12KiB  3.1MiB  k3f9q2   t1           41.0ms   "
      "3s    1       5m\n"
      "k3f9q2/8  pg       10.0.1.5:40112  db.internal:5432  ACTIVE   12KiB  3.1MiB  k3f9q2   t1           41.0ms   "
      "3s    1       5m\n"
      "p0x7aa/0  pg       10.0.1.5:40112  <far-side>        PENDING  12KiB  3.1MiB  k3f9q2   <none>       -        "
      "3s    1       5m\n");
}

TEST_F(GetObservedTest, ListsFlowsOverAllPages) {
  const Answer answer = daemon_.Run({"get", "udp"});
  EXPECT_EQ(answer.out,
            "NAME  FORWARD  SOURCE         DESTINATION  RX    TX    DROPPED  IDLE\n"
            "12    dns      10.0.1.9:5353  10.9.0.2:53  512B  2KiB  9        2s\n"
            "13    dns      10.0.1.9:5353  10.9.0.2:53  512B  2KiB  9        2s\n"
            "14    dns      10.0.1.9:5353  10.9.0.2:53  512B  2KiB  9        2s\n");
  EXPECT_LE(Widest(answer.out), 80u);
  EXPECT_EQ(daemon_.Run({"get", "udpflow", "13", "-o", "wide"}).out,
            "NAME  FORWARD  SOURCE         DESTINATION  RX    TX    DROPPED  IDLE  OUTSIDE          SESSION  QUEUED  "
            "TIMEOUT  WORKER  AGE\n"
            "13    dns      10.0.1.9:5353  10.9.0.2:53  512B  2KiB  9        2s    192.0.2.1:40000  k3f9q2   7       "
            "15s      1       1h\n");
}

TEST_F(GetObservedTest, ListsEventsAsEventsDoes) {
  const Answer answer = daemon_.Run({"get", "ev"});
  EXPECT_EQ(answer.out,
            "LAST  FIRST  COUNT  TYPE     REASON      SUBJECT      MESSAGE\n"
            "3h    54m    31     Warning  DialFailed  dialer/edge  edge-b.example:443 certificate expired\n");
  EXPECT_EQ(answer.out, daemon_.Run({"events"}).out);
  EXPECT_EQ(daemon_.Run({"get", "events", "-o", "name"}).out, "event/31\n");
  EXPECT_EQ(nlohmann::json::parse(daemon_.Run({"get", "ev/31", "-o", "json"}).out)["kind"], "Event");
  EXPECT_EQ(daemon_.Run({"get", "ev/30"}).code, 3);
}

TEST_F(GetObservedTest, PicksByExactName) {
  EXPECT_EQ(daemon_.Run({"get", "str/k3f9q2/8", "-o", "name"}).out, "stream/k3f9q2/8\n");
  EXPECT_EQ(daemon_.Run({"get", "stream", "sessions/p0x7aa/streams/0", "-o", "name"}).out, "stream/p0x7aa/0\n");
  EXPECT_EQ(daemon_.Run({"get", "udpFlows/14", "-o", "name"}).out, "udpflow/14\n");
  daemon_.stream_lists = 0;
  const Answer answer = daemon_.Run({"get", "str", "k3f9q2/4", "k3f9q2/44", "p0x7aa/0", "--no-headers"});
  EXPECT_EQ(answer.out,
            "k3f9q2/4  pg  10.0.1.5:40112  db.internal:5432  ACTIVE   12KiB  3.1MiB  5m\n"
            "p0x7aa/0  pg  10.0.1.5:40112  <far-side>        PENDING  12KiB  3.1MiB  5m\n");
  EXPECT_EQ(answer.err, "error: stream/k3f9q2/44 does not exist (RESOURCE_NOT_FOUND)\n");
  EXPECT_EQ(answer.code, 3);
  EXPECT_EQ(daemon_.stream_lists, 1);
}

TEST_F(GetObservedTest, PrintsDocuments) {
  const auto one = nlohmann::json::parse(daemon_.Run({"get", "str/k3f9q2/4", "-o", "json"}).out);
  EXPECT_EQ(one["kind"], "Stream");
  EXPECT_EQ(one["name"], "sessions/k3f9q2/streams/4");
  EXPECT_EQ(one["counters"]["rxBytes"], "12288");
  const auto all = nlohmann::json::parse(daemon_.Run({"get", "udp,str", "-o", "json"}).out);
  EXPECT_EQ(all["kind"], "List");
  EXPECT_EQ(all["items"].size(), 6u);
  EXPECT_EQ(all["items"][0]["kind"], "UdpFlow");
  const std::string yaml = daemon_.Run({"get", "udp/12", "-o", "yaml"}).out;
  EXPECT_EQ(yaml.find("apiVersion: culvert/v1\nkind: UdpFlow\nname: udpFlows/12\n"), 0u) << yaml;
  EXPECT_NE(yaml.find("idle_timeout: 15s\n"), std::string::npos) << yaml;
}

TEST_F(GetObservedTest, MixesKindsAndSaysThatThereIsNothing) {
  daemon_.streams.clear();
  const Answer answer = daemon_.Run({"get", "str,udp"});
  EXPECT_EQ(answer.err, "no streams\n");
  EXPECT_NE(answer.out.find("\nudpflow/12  dns "), std::string::npos) << answer.out;
}

TEST_F(GetObservedTest, MakesHostileTextsPrintable) {
  v1::Stream& stream = daemon_.streams[0];
  stream.set_name(std::string("sessions/") + kHostile + "/streams/" + kHostile);
  for (std::string* field : {stream.mutable_session(), stream.mutable_forward(), stream.mutable_source(),
                             stream.mutable_destination(), stream.mutable_far_session()})
    *field = kHostile;
  v1::UdpFlow& flow = daemon_.flows[0];
  for (std::string* field : {flow.mutable_name(), flow.mutable_forward(), flow.mutable_source(),
                             flow.mutable_destination(), flow.mutable_outside_address(), flow.mutable_session()})
    *field = kHostile;
  v1::Event& event = *daemon_.events[0].mutable_events(0);
  for (std::string* field : {event.mutable_reason(), event.mutable_subject(), event.mutable_message()})
    *field = kHostile;
  for (const char* format : {"wide", "name", "yaml"}) {
    const std::string out = daemon_.Run({"get", "str,udp,ev", "-o", format}).out;
    EXPECT_EQ(out.find('\x1b'), std::string::npos) << format;
    EXPECT_EQ(out.find('\x07'), std::string::npos) << format;
    EXPECT_EQ(out.find("\xe2\x80\xae"), std::string::npos) << format;
  }
  const std::string table = daemon_.Run({"get", "str,udp,ev", "-o", "wide"}).out;
  // Headers, rows and the blank lines between the tables: no text broke its line.
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 4 + 1 + 4 + 1 + 2) << table;
  EXPECT_NE(table.find("\\x1b]0;owned\\x07\\n\\u202e"), std::string::npos) << table;
}

TEST_F(GetObservedTest, ListenersShowTheirProtocol) {
  for (const auto protocol : {v1::LISTENER_PROTOCOL_SOCKS5, v1::LISTENER_PROTOCOL_HTTP_CONNECT}) {
    v1::Listener& listener = daemon_.listeners.emplace_back();
    listener.mutable_metadata()->set_name("l");
    listener.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
    listener.mutable_spec()->set_bind("127.0.0.1:1080");
    listener.mutable_spec()->set_protocol(protocol);
  }
  daemon_.listeners.emplace_back().mutable_spec()->set_transport(v1::TRANSPORT_UDP);
  EXPECT_EQ(daemon_.Run({"get", "lsn"}).out.find("PROTOCOL"), std::string::npos);
  const std::string wide = daemon_.Run({"get", "lsn", "-o", "wide"}).out;
  EXPECT_NE(wide.find("TX  PROTOCOL      BOUND "), std::string::npos) << wide;
  EXPECT_NE(wide.find("0B  SOCKS5        <none>"), std::string::npos) << wide;
  EXPECT_NE(wide.find("0B  HTTP_CONNECT  <none>"), std::string::npos) << wide;
  EXPECT_NE(wide.find("  UDP  "), std::string::npos) << wide;
}

TEST_F(GetObservedTest, ForwardsShowReverseFlowsAndRefusals) {
  v1::Forward& open = daemon_.forwards.emplace_back();
  open.mutable_metadata()->set_name("in");
  open.mutable_spec()->set_listener("web");
  open.mutable_spec()->set_reverse("home");
  open.mutable_status()->set_state(v1::STATE_ACTIVE);
  open.mutable_status()->set_udp_flows(5);
  (*open.mutable_status()->mutable_refused_streams())["NO_FORWARD"] = 3;
  (*open.mutable_status()->mutable_refused_streams())["CONNECT_REFUSED"] = 4;
  v1::Forward& hidden = daemon_.forwards.emplace_back();
  hidden.mutable_metadata()->set_name("out");
  hidden.mutable_spec()->set_dialer("edge");
  hidden.mutable_spec()->set_destination("127.0.0.1:80");
  hidden.mutable_spec()->set_reverse("home");
  hidden.mutable_status()->set_state(v1::STATE_ACTIVE);
  EXPECT_EQ(daemon_.Run({"get", "fwd"}).out,
            "NAME  LISTENER      DIALER        DESTINATION   STATE   STREAMS  RX  TX  AGE\n"
            "in    web           reverse:home  <none>        ACTIVE  0        0B  0B  -\n"
            "out   reverse:home  edge          127.0.0.1:80  ACTIVE  0        0B  0B  -\n");
  EXPECT_EQ(
      daemon_.Run({"get", "fwd/in", "-o", "wide"}).out,
      "NAME  LISTENER  DIALER        DESTINATION  STATE   STREAMS  RX  TX  PAUSED  OPENED  FAILED  FLOWS  REFUSED  "
      "REASONS  AGE\n"
      "in    web       reverse:home  <none>       ACTIVE  0        0B  0B  no      0       0       5      7        "
      "<none>   -\n");
}

}  // namespace
}  // namespace culvert::cli
