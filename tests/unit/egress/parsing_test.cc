// What an entry of allowed_destinations may be, and what is said about one that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/egress/destination_policy.h"
#include "core/egress/entry.h"

namespace culvert::egress {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = Entry::Kind;

struct Good {
  std::string_view text;
  Kind kind;
  std::string_view host;  // the name, or ADDRESS/BITS
  uint16_t first_port;
  uint16_t last_port;
};

TEST(EntryParse, TakesEveryForm) {
  const Good cases[] = {
      {"db.internal:5432", Kind::kName, "db.internal", 5432, 5432},
      {"localhost:80", Kind::kName, "localhost", 80, 80},
      {"DB.Internal.:1-1023", Kind::kName, "db.internal", 1, 1023},
      {"my_service-2:65535", Kind::kName, "my_service-2", 65535, 65535},
      {"xn--bcher-kva.example:443", Kind::kName, "xn--bcher-kva.example", 443, 443},
      {"1.2.3.4.example:*", Kind::kName, "1.2.3.4.example", 1, 65535},
      {"4dots:80-80", Kind::kName, "4dots", 80, 80},
      {"*.example.com:*", Kind::kNamesBelow, ".example.com", 1, 65535},
      {"*.Example.COM.:443", Kind::kNamesBelow, ".example.com", 443, 443},
      {"*.com:443", Kind::kNamesBelow, ".com", 443, 443},
      {"*:443", Kind::kAny, "", 443, 443},
      {"*:*", Kind::kAny, "", 1, 65535},
      {"10.1.2.3:80", Kind::kAddresses, "10.1.2.3/32", 80, 80},
      {"10.0.0.0/8:1-1023", Kind::kAddresses, "10.0.0.0/8", 1, 1023},
      {"10.1.2.3/32:80", Kind::kAddresses, "10.1.2.3/32", 80, 80},
      {"10.128.0.0/9:80", Kind::kAddresses, "10.128.0.0/9", 80, 80},
      {"0.0.0.0/0:*", Kind::kAddresses, "0.0.0.0/0", 1, 65535},
      {"127.0.0.0/8:*", Kind::kAddresses, "127.0.0.0/8", 1, 65535},
      {"[fd00::1]:443", Kind::kAddresses, "fd00::1/128", 443, 443},
      {"[FD00::]/8:443", Kind::kAddresses, "fd00::/8", 443, 443},
      {"[::]/0:*", Kind::kAddresses, "::/0", 1, 65535},
      {"[::1]:8000-9000", Kind::kAddresses, "::1/128", 8000, 9000},
      {"[64:ff9b::]/96:443", Kind::kAddresses, "64:ff9b::/96", 443, 443},
      {"[64:ff9b::8.8.8.8]:443", Kind::kAddresses, "64:ff9b::808:808/128", 443, 443},
  };
  for (const Good& good : cases) {
    const auto entry = Entry::Parse(good.text);
    ASSERT_TRUE(entry.ok()) << entry.status();
    EXPECT_EQ(entry->kind, good.kind) << good.text;
    const std::string addresses = entry->base.ToString() + "/" + std::to_string(entry->prefix_bits);
    EXPECT_EQ(good.kind == Kind::kAddresses ? addresses : entry->name, good.host) << good.text;
    EXPECT_EQ(entry->first_port, good.first_port) << good.text;
    EXPECT_EQ(entry->last_port, good.last_port) << good.text;
  }
}

TEST(EntryParse, SaysWhatIsWrong) {
  const std::string long_label = std::string(64, 'a') + ".example:80";
  std::string long_name = "a";
  while (long_name.size() < 254) long_name += ".a";
  long_name += ":80";
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "an entry is HOST:PORTS"},
      {"example.com", "no ports are given"},
      {"10.0.0.0/8", "no ports are given"},
      {"*", "no ports are given"},
      {"[::1]", "no ports are given"},
      {"[fd00::]/8", "no ports are given"},
      {":80", "no host"},
      {":*", "no host"},
      {"example.com:", "no ports stand behind the colon"},
      {"[::1]:", "no ports stand behind the colon"},
      {"example.com:0", "from 1 to 65535"},
      {"example.com:65536", "from 1 to 65535"},
      {"example.com:99999999999", "from 1 to 65535"},
      {"example.com:-1", "from 1 to 65535"},
      {"example.com:+80", "from 1 to 65535"},
      {"example.com:80 ", "from 1 to 65535"},
      {"example.com: 80", "from 1 to 65535"},
      {"example.com:http", "from 1 to 65535"},
      {"example.com:0x50", "from 1 to 65535"},
      {"example.com:80-", "from 1 to 65535"},
      {"example.com:-", "from 1 to 65535"},
      {"example.com:0-80", "from 1 to 65535"},
      {"example.com:80-*", "from 1 to 65535"},
      {"example.com:1-2-3", "from 1 to 65535"},
      {"example.com:80--90", "from 1 to 65535"},
      {"example.com:90-80", "ends before it begins; write 80-90"},
      {"example.com:80,443", "write an entry for each"},
      {"http://example.com:80", "without a scheme"},
      {"https://10.0.0.1", "without a scheme"},
      {"::1:80", "in brackets"},
      {"fd00::1", "in brackets"},
      {"fd00::/8:443", "in brackets"},
      {"example.com:80:90", "more than one colon"},
      {"[::1:80", "not closed"},
      {"[::1]80", "no ports are given"},
      {"[::1]x:80", "behind the bracket stands"},
      {"[fd00::/8]:443", "behind the bracket: [fd00::]/8:443"},
      {"[fe80::1%eth0]:80", "zone"},
      {"[example.com]:80", "not an IPv6 address"},
      {"[]:80", "not an IPv6 address"},
      {"[10.0.0.1]:80", "without brackets: 10.0.0.1"},
      {"[::ffff:10.0.0.1]:80", "write an IPv4 address as such"},
      {"[::ffff:0:0]/96:80", "write an IPv4 address as such"},
      {"10.0.0.0/33:80", "a prefix of IPv4 has 0 to 32 bits"},
      {"10.0.0.0/-1:80", "a prefix of IPv4 has 0 to 32 bits"},
      {"0.0.0.0/-0:80", "a prefix of IPv4 has 0 to 32 bits"},
      {"10.0.0.0/:80", "a prefix of IPv4 has 0 to 32 bits"},
      {"10.0.0.0/255.0.0.0:80", "a prefix of IPv4 has 0 to 32 bits"},
      {"10.0.0.0/8/8:80", "a prefix of IPv4 has 0 to 32 bits"},
      {"[fd00::]/129:80", "a prefix of IPv6 has 0 to 128 bits"},
      {"[fd00::]/:80", "a prefix of IPv6 has 0 to 128 bits"},
      {"10.1.2.3/8:80", "write 10.0.0.0/8"},
      {"10.0.0.1/31:80", "write 10.0.0.0/31"},
      {"[fd00::1]/64:80", "write [fd00::]/64"},
      {"example.com/24:80", "only an IP address has a prefix"},
      {"*/0:80", "only an IP address has a prefix"},
      {"*.*.example.com:80", "whole first label"},
      {"db*.example.com:80", "whole first label"},
      {"db.*.com:80", "whole first label"},
      {"**:80", "whole first label"},
      {"*.:80", "labels of 1 to 63"},
      {".:80", "labels of 1 to 63"},
      {".example.com:80", "labels of 1 to 63"},
      {"example..com:80", "labels of 1 to 63"},
      {"example.com..:80", "labels of 1 to 63"},
      {"exa mple.com:80", "labels of 1 to 63"},
      {" example.com:80", "labels of 1 to 63"},
      {"user@example.com:80", "labels of 1 to 63"},
      {long_label, "labels of 1 to 63"},
      {long_name, "at most 253 bytes"},
      {"b\xc3\xbc" "cher.example:443", "xn--"},
      {"*.10.0.0.1:80", "no names below an address"},
      {"10.0.0.1.:80", "no final dot"},
      {"127.1:80", "neither an IP address nor a name"},
      {"10.0.0.256:80", "neither an IP address nor a name"},
      {"1.2.3.4.5:80", "neither an IP address nor a name"},
      {"0x7f000001:80", "neither an IP address nor a name"},
      {"2130706433:80", "neither an IP address nor a name"},
      {"*.1:80", "neither an IP address nor a name"},
      {"0.0.0.0:80", "never reached"},
      {"224.0.0.0/4:80", "never reached"},
      {"255.255.255.255:80", "never reached"},
      {"[::]:80", "never reached"},
      {"[ff02::]/16:80", "never reached"},
      {"[64:ff9b::127.0.0.1]:80", "never reached"},
  };
  for (const auto& [text, complaint] : cases) {
    const auto entry = Entry::Parse(text);
    EXPECT_EQ(entry.status().code(), absl::StatusCode::kInvalidArgument) << text;
    const std::string message(entry.status().message());
    EXPECT_THAT(message, StartsWith("\"" + std::string(text) + "\": "));
    EXPECT_THAT(message, HasSubstr(std::string(complaint)));
  }
}

