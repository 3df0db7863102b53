// T41: every way to spell a destination that must not be reached, against policies that allow as much as they can without naming it.
//
// A spelling is a literal, a number that only a resolver understands (the real one says what it stands for), a name that a stub
// resolves, or no host at all. TCP and UDP ask the same two questions; what differs between them is not here. Each address behind
// the table is also what a harmless name resolves to, at once, the second time it is asked for, and among good addresses.
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "core/egress/destination_policy.h"

namespace culvert::egress {
namespace {

constexpr uint16_t kPort = 80;

struct Spelling {
  std::string host;
  std::string address;  // what it stands for
};

const std::vector<Spelling> kLiterals = {
    // Loopback.
    {"127.0.0.1", "127.0.0.1"},
    {"127.0.0.1.", "127.0.0.1"},
    {"127.0.0.0", "127.0.0.0"},
    {"127.0.1.1", "127.0.1.1"},
    {"127.127.127.127", "127.127.127.127"},
    {"127.255.255.255", "127.255.255.255"},
    {"::1", "::1"},
    {"::1.", "::1"},
    {"0:0:0:0:0:0:0:1", "::1"},
    {"0000:0000:0000:0000:0000:0000:0000:0001", "::1"},
    {"::0.0.0.1", "::1"},
    {"0::0:1", "::1"},
    // Unspecified, "this network".
    {"0.0.0.0", "0.0.0.0"},
    {"0.0.0.1", "0.0.0.1"},
    {"0.127.0.1", "0.127.0.1"},
    {"::", "::"},
    {"0::0", "::"},
    {"::0.0.0.0", "::"},
    {"::ffff:0.0.0.0", "0.0.0.0"},
    // Link-local and metadata.
    {"169.254.169.254", "169.254.169.254"},
    {"169.254.170.2", "169.254.170.2"},
    {"169.254.0.1", "169.254.0.1"},
    {"fe80::1", "fe80::1"},
    {"FE80::A9FE:A9FE", "fe80::a9fe:a9fe"},
    {"febf::1", "febf::1"},
    {"fec0::1", "fec0::1"},
    {"100.100.100.200", "100.100.100.200"},
    {"192.0.0.192", "192.0.0.192"},
    {"168.63.129.16", "168.63.129.16"},
    {"fd00:ec2::254", "fd00:ec2::254"},
    {"fd00:0ec2:0000::0254", "fd00:ec2::254"},
    {"fd20:ce::254", "fd20:ce::254"},
    // Multicast, broadcast, reserved.
    {"224.0.0.1", "224.0.0.1"},
    {"239.255.255.250", "239.255.255.250"},
    {"240.0.0.1", "240.0.0.1"},
    {"255.255.255.255", "255.255.255.255"},
    {"ff02::1", "ff02::1"},
    {"ff05::c", "ff05::c"},
    {"100::1", "100::1"},
    // IPv4 in IPv6.
    {"::ffff:127.0.0.1", "127.0.0.1"},
    {"::ffff:7f00:1", "127.0.0.1"},
    {"::FFFF:7F00:0001", "127.0.0.1"},
    {"0:0:0:0:0:ffff:127.0.0.1", "127.0.0.1"},
    {"::ffff:169.254.169.254", "169.254.169.254"},
    {"::ffff:a9fe:a9fe", "169.254.169.254"},
    {"::127.0.0.1", "::127.0.0.1"},
    {"::7f00:1", "::127.0.0.1"},
    {"::a9fe:a9fe", "::169.254.169.254"},
    {"::ffff:0:127.0.0.1", "::ffff:0:7f00:1"},
    {"64:ff9b::127.0.0.1", "64:ff9b::7f00:1"},
    {"64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe"},
    {"0064:ff9b:0:0:0:0:7f00:0001", "64:ff9b::7f00:1"},
    {"64:ff9b::0.0.0.0", "64:ff9b::"},
    {"64:ff9b:1::127.0.0.1", "64:ff9b:1::7f00:1"},
    {"64:ff9b:1:7f00:0:100::", "64:ff9b:1:7f00:0:100::"},
    {"64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9fe:a9:fe00::"},
    {"2002:7f00:1::", "2002:7f00:1::"},
    {"2002:a9fe:a9fe::1", "2002:a9fe:a9fe::1"},
    {"2001:0:808:808::80ff:fffe", "2001:0:808:808::80ff:fffe"},
    {"2001:0:7f00:1::f7f7:f7f7", "2001:0:7f00:1::f7f7:f7f7"},
    {"2a00::5efe:127.0.0.1", "2a00::5efe:7f00:1"},
    {"2a00::200:5efe:7f00:1", "2a00::200:5efe:7f00:1"},
};

const std::vector<Spelling> kNumbers = {
    {"127.1", "127.0.0.1"},
    {"127.0.1", "127.0.0.1"},
    {"0177.0.0.1", "127.0.0.1"},
    {"0177.1", "127.0.0.1"},
    {"00000177.1", "127.0.0.1"},
    {"0x7f.1", "127.0.0.1"},
    {"0x7f.0.0.0x1", "127.0.0.1"},
    {"0X7F.0x0.0x0.0x1", "127.0.0.1"},
    {"127.0x0.1", "127.0.0.1"},
    {"127.000.000.001", "127.0.0.1"},
    {"2130706433", "127.0.0.1"},
    {"0x7f000001", "127.0.0.1"},
    {"017700000001", "127.0.0.1"},
    {"127.65535", "127.0.255.255"},
    {"0", "0.0.0.0"},
    {"0x0", "0.0.0.0"},
    {"0.0", "0.0.0.0"},
    {"1", "0.0.0.1"},
    {"169.254.43518", "169.254.169.254"},
    {"0xa9.254.0251.0xfe", "169.254.169.254"},
    {"2852039166", "169.254.169.254"},
    {"0xa9fea9fe", "169.254.169.254"},
    {"025177524776", "169.254.169.254"},
    {"0144.100.25800", "100.100.100.200"},
    {"0xe0000001", "224.0.0.1"},
    {"4294967295", "255.255.255.255"},
};

const std::vector<Spelling> kNames = {
    {"localhost", "127.0.0.1"},
    {"LOCALHOST", "127.0.0.1"},
    {"localhost.", "::1"},
    {"localhost.localdomain", "127.0.0.1"},
    {"ip6-localhost", "::1"},
    {"a.localhost", "127.0.0.1"},
    {"127.0.0.1.resolves.example", "127.0.0.1"},
    {"7f000001.rebind.example", "127.0.0.1"},
    {"metadata.google.internal", "169.254.169.254"},
    {"metadata", "169.254.169.254"},
    {"instance-data", "169.254.169.254"},
    {"ip6-allnodes", "ff02::1"},
    {"mapped.example", "::ffff:127.0.0.1"},
    {"nat64.example", "64:ff9b::7f00:1"},
    {"sixtofour.example", "2002:7f00:1::"},
    {"zero.example", "0.0.0.0"},
};

const std::vector<std::string> kNoHosts = {
    "",
    "[::1]",
    "[127.0.0.1]",
    "fe80::1%lo",
    "fe80::1%1",
    "::1%lo",
    "127.0.0.1%lo",
    "127.0.0.1 ",
    " 127.0.0.1",
    "127.0.0.1\n",
    std::string("127.0.0.1\0.example.com", 22),
    "127.0.0.1%00.example.com",
    "127.0.0.1:80",
    "127.0.0.1/8",
    "good.example.com@127.0.0.1",
    "127.0.0.1#.example.com",
    "127.0.0.1?.example.com",
    "127.0.0.1\\.example.com",
    "127..0.0.1",
    "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1",                      // full-width digits
    "\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1",                      // circled digits
    "127\xe3\x80\x82" "0\xe3\x80\x82" "0\xe3\x80\x82" "1",             // ideographic full stops
    "local\xc2\xad" "host",                                            // a soft hyphen
};

IpAddress Ip(const std::string& text) {
  const auto ip = IpAddress::Parse(text);
  EXPECT_TRUE(ip.ok()) << text;
  return ip.ok() ? *ip : IpAddress();
}

// What getaddrinfo makes of a number, without asking anybody.
IpAddress ResolveNumber(const std::string& host) {
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return IpAddress();
  IpAddress ip;
  if (found->ai_family == AF_INET) {
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr, bytes.size());
    ip = IpAddress::V4(bytes);
  }
  freeaddrinfo(found);
  return ip;
}

// Answers a name with one list of addresses after the other, and goes on with the last.
class StubResolver {
 public:
  using Answer = std::vector<std::string>;

