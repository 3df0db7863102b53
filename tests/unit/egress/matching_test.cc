// Which destinations a policy allows: by name, by address, and never on a port of our own.
#include <gtest/gtest.h>

#include "core/egress/destination_policy.h"

namespace culvert::egress {
namespace {

using Policy = std::shared_ptr<const DestinationPolicy>;

Policy Make(const std::vector<std::string>& entries) {
  auto policy = DestinationPolicy::Create(entries);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy.ok() ? *policy : nullptr;
}

SocketAddress At(std::string_view text) {
  const auto address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << text;
  return address.ok() ? *address : SocketAddress();
}

struct NamedCase {
  std::vector<std::string> entries;
  HostPort destination;
  bool allowed;
};

TEST(AllowsNamed, JudgesNames) {
  const NamedCase cases[] = {
      {{}, {"example.com", 443}, false},
      {{"example.com:443"}, {"example.com", 443}, true},
      {{"example.com:443"}, {"EXAMPLE.Com", 443}, true},
      {{"example.com:443"}, {"example.com.", 443}, true},
      {{"EXAMPLE.com.:443"}, {"example.com", 443}, true},
      {{"example.com:443"}, {"example.com..", 443}, false},
      {{"example.com:443"}, {"example.com", 442}, false},
      {{"example.com:443"}, {"example.com", 0}, false},
      {{"example.com:*"}, {"example.com", 0}, false},
      {{"example.com:*"}, {"example.com", 1}, true},
      {{"example.com:*"}, {"example.com", 65535}, true},
      {{"example.com:80-90"}, {"example.com", 79}, false},
      {{"example.com:80-90"}, {"example.com", 80}, true},
      {{"example.com:80-90"}, {"example.com", 90}, true},
      {{"example.com:80-90"}, {"example.com", 91}, false},
      {{"example.com:443"}, {"www.example.com", 443}, false},
      {{"example.com:443"}, {"example.org", 443}, false},
      {{"a.example:1", "b.example:2"}, {"b.example", 2}, true},
      {{"a.example:1", "b.example:2"}, {"b.example", 1}, false},
      {{"*.example.com:443"}, {"www.example.com", 443}, true},
      {{"*.example.com:443"}, {"WWW.EXAMPLE.COM.", 443}, true},
      {{"*.example.com:443"}, {"a.b.c.example.com", 443}, true},
      {{"*.example.com:443"}, {"example.com", 443}, false},
      {{"*.example.com:443"}, {".example.com", 443}, false},
      {{"*.example.com:443"}, {"notexample.com", 443}, false},
      {{"*.example.com:443"}, {"www.example.com.evil", 443}, false},
      {{"*:443"}, {"anything", 443}, true},
      {{"*:443"}, {"anything", 80}, false},
      // An entry of addresses lets names through: their addresses decide.
      {{"10.0.0.0/8:443"}, {"anything", 443}, true},
      {{"10.0.0.0/8:443"}, {"anything", 80}, false},
      // What resolvers take for numbers is a name until it is resolved.
      {{"*:443"}, {"127.1", 443}, true},
      {{"*.example.com:443"}, {"127.1", 443}, false},
  };
  for (const NamedCase& row : cases) {
    EXPECT_EQ(Make(row.entries)->AllowsNamed(row.destination), row.allowed)
        << (row.entries.empty() ? "" : row.entries[0]) << " " << row.destination.ToString();
  }
}

TEST(AllowsNamed, JudgesAddresses) {
  const NamedCase cases[] = {
      {{"10.0.0.0/8:80"}, {"10.255.0.1", 80}, true},
      {{"10.0.0.0/8:80"}, {"10.255.0.1.", 80}, true},
      {{"10.0.0.0/8:80"}, {"11.0.0.1", 80}, false},
      {{"10.0.0.0/8:80"}, {"10.0.0.1", 81}, false},
      {{"10.0.0.0/8:80"}, {"::ffff:10.0.0.1", 80}, true},
      {{"10.0.0.0/8:80"}, {"64:ff9b::10.0.0.1", 80}, false},
      {{"0.0.0.0/0:80"}, {"fd00::1", 80}, false},
      {{"[::]/0:80"}, {"10.0.0.1", 80}, false},
      {{"[fd00::]/8:80"}, {"fdff::1", 80}, true},
      {{"[fd00::]/8:80"}, {"FDFF:0:0::1", 80}, true},
      {{"[fd00::]/8:80"}, {"fc00::1", 80}, false},
      {{"10.128.0.0/9:80"}, {"10.128.0.1", 80}, true},
      {{"10.128.0.0/9:80"}, {"10.127.0.1", 80}, false},
      {{"10.0.0.1:80"}, {"10.0.0.1", 80}, true},
      {{"10.0.0.1:80"}, {"10.0.0.2", 80}, false},
      {{"*:80"}, {"10.0.0.1", 80}, true},
      {{"*:80"}, {"127.0.0.1", 80}, false},
      {{"127.0.0.1:80"}, {"127.0.0.1", 80}, true},
      {{"127.0.0.1:80"}, {"127.0.0.1", 81}, false},
      {{"localhost:80"}, {"127.0.0.1", 80}, false},
  };
  for (const NamedCase& row : cases) {
    EXPECT_EQ(Make(row.entries)->AllowsNamed(row.destination), row.allowed)
        << row.entries[0] << " " << row.destination.ToString();
  }
}

TEST(AllowsNamed, TakesHostsOnly) {
  const Policy policy = Make({"*:*", "0.0.0.0/0:*", "[::]/0:*"});
  std::string longest = "a";
  while (longest.size() < 253) longest += ".a";
  EXPECT_TRUE(policy->AllowsNamed({longest, 80}));
  const std::string labels = std::string(63, 'x') + ".example";
  EXPECT_TRUE(policy->AllowsNamed({labels, 80}));
  const std::string hosts[] = {
      "", ".", "..", "a..b", ".a", "a b", " a", "a ", "a\tb", "a\nb", "a\r\nHost: b", std::string("a\0b", 3), std::string("\0", 1),
      "\x7f", "a\x1b[0m", "a/b", "a:b", "a%b", "a@b", "[::1]", "::1%lo", "a?b", "a#b", "a\\b", "*", "*.example.com", "a,b",
      "b\xc3\xbc" "cher.example", "a\xc2\xa0" "b", "127\xe3\x80\x82" "0\xe3\x80\x82" "0\xe3\x80\x82" "1", longest + "a", longest + ".",
      "x" + labels,
      std::string(1 << 16, 'a'),
  };
  for (const std::string& host : hosts) {
    EXPECT_FALSE(policy->AllowsNamed({host, 80})) << host;
    EXPECT_FALSE(policy->AllowsAddress({host, 80}, At("10.0.0.1:80"), {})) << host;
  }
}

struct AddressCase {
  std::vector<std::string> entries;
  HostPort named;
  std::string_view address;
  bool allowed;
};

TEST(AllowsAddress, NeedsAnEntryAndAReach) {
  const AddressCase cases[] = {
      {{}, {"db", 80}, "10.0.0.1:80", false},
      {{"db:80"}, {"db", 80}, "10.0.0.1:80", true},
      {{"db:80"}, {"DB.", 80}, "[fd00::1]:80", true},
      {{"db:80"}, {"db", 80}, "10.0.0.1:81", false},   // not the port that was named
      {{"db:*"}, {"db", 80}, "10.0.0.1:81", false},
      {{"db:80"}, {"db", 81}, "10.0.0.1:81", false},
      {{"db:*"}, {"db", 0}, "10.0.0.1:0", false},
      {{"db:80"}, {"other", 80}, "10.0.0.1:80", false},
      {{"*.example.com:80"}, {"db.example.com", 80}, "10.0.0.1:80", true},
      {{"*:80"}, {"db", 80}, "10.0.0.1:80", true},
      {{"10.0.0.0/8:80"}, {"db", 80}, "10.0.0.1:80", true},
      {{"10.0.0.0/8:80"}, {"db", 80}, "11.0.0.1:80", false},
      {{"10.0.0.0/8:1-79"}, {"db", 80}, "10.0.0.1:80", false},
      {{"10.0.0.0/8:80"}, {"db", 80}, "[64:ff9b::a00:1]:80", false},
      {{"[64:ff9b::]/96:80"}, {"db", 80}, "[64:ff9b::a00:1]:80", true},
      {{"[64:ff9b::]/96:80"}, {"db", 80}, "[64:ff9b::7f00:1]:80", false},
      // An address that was named stands for itself.
      {{"*:80"}, {"10.0.0.1", 80}, "10.0.0.1:80", true},
      {{"*:80"}, {"10.0.0.1", 80}, "10.0.0.2:80", false},
      {{"*:80"}, {"::ffff:10.0.0.1", 80}, "10.0.0.1:80", true},
      // Loopback and link-local: only an entry inside them helps.
      {{"localhost:80"}, {"localhost", 80}, "127.0.0.1:80", false},
      {{"*:80"}, {"localhost", 80}, "127.0.0.1:80", false},
      {{"0.0.0.0/0:80"}, {"localhost", 80}, "127.0.0.1:80", false},
      {{"126.0.0.0/7:80"}, {"localhost", 80}, "127.0.0.1:80", false},
      {{"127.0.0.0/8:80"}, {"localhost", 80}, "127.0.0.1:80", true},
      {{"127.0.0.0/8:80"}, {"127.9.9.9", 80}, "127.9.9.9:80", true},
      {{"127.0.0.1:80"}, {"localhost", 80}, "127.0.0.1:80", true},
      {{"127.0.0.1:80"}, {"localhost", 80}, "127.0.0.2:80", false},
      {{"127.0.0.1:80", "*:81"}, {"localhost", 81}, "127.0.0.1:81", false},
      {{"127.0.0.1:80"}, {"localhost", 80}, "[::1]:80", false},
      {{"0.0.0.0/0:80", "127.0.0.1:80"}, {"localhost", 80}, "127.0.0.1:80", true},
      {{"[::1]:80"}, {"localhost", 80}, "[::1]:80", true},
      {{"[::]/127:80"}, {"localhost", 80}, "[::1]:80", false},
      {{"[::]/0:80"}, {"localhost", 80}, "[::1]:80", false},
      {{"169.254.0.0/16:80"}, {"meta", 80}, "169.254.169.254:80", true},
      {{"169.254.169.254:80"}, {"meta", 80}, "169.254.169.254:80", true},
      {{"169.254.0.0/15:80"}, {"meta", 80}, "169.254.169.254:80", false},
      {{"[fe80::]/10:80"}, {"near", 80}, "[fe80::1]:80", true},
      {{"[fe80::]/9:80"}, {"near", 80}, "[fe80::1]:80", false},
      {{"[fe80::]/10:80"}, {"near", 80}, "[fec0::1]:80", false},
      {{"[fec0::]/10:80"}, {"near", 80}, "[fec0::1]:80", true},
      {{"[fe80::]/10:80"}, {"near", 80}, "[fe80::5efe:7f00:1]:80", false},
      {{"100.100.100.200:80"}, {"meta", 80}, "100.100.100.200:80", true},
      {{"100.100.100.200/31:80"}, {"meta", 80}, "100.100.100.200:80", false},
      {{"100.100.100.200/31:80"}, {"meta", 80}, "100.100.100.201:80", true},
      {{"[fd00:ec2::254]:80"}, {"meta", 80}, "[fd00:ec2::254]:80", true},
      {{"[fd00:ec2::]/32:80"}, {"meta", 80}, "[fd00:ec2::254]:80", false},
      {{"[fd00::]/8:80"}, {"meta", 80}, "[fd00:ec2::254]:80", false},
      {{"[fd00::]/8:80"}, {"meta", 80}, "[fd00:ec2::255]:80", true},
      // Nothing helps here.
      {{"*:80", "0.0.0.0/0:80"}, {"db", 80}, "0.0.0.0:80", false},
      {{"*:80", "0.0.0.0/0:80"}, {"db", 80}, "0.1.2.3:80", false},
      {{"*:80", "0.0.0.0/0:80", "224.0.0.0/3:80"}, {"db", 80}, "239.1.1.1:80", false},
      {{"*:80", "[fe00::]/7:80"}, {"db", 80}, "[ff02::1]:80", false},
  };
  for (const AddressCase& row : cases) {
    EXPECT_EQ(Make(row.entries)->AllowsAddress(row.named, At(row.address), {}), row.allowed)
        << (row.entries.empty() ? "" : row.entries[0]) << " " << row.named.ToString() << " " << row.address;
  }
}

TEST(AllowsAddress, AnswersNothingForNoAddress) {
  EXPECT_FALSE(Make({"*:*"})->AllowsAddress({"db", 80}, {IpAddress(), 80}, {}));
}

TEST(AllowsAddress, NeverReachesOurOwnPorts) {
  const Policy policy = Make({"*:*", "10.0.0.5:7000", "127.0.0.0/8:*", "[::1]:*"});
  struct Case {
    std::vector<std::string_view> own;
    std::string_view address;
    bool allowed;
  };
  const Case cases[] = {
      {{"10.0.0.5:7000"}, "10.0.0.5:7000", false},
      {{"[::ffff:10.0.0.5]:7000"}, "10.0.0.5:7000", false},
      {{"10.0.0.5:7000"}, "10.0.0.5:7001", true},
      {{"10.0.0.5:7000"}, "10.0.0.6:7000", true},
      {{"10.0.0.6:1", "10.0.0.5:7000"}, "10.0.0.5:7000", false},
      {{"10.0.0.5:7000"}, "[64:ff9b::10.0.0.5]:7000", false},
      {{"10.0.0.5:7000"}, "[64:ff9b:1:fffe::10.0.0.5]:7000", false},
      {{"10.0.0.5:7000"}, "[64:ff9b::10.0.0.6]:7000", true},
      {{"10.0.0.5:7000"}, "[2002:a00:5::1]:7000", false},
      {{"127.0.0.1:7000"}, "127.0.0.1:7000", false},
      {{"127.0.0.1:7000"}, "127.0.0.2:7000", true},
      {{"[fd00::5]:7000"}, "[fd00::5]:7000", false},
      {{"[fd00::5]:7000"}, "[fd00::6]:7000", true},
      {{"0.0.0.0:7000"}, "127.0.0.1:7000", false},
      {{"0.0.0.0:7000"}, "127.9.9.9:7000", false},
      {{"0.0.0.0:7000"}, "127.0.0.1:7001", true},
      {{"0.0.0.0:7000"}, "[::1]:7000", true},
      {{"0.0.0.0:7000"}, "10.0.0.5:7000", true},  // the caller adds the addresses of the host
      {{"[::]:7000"}, "[::1]:7000", false},
      {{"[::]:7000"}, "127.0.0.1:7000", false},
      {{"[::]:7000"}, "127.0.0.1:7001", true},
  };
  for (const Case& row : cases) {
    std::vector<SocketAddress> own;
    for (const std::string_view text : row.own) own.push_back(At(text));
    const SocketAddress address = At(row.address);
    EXPECT_EQ(policy->AllowsAddress({"db", address.port}, address, own), row.allowed) << row.own[0] << " " << row.address;
    EXPECT_EQ(policy->AllowsAddress({address.ip.ToString(), address.port}, address, own), row.allowed) << row.address;
    EXPECT_TRUE(policy->AllowsAddress({"db", address.port}, address, {})) << row.address;
  }
}

TEST(Policy, JudgesByItsLastEntryToo) {
  std::vector<std::string> entries;
  for (size_t i = 1; i < DestinationPolicy::kMaxEntries; ++i) entries.push_back("h" + std::to_string(i) + ".example:80");
  entries.push_back("last.example:80");
  const Policy policy = Make(entries);
  EXPECT_TRUE(policy->AllowsNamed({"last.example", 80}));
  EXPECT_TRUE(policy->AllowsAddress({"last.example", 80}, At("10.0.0.1:80"), {}));
  EXPECT_FALSE(policy->AllowsNamed({"h1024.example", 80}));
}

}  // namespace
}  // namespace culvert::egress
