// Plans of objects that have to do with users, named destinations, UDP and reverse forwards, and what workers get of them.
#include <gmock/gmock.h>

#include "core/base/random.h"
#include "server/change_plan.h"
#include "server/config_from_proto.h"
#include "server/error_builder.h"
#include "server/spec_defaults.h"
#include "tests/unit/server/objects.h"
#include "tests/unit/server/tls_objects.h"

namespace culvert::server {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Action = ChangeResult::Action;
using Verb = Change::Verb;

constexpr char kCulvert[] = "stream_header: STREAM_HEADER_CULVERT";

v1::Object Listener(const std::string& spec) { return ParseObject("listener { metadata { name: 'l' } spec { " + spec + " } }"); }
v1::Object Socks(const std::string& more) {
  return Listener("transport: TRANSPORT_TCP bind: '127.0.0.1:1080' protocol: LISTENER_PROTOCOL_SOCKS5 " + more);
}
v1::Object Udp(const std::string& more) { return Listener("transport: TRANSPORT_UDP bind: '127.0.0.1:53' " + more); }
v1::Object Forward(const std::string& spec, const std::string& name = "f") {
  return ParseObject("forward { metadata { name: '" + name + "' } spec { " + spec + " } }");
}
v1::Object CulvertDialer() {
  v1::Object dialer = KcpDialer("d", "far:1");
  dialer.mutable_dialer()->mutable_spec()->set_stream_header(v1::STREAM_HEADER_CULVERT);
  return dialer;
}

class EndpointPlanTest : public ::testing::Test {
 protected:
  EndpointPlanTest() {
    context_.hash = &hash_;
    context_.random = &random_;
    context_.next_incarnation = &next_incarnation_;
    context_.read_file = files_.Reader();
  }
  absl::StatusOr<ChangePlan> Plan(const std::vector<v1::Object>& objects, Verb verb = Verb::kApply) {
    ChangeSet set;
    set.manager = "api";
    set.may_name_any_file = true;
    set.is_apply = verb == Verb::kApply;
    for (const v1::Object& object : objects) {
      Change& change = set.changes.emplace_back();
      change.verb = verb;
      change.object = object;
    }
    return MakePlan(table_, set, context_);
  }
  // The plan must succeed; its table is taken.
  std::vector<ChangeResult> Do(const std::vector<v1::Object>& objects, Verb verb = Verb::kApply) {
    auto plan = Plan(objects, verb);
    EXPECT_TRUE(plan.ok()) << plan.status();
    if (!plan.ok()) return std::vector<ChangeResult>(objects.size());
    table_ = plan->table;
    return plan->results;
  }
  ChangeResult Update(const std::string& text) { return Do({ParseObject(text)}, Verb::kUpdate).front(); }
  static std::vector<std::string> Faults(const absl::Status& status) {
    std::vector<std::string> faults;
    const auto detail = DetailOf<google::rpc::BadRequest>(status);
    for (const auto& violation : detail.field_violations()) faults.push_back(violation.field() + ": " + violation.description());
    return faults;
  }

