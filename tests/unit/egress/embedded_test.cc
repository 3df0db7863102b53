// ReachOf: the edges of its ranges, and IPv4 addresses in every IPv6 form that carries one.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "core/base/random.h"
#include "core/egress/address_class.h"
#include "core/egress/destination_policy.h"

namespace culvert::egress {
namespace {

using V4Bytes = std::array<uint8_t, 4>;
using V6Bytes = std::array<uint8_t, 16>;

TEST(ReachOf, KnowsItsRanges) {
  const std::pair<std::string_view, Reach> cases[] = {
      {"0.0.0.0", Reach::kNever},
      {"0.255.255.255", Reach::kNever},
      {"1.0.0.0", Reach::kOpen},
      {"10.0.0.1", Reach::kOpen},
      {"126.255.255.255", Reach::kOpen},
      {"127.0.0.0", Reach::kOnlyNamed},
      {"127.255.255.255", Reach::kOnlyNamed},
      {"128.0.0.0", Reach::kOpen},
      {"169.253.255.255", Reach::kOpen},
      {"169.254.0.0", Reach::kOnlyNamed},
      {"169.254.169.254", Reach::kOnlyNamed},
      {"169.254.255.255", Reach::kOnlyNamed},
      {"169.255.0.0", Reach::kOpen},
      {"100.100.100.200", Reach::kOnlyNamed},
      {"100.100.100.201", Reach::kOpen},
      {"192.0.0.192", Reach::kOnlyNamed},
      {"192.0.0.193", Reach::kOpen},
      {"168.63.129.16", Reach::kOnlyNamed},
      {"168.63.129.17", Reach::kOpen},
      {"223.255.255.255", Reach::kOpen},
      {"224.0.0.0", Reach::kNever},
      {"239.255.255.255", Reach::kNever},
      {"240.0.0.0", Reach::kNever},
      {"255.255.255.255", Reach::kNever},
      {"::", Reach::kNever},
      {"::1", Reach::kOnlyNamed},
      {"::2", Reach::kNever},  // 0.0.0.2
      {"100::", Reach::kNever},
      {"100::ffff:ffff:ffff:ffff", Reach::kNever},
      {"100:0:0:1::", Reach::kOpen},
      {"2001:db8::1", Reach::kNever},
      {"2001:db9::1", Reach::kOpen},
      {"3fff:fff::1", Reach::kNever},
      {"3fff:1000::1", Reach::kOpen},
      {"2a00::1", Reach::kOpen},
      {"fc00::1", Reach::kOpen},
      {"fd00:ec2::254", Reach::kOnlyNamed},
      {"fd00:ec2::253", Reach::kOpen},
      {"fd00:ec2::23", Reach::kOnlyNamed},
      {"fd20:ce::254", Reach::kOnlyNamed},
      {"fd00:c1::a9fe:a9fe", Reach::kOnlyNamed},
      {"fd00:42::42", Reach::kOnlyNamed},
      {"fd00:a9fe:a9fe::1", Reach::kOnlyNamed},
      {"fd00:100::100:200", Reach::kOnlyNamed},
      {"fe7f:ffff::1", Reach::kOpen},
      {"fe80::", Reach::kOnlyNamed},
      {"febf:ffff::1", Reach::kOnlyNamed},
      {"fec0::", Reach::kOnlyNamed},
      {"feff:ffff::1", Reach::kOnlyNamed},
      {"ff00::", Reach::kNever},
      {"ff02::1", Reach::kNever},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::kNever},
  };
  for (const auto& [text, reach] : cases) EXPECT_EQ(ReachOf(*IpAddress::Parse(text)), reach) << text;
  EXPECT_EQ(ReachOf(IpAddress()), Reach::kNever);
}

TEST(ReachOf, JudgesWhatAnAddressCarries) {
  const std::pair<std::string_view, Reach> cases[] = {
      {"::ffff:127.0.0.1", Reach::kOnlyNamed},  // is 127.0.0.1
      {"::ffff:8.8.8.8", Reach::kOpen},
      {"::127.0.0.1", Reach::kNever},
      {"::224.0.0.1", Reach::kNever},
      {"::10.0.0.1", Reach::kOpen},
      {"::ffff:0:127.0.0.1", Reach::kNever},
      {"::ffff:0:8.8.8.8", Reach::kOpen},
      {"64:ff9b::127.0.0.1", Reach::kNever},
      {"64:ff9b::0.0.0.0", Reach::kNever},
      {"64:ff9b::255.255.255.255", Reach::kNever},
      {"64:ff9b::100.100.100.200", Reach::kNever},
      {"64:ff9b::8.8.8.8", Reach::kOpen},
      {"64:ff9b::1:127.0.0.1", Reach::kOpen},  // not in the /96
      // RFC 8215 with each prefix length of RFC 6052; the octet between the halves belongs to none of them.
      {"64:ff9b:1::", Reach::kNever},
      {"64:ff9b:1:7f00:0:100::", Reach::kNever},
      {"64:ff9b:1:7f00:ff:100::", Reach::kNever},
      {"64:ff9b:1:7f00:0:100:1::", Reach::kNever},  // a suffix that should be zeros
      {"64:ff9b:1:7f:0:1::", Reach::kNever},
      {"64:ff9b:1:0:7f:0:100:0", Reach::kNever},
      {"64:ff9b:1::127.0.0.1", Reach::kNever},
      {"64:ff9b:1:a00:0:0:169.254.169.254", Reach::kNever},
      {"64:ff9b:1:e000:0:100::", Reach::kNever},   // 224.0.0.1
      {"64:ff9b:1:ef01:2:300::", Reach::kNever},   // 239.1.2.3
      {"64:ff9b:1:ffff:ff:ff00::", Reach::kNever},
      {"64:ff9b:1::224.0.0.1", Reach::kNever},
      {"64:ff9b:1:808:8:800::", Reach::kOpen},
      {"64:ff9b:1:8:8:808::", Reach::kOpen},
      {"64:ff9b:1:0:8:808:800:0", Reach::kOpen},
      {"64:ff9b:1::10.0.0.1", Reach::kOpen},
      {"64:ff9b:1:fffe::8.8.8.8", Reach::kOpen},
      {"64:ff9b:1:fffe::127.0.0.1", Reach::kNever},
      {"2002:7f00:1::", Reach::kNever},
      {"2002:a9fe:a9fe::1", Reach::kNever},
      {"2002:e000:1::1", Reach::kNever},
      {"2002:808:808::1", Reach::kOpen},
      {"2001:0:808:808:0:0:f7f7:f7f7", Reach::kOpen},
      {"2001:0:808:808:0:0:80ff:fffe", Reach::kNever},  // client 127.0.0.1
      {"2001:0:7f00:1:0:0:f7f7:f7f7", Reach::kNever},   // server 127.0.0.1
      {"2001:0:808:808::", Reach::kNever},              // client 255.255.255.255
      {"2a00::5efe:127.0.0.1", Reach::kNever},
      {"2a00::200:5efe:127.0.0.1", Reach::kNever},
      {"2a00::300:5efe:127.0.0.1", Reach::kNever},
      {"2a00::400:5efe:127.0.0.1", Reach::kOpen},  // no such interface identifier
      {"2a00::5efe:8.8.8.8", Reach::kOpen},
      {"fe80::5efe:8.8.8.8", Reach::kOnlyNamed},
      {"fe80::5efe:127.0.0.1", Reach::kNever},
      {"2002:808:808::5efe:127.0.0.1", Reach::kNever},  // two at once
      {"64:ff9b:1::5efe:127.0.0.1", Reach::kNever},
  };
  for (const auto& [text, reach] : cases) {
    const auto ip = IpAddress::Parse(text);
    ASSERT_TRUE(ip.ok()) << text;
    EXPECT_EQ(ReachOf(*ip), reach) << text;
  }
}

TEST(EmbeddedIn, HoldsTheMostThereCanBe) {
  const auto found = EmbeddedIn(*IpAddress::Parse("64:ff9b:1:102:0:5efe:127.0.0.1"));
  EXPECT_EQ(found.count, EmbeddedAddresses::kMax);
  EXPECT_EQ(EmbeddedIn(*IpAddress::Parse("127.0.0.1")).count, 0u);
  EXPECT_EQ(EmbeddedIn(*IpAddress::Parse("2a00::1")).count, 0u);
}

// How one form carries an address. `noise` fills what the form leaves open.
struct Form {
  std::string_view name;
  std::function<V6Bytes(const V4Bytes& ip, const V6Bytes& noise)> embed;
};

V6Bytes Put(V6Bytes to, std::initializer_list<uint8_t> head, std::array<size_t, 4> at, const V4Bytes& ip, uint8_t flip = 0) {
  std::copy(head.begin(), head.end(), to.begin());
  for (size_t i = 0; i < 4; ++i) to[at[i]] = static_cast<uint8_t>(ip[i] ^ flip);
  return to;
}

const std::vector<Form>& Forms() {
  constexpr std::array<size_t, 4> kLast = {12, 13, 14, 15};
  static const std::vector<Form> forms = {
      {"mapped", [=](auto& ip, auto&) { return Put({}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, kLast, ip); }},
      {"compatible", [=](auto& ip, auto&) { return Put({}, {}, kLast, ip); }},
      {"translated", [=](auto& ip, auto&) { return Put({}, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, kLast, ip); }},
      {"NAT64", [=](auto& ip, auto&) { return Put({}, {0, 0x64, 0xff, 0x9b}, kLast, ip); }},
      {"local NAT64 /48", [](auto& ip, auto& noise) { return Put(noise, {0, 0x64, 0xff, 0x9b, 0, 1}, {6, 7, 9, 10}, ip); }},
      {"local NAT64 /56", [](auto& ip, auto& noise) { return Put(noise, {0, 0x64, 0xff, 0x9b, 0, 1}, {7, 9, 10, 11}, ip); }},
      {"local NAT64 /64", [](auto& ip, auto& noise) { return Put(noise, {0, 0x64, 0xff, 0x9b, 0, 1}, {9, 10, 11, 12}, ip); }},
      {"local NAT64 /96", [=](auto& ip, auto& noise) { return Put(noise, {0, 0x64, 0xff, 0x9b, 0, 1}, kLast, ip); }},
      {"6to4", [](auto& ip, auto& noise) { return Put(noise, {0x20, 0x02}, {2, 3, 4, 5}, ip); }},
      {"Teredo server", [](auto& ip, auto& noise) { return Put(noise, {0x20, 0x01, 0, 0}, {4, 5, 6, 7}, ip); }},
      {"Teredo client", [=](auto& ip, auto& noise) { return Put(noise, {0x20, 0x01, 0, 0}, kLast, ip, 0xff); }},
      {"ISATAP",
       [=](auto& ip, auto& noise) {
         V6Bytes to = noise;
         to[0] = 0x2a;
         to[8] &= 0x02;
         to[9] = 0;
         to[10] = 0x5e;
         to[11] = 0xfe;
         return Put(to, {}, kLast, ip);
       }},
  };
  return forms;
}

constexpr uint64_t kSeed = 41;

TEST(EmbeddedForms, CarryNobodyToAProtectedAddress) {
  SeededRandom random(kSeed);
  const auto wildcard = *DestinationPolicy::Create({"*:*"});
  const auto ranges = *DestinationPolicy::Create({"0.0.0.0/0:*", "[::]/0:*", "[64:ff9b::]/32:*", "[2000::]/3:*", "[::]/64:*"});
  for (const Form& form : Forms()) {
    for (int i = 0; i < 3000; ++i) {
      V4Bytes ip;
      V6Bytes noise;
      random.Fill(ip);
      random.Fill(noise);
      switch (i % 3) {
        case 0:
          ip[0] = 127;
          break;
        case 1:
          ip[0] = 169;
          ip[1] = 254;
          break;
        case 2:
          ip = {100, 100, 100, 200};
          break;
      }
      const IpAddress address = IpAddress::V6(form.embed(ip, noise));
      const auto port = static_cast<uint16_t>(random.NextInRange(1, 65535));
      for (const auto* policy : {wildcard.get(), ranges.get()}) {
        ASSERT_FALSE(policy->AllowsNamed({address.ToString(), port})) << form.name << " " << address.ToString() << " seed " << kSeed;
        ASSERT_FALSE(policy->AllowsAddress({"rebound.example", port}, {address, port}, {}))
            << form.name << " " << address.ToString() << " seed " << kSeed;
      }
    }
  }
}

// Without this the test above could pass because the forms are denied whatever they carry.
TEST(EmbeddedForms, CarryToOrdinaryAddresses) {
  const auto wildcard = *DestinationPolicy::Create({"*:*"});
  V6Bytes noise;
  noise.fill(0x40);  // ordinary as an address and inverted
  for (const Form& form : Forms()) {
    const IpAddress address = IpAddress::V6(form.embed({8, 8, 4, 4}, noise));
    EXPECT_TRUE(wildcard->AllowsNamed({address.ToString(), 443})) << form.name << " " << address.ToString();
    EXPECT_TRUE(wildcard->AllowsAddress({"db.example", 443}, {address, 443}, {})) << form.name << " " << address.ToString();
  }
}

}  // namespace
}  // namespace culvert::egress
