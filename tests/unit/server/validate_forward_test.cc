// What a forward may say by itself, one rule a row.
#include "server/validate_forward.h"

#include <gmock/gmock.h>

#include "server/validate_object.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

Violations Judge(const std::string& spec, std::vector<v1::Warning>* warnings = nullptr) {
  Violations violations;
  std::vector<v1::Warning> own;
  ValidateObject(ParseObject("forward { metadata { name: 'f' } spec { " + spec + " } }"), "", violations,
                 warnings != nullptr ? *warnings : own);
  return violations;
}

constexpr char kPublic[] = "listener: 'l' reverse: 'web' ";
constexpr char kPrivate[] = "dialer: 'd' reverse: 'web' destination: 'db:1' ";
constexpr char kDirect[] = "listener: 'l' destination: 'db:1' ";

struct Bad {
  const char* path;
  const char* description;  // a part of it
  std::string spec;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.spec; }

class BadForwardTest : public testing::TestWithParam<Bad> {};

TEST_P(BadForwardTest, IsRefusedNamingTheField) {
  const Bad& bad = GetParam();
  EXPECT_THAT(Judge(bad.spec), ElementsAre(testing::AllOf(Field(&Violation::path, bad.path),
                                                          Field(&Violation::description, HasSubstr(bad.description)))));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadForwardTest,
    testing::Values(
        // Who has no listener, and who has nowhere to go.
        Bad{"spec.listener", "must be set; only the private side", "destination: 'db:1'"},
        Bad{"spec.listener", "must be set", "dialer: 'd'"},
        Bad{"spec.destination", "must be set, or else dialer", "listener: 'l'"},
        // Neither side of reverse, or both.
        Bad{"spec.reverse", "needs a listener", "reverse: 'web'"},
        Bad{"spec.reverse", "and not both", "listener: 'l' dialer: 'd' reverse: 'web'"},
        Bad{"spec.reverse", "does not match", "listener: 'l' reverse: 'Web'"},
        // The public side.
        Bad{"spec.destination", "excludes reverse", std::string(kPublic) + "destination: 'db:1'"},
        Bad{"spec.allowed_destinations", "excludes reverse", std::string(kPublic) + "allowed_destinations: '*:*'"},
        Bad{"spec.reverse_parked", "private side", std::string(kPublic) + "reverse_parked: 4"},
        Bad{"spec.proxy_protocol", "private side of reverse", std::string(kPublic) + "proxy_protocol: true"},
        Bad{"spec.reverse_wait", "301s is not in [0s, 300s]", std::string(kPublic) + "reverse_wait { seconds: 301 }"},
        // The private side.
        Bad{"spec.destination", "must be set", "dialer: 'd' reverse: 'web'"},
        Bad{"spec.allowed_destinations", "excludes reverse", std::string(kPrivate) + "allowed_destinations: '*:*'"},
        Bad{"spec.reverse_wait", "public side", std::string(kPrivate) + "reverse_wait { }"},
        Bad{"spec.reverse_listener", "public side", std::string(kPrivate) + "reverse_listener: 'l'"},
        Bad{"spec.reverse_parked", "257 is not in [0, 256]", std::string(kPrivate) + "reverse_parked: 257"},
        // Neither.
        Bad{"spec.reverse_wait", "belongs to reverse", std::string(kDirect) + "reverse_wait { seconds: 1 }"},
        Bad{"spec.reverse_listener", "belongs to reverse", std::string(kDirect) + "reverse_listener: 'l'"},
        Bad{"spec.reverse_parked", "belongs to reverse", std::string(kDirect) + "reverse_parked: 1"},
        // Destinations.
        Bad{"spec.allowed_destinations[1]", "10.0.0.0/33", "listener: 'l' allowed_destinations: 'a:1' allowed_destinations: '10.0.0.0/33:80'"},
        Bad{"spec.allowed_destinations[0]", "must not be empty", "listener: 'l' allowed_destinations: ''"},
        // UDP.
        Bad{"spec.udp_idle_timeout", "500ms is not in [1s, 1h]", std::string(kDirect) + "udp_idle_timeout { nanos: 500000000 }"},
        Bad{"spec.udp_queue_packets", "65537 is not in", std::string(kDirect) + "udp_queue_packets: 65537"},
        Bad{"spec.udp.max_flows_per_client", "65537 is not in", std::string(kDirect) + "udp { max_flows_per_client: 65537 }"},
        Bad{"spec.udp.compatibility", "5 is not a value of UdpCompatibility", std::string(kDirect) + "udp { compatibility: 5 }"},
        Bad{"spec.udp.filtering", "5 is not a value of UdpFiltering", std::string(kDirect) + "udp { filtering: 5 }"}));

TEST(ValidateForwardTest, TakesWhatIsRight) {
  for (const std::string& spec :
       {std::string(kDirect), std::string(kDirect) + "proxy_protocol: true", std::string(kPublic),
        std::string(kPublic) + "reverse_listener: 'tunnel' reverse_wait { seconds: 300 }", std::string(kPrivate),
        std::string(kPrivate) + "reverse_parked: 256 proxy_protocol: true", std::string("listener: 'l' dialer: 'd'"),
        // Whether the dialer can take it the table knows.
        std::string("listener: 'l' dialer: 'd' destination: 'db:1'"), std::string("listener: 'l' allowed_destinations: '*:*'"),
        std::string("listener: 'l' allowed_destinations: '*.example.org:443' allowed_destinations: '[fd00::]/8:1-1023'"),
        std::string(kDirect) + "udp_idle_timeout { seconds: 30 } udp_queue_packets: 1 udp { filtering: UDP_FILTERING_ENDPOINT_INDEPENDENT }"}) {
    std::vector<v1::Warning> warnings;
    EXPECT_THAT(Judge(spec, &warnings), IsEmpty()) << spec;
    EXPECT_THAT(warnings, IsEmpty()) << spec;
  }
}

TEST(ValidateForwardTest, EveryWrongDestinationIsNamed) {
  const Violations violations =
      Judge("listener: 'l' allowed_destinations: 'x' allowed_destinations: 'ok:1' allowed_destinations: 'a:0-b'");
  EXPECT_THAT(violations, testing::UnorderedElementsAre(Field(&Violation::path, "spec.allowed_destinations[0]"),
                                                        Field(&Violation::path, "spec.allowed_destinations[2]")));
}

TEST(ValidateForwardTest, WarnsOfShortUdpTimeouts) {
  std::vector<v1::Warning> warnings;
  EXPECT_THAT(Judge(std::string(kDirect) + "udp_idle_timeout { seconds: 29 nanos: 999000000 }", &warnings), IsEmpty());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].reason(), "UDP_IDLE_TIMEOUT_SHORT");
  EXPECT_EQ(warnings[0].field(), "spec.udp_idle_timeout");
  warnings.clear();
  Judge(std::string(kDirect) + "udp_idle_timeout { seconds: 4 } udp { compatibility: UDP_COMPATIBILITY_V2RAY }", &warnings);
  EXPECT_THAT(warnings, IsEmpty());
}

}  // namespace
}  // namespace culvert::server