  SeededRandom random_{1};
  KeyedHash hash_{random_};
  uint64_t next_incarnation_ = 1;
  MemoryFiles files_;
  PlanContext context_;
  ObjectTable table_;
};

TEST_F(EndpointPlanTest, UsersAreReadFromTheirFile) {
  files_.content["/u"] = "# people\nalice:wonderland\n\nbob:builder\n";
  const EntryPtr entry = Do({Socks("users_file: '/u'")})[0].after;
  const auto config = ToListenerConfig(*entry, *SocketAddress::Parse("127.0.0.1:1080"));
  ASSERT_NE(config->users, nullptr);
  EXPECT_EQ(config->users->size(), 2u);
  EXPECT_TRUE(config->users->Admits("alice", "wonderland"));
  EXPECT_FALSE(config->users->Admits("alice", "builder"));
}

TEST_F(EndpointPlanTest, UsersThatCannotBeReadRefuseTheListener) {
  EXPECT_EQ(ReasonOf(Plan({Socks("users_file: '/u'")}).status()), "CREDENTIAL_UNREADABLE");
  files_.content["/u"] = "alice:wonderland\nsecretword\n";
  const absl::Status malformed = Plan({Socks("users_file: '/u'")}).status();
  EXPECT_EQ(ReasonOf(malformed), "INVALID_FIELD");
  EXPECT_THAT(Faults(malformed), ElementsAre(HasSubstr("objects[0].spec.users_file: line 2")));
  EXPECT_THAT(std::string(malformed.message()), ::testing::Not(HasSubstr("secretword")));
  files_.content["/u"] = "# nobody yet\n";
  const ChangeResult nobody = Do({Socks("users_file: '/u'")})[0];
  ASSERT_EQ(nobody.warnings.size(), 1u);
  EXPECT_EQ(nobody.warnings[0].reason(), "NO_USERS");
  EXPECT_EQ(nobody.warnings[0].field(), "spec.users_file");
}

TEST_F(EndpointPlanTest, OtherUsersAreAChangeThatEndsNothing) {
  files_.content["/u"] = "alice:wonderland\n";
  const EntryPtr first = Do({Socks("users_file: '/u'")})[0].after;
  EXPECT_EQ(Do({Socks("users_file: '/u'")})[0].action, Action::kUnchanged);
  // A change of something else goes on with the very table of users.
  EXPECT_EQ(Update("listener { metadata { name: 'l' } spec { paused: true } }").after->users, first->users);
  EXPECT_FALSE(Update("listener { metadata { name: 'l' } spec { max_sessions: 7 } }").disruptive);
  files_.content["/u"] = "bob:builder\n";
  const ChangeResult renewed = Do({Socks("users_file: '/u' paused: true max_sessions: 7")})[0];
  EXPECT_EQ(renewed.action, Action::kConfigured);
  EXPECT_FALSE(renewed.disruptive);
  EXPECT_THAT(renewed.changed_paths, ElementsAre("spec.users_file"));
  EXPECT_TRUE(renewed.after->users->Admits("bob", "builder"));
  EXPECT_EQ(renewed.after->incarnation, first->incarnation);
}

TEST_F(EndpointPlanTest, HowMuchAListenerHoldsAndItsUsersEndNothing) {
  Do({Udp("")});
  EXPECT_FALSE(Update("listener { metadata { name: 'l' } spec { udp { hub_capacity: 7 max_clients: 9 } } }").disruptive);
  table_ = {};
  Do({Socks("")});
  EXPECT_FALSE(Update("listener { metadata { name: 'l' } spec { udp { hub_capacity: 1024 } } }").disruptive);
  files_.content["/u"] = "alice:wonderland\n";
  EXPECT_FALSE(Update("listener { metadata { name: 'l' } spec { users_file: '/u' } }").disruptive);
}

TEST_F(EndpointPlanTest, StreamHeaderAndProtocolEndSessions) {
  Do({KcpListener("k", "127.0.0.1:1"), KcpDialer("d", "far:1"), TcpListener("t", "127.0.0.1:2")});
  EXPECT_FALSE(Update("listener { metadata { name: 'k' } spec { stream_header: STREAM_HEADER_NONE } }").disruptive);
  EXPECT_TRUE(Update(std::string("listener { metadata { name: 'k' } spec { ") + kCulvert + " } }").disruptive);
  EXPECT_TRUE(Update(std::string("dialer { metadata { name: 'd' } spec { ") + kCulvert + " } }").disruptive);
  EXPECT_FALSE(Update("listener { metadata { name: 't' } spec { protocol: LISTENER_PROTOCOL_RAW } }").disruptive);
  EXPECT_TRUE(Update("listener { metadata { name: 't' } spec { protocol: LISTENER_PROTOCOL_SOCKS5 } }").disruptive);
}

TEST_F(EndpointPlanTest, TheSocketOfAListenerIsSettledAtItsCreation) {
  Do({Udp("")});
  const absl::Status refused = Plan({Udp("udp { original_destination: true }")}).status();
  EXPECT_EQ(ReasonOf(refused), "FIELD_IMMUTABLE");
  EXPECT_THAT(Faults(refused), ElementsAre(HasSubstr("objects[0].spec.udp.original_destination: ")));
}

TEST_F(EndpointPlanTest, ListenersAndDialersAsWorkersSeeThem) {
  const SocketAddress bound = *SocketAddress::Parse("127.0.0.1:53");
  auto listener = ToListenerConfig(*Do({Udp("")})[0].after, bound);
  EXPECT_EQ(listener->transport, Transport::kUdp);
  EXPECT_EQ(listener->hub.capacity, 1024u);
  EXPECT_EQ(listener->hub.max_clients, 16384u);
  EXPECT_FALSE(listener->hub.original_destination);
  EXPECT_FALSE(listener->is_addressed);
  EXPECT_EQ(listener->protocol, ListenerProtocol::kRaw);
  EXPECT_EQ(listener->users, nullptr);
  table_ = {};
  listener = ToListenerConfig(
      *Do({Udp("udp { hub_capacity: 7 max_clients: 9 original_destination: true }")})[0].after, bound);
  EXPECT_EQ(listener->hub.capacity, 7u);
  EXPECT_EQ(listener->hub.max_clients, 9u);
  EXPECT_TRUE(listener->hub.original_destination);
  table_ = {};
  listener = ToListenerConfig(*Do({Socks("")})[0].after, bound);
  EXPECT_EQ(listener->protocol, ListenerProtocol::kSocks5);
  EXPECT_EQ(listener->hub.capacity, 1024u);
  const auto dialer = ToDialerConfig(*Do({CulvertDialer()})[0].after);
  EXPECT_TRUE(dialer->is_addressed);
  const auto plain = ToDialerConfig(
      *Do({ParseObject("dialer { metadata { name: 'u' } spec { transport: TRANSPORT_UDP targets: 'a:53' } }")})[0].after);
  EXPECT_EQ(plain->transport, Transport::kUdp);
  EXPECT_FALSE(plain->is_addressed);
}

TEST_F(EndpointPlanTest, ForwardsAsWorkersSeeThem) {
  const auto config = [&](const std::string& spec) {
    return ToForwardConfig(*Do({Socks(""), CulvertDialer(), TcpListener("t", "127.0.0.1:9"), Forward(spec)})[3].after);
  };
  auto forward = config("listener: 'l' allowed_destinations: '*.example.org:443' proxy_protocol: true");
  ASSERT_NE(forward->allowed, nullptr);
  EXPECT_TRUE(forward->allowed->AllowsNamed({"www.example.org", 443}));
  EXPECT_FALSE(forward->allowed->AllowsNamed({"www.example.org", 80}));
  EXPECT_TRUE(forward->destination.host.empty());
  EXPECT_TRUE(forward->proxy_protocol);
  forward = config("listener: 't' reverse: 'web' reverse_wait { seconds: 5 }");
  EXPECT_EQ(forward->reverse, "web");
  EXPECT_EQ(forward->reverse_wait, seconds(5));
  EXPECT_EQ(forward->allowed, nullptr);
  forward = config("dialer: 'd' reverse: 'web' destination: 'db:1'");
  EXPECT_TRUE(forward->listener.empty());
  EXPECT_EQ(forward->destination.host, "db");
  EXPECT_EQ(forward->reverse_parked, 4u);
  EXPECT_EQ(forward->reverse_wait, Duration::zero());
  forward = config("dialer: 'd' reverse: 'web' destination: 'db:1' reverse_parked: 9");
  EXPECT_EQ(forward->reverse_parked, 9u);
}

TEST_F(EndpointPlanTest, UdpFlowsOfAForward) {
  const auto options = [](const std::string& spec) {
    Entry entry;
    entry.object = Forward("listener: 'l' destination: 'db:1' " + spec);
    return ToForwardConfig(entry)->udp;
  };
  UdpFlowOptions udp = options("");
  EXPECT_EQ(udp.idle_timeout, seconds(120));
  EXPECT_EQ(udp.dns_idle_timeout, seconds(15));
  EXPECT_EQ(udp.queue_packets, 256u);
  EXPECT_EQ(udp.max_flows_per_client, 1024u);
  EXPECT_FALSE(udp.is_v2ray_compatible);
  EXPECT_FALSE(udp.is_endpoint_independent);
  udp = options("udp_idle_timeout { seconds: 40 } udp_queue_packets: 3 udp { max_flows_per_client: 5 filtering: UDP_FILTERING_ENDPOINT_INDEPENDENT }");
  EXPECT_EQ(udp.idle_timeout, seconds(40));
  EXPECT_EQ(udp.dns_idle_timeout, seconds(40));
  EXPECT_EQ(udp.queue_packets, 3u);
  EXPECT_EQ(udp.max_flows_per_client, 5u);
  EXPECT_TRUE(udp.is_endpoint_independent);
  udp = options("udp { compatibility: UDP_COMPATIBILITY_V2RAY }");
  EXPECT_EQ(udp.idle_timeout, seconds(4));
  EXPECT_EQ(udp.dns_idle_timeout, seconds(4));
  EXPECT_TRUE(udp.is_v2ray_compatible);
  udp = options("udp { compatibility: UDP_COMPATIBILITY_V2RAY } udp_idle_timeout { seconds: 9 }");
  EXPECT_EQ(udp.idle_timeout, seconds(9));
  EXPECT_EQ(udp.dns_idle_timeout, seconds(9));
}

TEST_F(EndpointPlanTest, AForwardIsNotMadeWrongByWhatItJoins) {
  Do({TcpListener("l", "127.0.0.1:1"), CulvertDialer(), Forward("listener: 'l' dialer: 'd' destination: 'db:1'")});
  const auto none = ParseObject("dialer { metadata { name: 'd' } spec { stream_header: STREAM_HEADER_NONE } }");
  EXPECT_THAT(Faults(Plan({none}, Verb::kUpdate).status()),
              ElementsAre("spec: forward/f would be wrong with it: spec.destination: excludes dialer: over raw streams the far side "
                          "decides where bytes go"));
  const auto socks = ParseObject("listener { metadata { name: 'l' } spec { protocol: LISTENER_PROTOCOL_SOCKS5 } }");
  EXPECT_THAT(Faults(Plan({socks}, Verb::kUpdate).status()), ElementsAre(HasSubstr("spec: forward/f would be wrong with it: ")));
  // What touches nothing of that goes through, and so does a change of both at once.
  EXPECT_FALSE(Update("dialer { metadata { name: 'd' } spec { paused: true } }").disruptive);
  EXPECT_EQ(Do({KcpDialer("d", "far:1"), Forward("listener: 'l' dialer: 'd'")})[1].action, Action::kConfigured);
}

TEST_F(EndpointPlanTest, ABystanderIsToldOfAtTheObjectThatChanges) {
  v1::Object tunnel = KcpListener("tunnel", "127.0.0.1:2");
  tunnel.mutable_listener()->mutable_spec()->set_stream_header(v1::STREAM_HEADER_CULVERT);
  Do({TcpListener("l", "127.0.0.1:1"), tunnel, Forward("listener: 'l' reverse: 'web' reverse_listener: 'tunnel'")});
  const absl::Status refused = Plan({TcpListener("l", "127.0.0.1:1"), KcpListener("tunnel", "127.0.0.1:2")}).status();
  EXPECT_THAT(Faults(refused), ElementsAre(HasSubstr("objects[1].spec: forward/f would be wrong with it: spec.reverse_listener: ")));
}

TEST_F(EndpointPlanTest, TheListenerThatOffersComeThroughIsInUse) {
  v1::Object tunnel = KcpListener("tunnel", "127.0.0.1:2");
  tunnel.mutable_listener()->mutable_spec()->set_stream_header(v1::STREAM_HEADER_CULVERT);
  Do({TcpListener("l", "127.0.0.1:1"), tunnel, Forward("listener: 'l' reverse: 'web' reverse_listener: 'tunnel'")});
  ChangeSet set;
  set.manager = "api";
  set.may_name_any_file = true;
  Change& change = set.changes.emplace_back();
  change.verb = Verb::kDelete;
  change.key = {Kind::kListener, "tunnel"};
  EXPECT_EQ(ReasonOf(MakePlan(table_, set, context_).status()), "RESOURCE_IN_USE");
  set.changes[0].force = true;
  EXPECT_THAT(MakePlan(table_, set, context_)->also_deleted, ElementsAre(ObjectKey{Kind::kForward, "f"}));
}

}  // namespace
}  // namespace culvert::server