TEST(EntryParse, ShowsWhatCannotBePrinted) {
  EXPECT_THAT(std::string(Entry::Parse("a\r\n\x1b[31m.example:80").status().message()),
              StartsWith("\"a\\r\\n\\033[31m.example:80\": "));
  EXPECT_THAT(std::string(Entry::Parse(std::string_view("127.0.0.1\0:80", 13)).status().message()),
              StartsWith("\"127.0.0.1\\000:80\": "));
}

TEST(EntryParse, CutsALongEntryBetweenCharacters) {
  std::string text = "x";  // so that 300 bytes end within a character
  for (int i = 0; i < 1000; ++i) text += "\xc3\xbc";
  const std::string message(Entry::Parse(text + ":80").status().message());
  EXPECT_THAT(message, StartsWith("\"" + text.substr(0, 299) + "...\": "));
}

TEST(Create, TellsWhichEntryIsWrong) {
  size_t index = 77;
  const auto policy = DestinationPolicy::Create({"*:443", "10.0.0.0/8:80", "10.0.0.0/33:80", ":"}, &index);
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(policy.status().message(), "\"10.0.0.0/33:80\": a prefix of IPv4 has 0 to 32 bits");
  EXPECT_EQ(index, 2u);
  EXPECT_FALSE(DestinationPolicy::Create({"*"}).ok());
}

TEST(Create, LeavesTheIndexAloneWhenAllIsWell) {
  size_t index = 77;
  EXPECT_TRUE(DestinationPolicy::Create({"*:443"}, &index).ok());
  EXPECT_TRUE(DestinationPolicy::Create({}, &index).ok());
  EXPECT_EQ(index, 77u);
}

TEST(Create, HasALimit) {
  std::vector<std::string> entries(DestinationPolicy::kMaxEntries, "db.internal:5432");
  EXPECT_TRUE(DestinationPolicy::Create(entries).ok());
  entries.push_back("last:80");
  size_t index = 0;
  const auto policy = DestinationPolicy::Create(entries, &index);
  EXPECT_EQ(policy.status().message(), "\"last:80\": there are more than 1024 entries");
  EXPECT_EQ(index, 1024u);
}

}  // namespace
}  // namespace culvert::egress
