#include "server/source_filter.h"

#include <gtest/gtest.h>

namespace culvert::server {
namespace {

using std::chrono::seconds;

SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }
constexpr TimePoint kStart{seconds(1000)};

TEST(SourceFilter, AdmitsClients) {
  SourceFilter filter(At("0.0.0.0:4000"));
  EXPECT_TRUE(filter.Admits(kStart, At("198.51.100.7:40000")));
  EXPECT_TRUE(filter.Admits(kStart, At("[2001:db8::1]:40000")));
  EXPECT_TRUE(filter.Admits(kStart, At("198.51.100.7:4000")));  // same port, another machine
}

TEST(SourceFilter, RefusesItselfAndEverybody) {
  SourceFilter any(At("0.0.0.0:4000"));
  EXPECT_FALSE(any.Admits(kStart, At("127.0.0.1:4000")));
  EXPECT_FALSE(any.Admits(kStart, At("255.255.255.255:4001")));
  EXPECT_FALSE(any.Admits(kStart, {}));
  SourceFilter one(At("192.0.2.1:4000"));
  EXPECT_FALSE(one.Admits(kStart, At("192.0.2.1:4000")));
  EXPECT_TRUE(one.Admits(kStart, At("127.0.0.1:4000")));
}

TEST(SourceFilter, ThrottlesReflectorPortsEachForItself) {
  SourceFilter filter(At("0.0.0.0:4000"));
  const SocketAddress mdns = At("198.51.100.7:5353");
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(filter.Admits(kStart, mdns)) << i;
  EXPECT_FALSE(filter.Admits(kStart, mdns));
  EXPECT_FALSE(filter.Admits(kStart, At("198.51.100.8:5353")));
  EXPECT_TRUE(filter.Admits(kStart, At("198.51.100.7:11211")));
  EXPECT_TRUE(filter.Admits(kStart + seconds(1), mdns));
}

}  // namespace
}  // namespace culvert::server