  void Add(const std::string& name, std::vector<Answer> answers) { names_[name] = {.answers = std::move(answers)}; }
  std::vector<IpAddress> Resolve(const std::string& name) {
    Name& found = names_.at(name);
    const Answer& answer = found.answers[std::min(found.asked++, found.answers.size() - 1)];
    std::vector<IpAddress> out;
    for (const std::string& text : answer) out.push_back(Ip(text));
    return out;
  }

 private:
  struct Name {
    std::vector<Answer> answers;
    size_t asked = 0;
  };
  std::map<std::string, Name> names_;
};

struct PolicyCase {
  std::string title;
  std::vector<std::string> entries;
  bool allows_literals;
};
const std::vector<PolicyCase> kPolicies = {
    {"Wildcard", {"*:*"}, true},
    {"WidestRanges", {"0.0.0.0/0:*", "[::]/0:*"}, true},
    {"NamesBelow", {"*.example.com:*"}, false},
};

class Spellings : public ::testing::TestWithParam<size_t> {
 protected:
  // The addresses that would be contacted for what was named.
  std::vector<std::string> Reached(const std::string& host, const std::vector<IpAddress>& addresses) {
    std::vector<std::string> out;
    const HostPort named{host, kPort};
    if (!policy_->AllowsNamed(named)) return out;
    for (const IpAddress& ip : addresses) {
      if (policy_->AllowsAddress(named, {ip, kPort}, {})) out.push_back(ip.ToString());
    }
    return out;
  }
  using Addresses = std::vector<std::string>;

  const PolicyCase& case_ = kPolicies[GetParam()];
  std::shared_ptr<const DestinationPolicy> policy_ = *DestinationPolicy::Create(case_.entries);
};

constexpr char kPublicV4[] = "93.184.215.14";
constexpr char kPublicV6[] = "2606:2800:21f:cb07:6820:80da:af6b:8b2c";

TEST(SpellingsTable, IsLongEnough) {
  EXPECT_GE(kLiterals.size() + kNumbers.size() + kNames.size() + kNoHosts.size(), 70u);
}

TEST_P(Spellings, OrdinaryDestinationsAreReached) {
  for (const std::string& ip : {std::string(kPublicV4), std::string(kPublicV6)}) {
    EXPECT_EQ(Reached(ip, {Ip(ip)}), case_.allows_literals ? Addresses{ip} : Addresses{});
    EXPECT_EQ(Reached("www.example.com", {Ip(ip)}), Addresses{ip});
    EXPECT_EQ(Reached("WWW.Example.COM.", {Ip(ip)}), Addresses{ip});
  }
  // A number that stands for a public address: it is what it stands for that denies the others.
  EXPECT_EQ(ResolveNumber("93.12113678"), Ip("93.184.215.14"));
  EXPECT_EQ(Reached("93.12113678", {ResolveNumber("93.12113678")}), case_.allows_literals ? Addresses{kPublicV4} : Addresses{});
}

TEST_P(Spellings, LiteralsAreDenied) {
  for (const Spelling& row : kLiterals) {
    const IpAddress ip = Ip(row.address);
    EXPECT_FALSE(policy_->AllowsNamed({row.host, kPort})) << row.host;
    EXPECT_FALSE(policy_->AllowsAddress({row.host, kPort}, {ip, kPort}, {})) << row.host;
  }
}

TEST_P(Spellings, NumbersAreDenied) {
  for (const Spelling& row : kNumbers) {
    EXPECT_FALSE(IpAddress::Parse(row.host).ok()) << row.host << " belongs to the literals";
    const IpAddress ip = ResolveNumber(row.host);
    EXPECT_EQ(ip.ToString(), row.address) << row.host;
    EXPECT_EQ(Reached(row.host, {ip}), Addresses{}) << row.host;
    EXPECT_FALSE(policy_->AllowsAddress({row.host, kPort}, {ip, kPort}, {})) << row.host;
  }
}

TEST_P(Spellings, NamesAreDenied) {
  StubResolver resolver;
  for (const Spelling& row : kNames) resolver.Add(row.host, {{row.address}});
  for (const Spelling& row : kNames) EXPECT_EQ(Reached(row.host, resolver.Resolve(row.host)), Addresses{}) << row.host;
}

TEST_P(Spellings, WhatIsNoHostIsDenied) {
  for (const std::string& host : kNoHosts) {
    EXPECT_FALSE(policy_->AllowsNamed({host, kPort})) << host;
    for (const char* ip : {"127.0.0.1", "::1", "fe80::1", kPublicV4}) {
      EXPECT_FALSE(policy_->AllowsAddress({host, kPort}, {Ip(ip), kPort}, {})) << host;
    }
  }
}

TEST_P(Spellings, DnsLeadsNobodyThere) {
  std::vector<Spelling> rows = kLiterals;
  rows.insert(rows.end(), kNumbers.begin(), kNumbers.end());
  rows.insert(rows.end(), kNames.begin(), kNames.end());
  const std::string name = "rebind.example.com";
  for (const Spelling& row : rows) {
    StubResolver resolver;
    resolver.Add(name, {{kPublicV4},                               // the first answer is harmless,
                        {row.address},                             // the second is not,
                        {kPublicV6, row.address, kPublicV4},       // and the third hides it between others
                        {row.address, kPublicV4}});
    EXPECT_EQ(Reached(name, resolver.Resolve(name)), Addresses{kPublicV4});
    EXPECT_EQ(Reached(name, resolver.Resolve(name)), Addresses{}) << row.address;
    EXPECT_EQ(Reached(name, resolver.Resolve(name)), (Addresses{kPublicV6, kPublicV4})) << row.address;
    EXPECT_EQ(Reached(name, resolver.Resolve(name)), Addresses{kPublicV4}) << row.address;
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, Spellings, ::testing::Range<size_t>(0, kPolicies.size()),
                         [](const auto& row) { return kPolicies[row.param].title; });

}  // namespace
}  // namespace culvert::egress
