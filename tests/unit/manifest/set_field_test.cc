#include "proto/manifest/set_field.h"
#include "culvert/v1/dialer.pb.h"
#include "gtest/gtest.h"

namespace culvert::manifest {
namespace {

std::string Error(v1::DialerSpec& spec, const std::string& path, const std::string& value) {
  return std::string(SetField(spec, path, value, "/base").message());
}

TEST(SetField, SetsByPath) {
  v1::DialerSpec spec;
  EXPECT_EQ(Error(spec, "transport", "KCP"), "");
  EXPECT_EQ(Error(spec, "kcp.seed_file", "seed"), "");
  EXPECT_EQ(Error(spec, "kcp.mtuBytes", "1350"), "");
  EXPECT_EQ(Error(spec, "targets", "a:1,b:2"), "");
  EXPECT_EQ(Error(spec, "dial_timeout", "5s"), "");
  EXPECT_EQ(Error(spec, "insecure", "true"), "");
  EXPECT_EQ(spec.kcp().seed_file(), "/base/seed");
  EXPECT_EQ(spec.kcp().mtu_bytes(), 1350u);
  EXPECT_EQ(spec.targets_size(), 2);
  EXPECT_EQ(spec.dial_timeout().seconds(), 5);
  EXPECT_TRUE(spec.insecure());
}

TEST(SetField, SaysWhatIsWrong) {
  v1::DialerSpec spec;
  EXPECT_EQ(Error(spec, "kcp.mtu", "1"), "kcp.mtu: unknown field (did you mean mtu_bytes?)");
  EXPECT_EQ(Error(spec, "kcp", "x"), "kcp: has fields of its own, name one of them");
  EXPECT_EQ(Error(spec, "insecure.x", "true"), "insecure: has no fields of its own");
  EXPECT_EQ(Error(spec, "", "x"), ": unknown field");
  EXPECT_EQ(Error(spec, "insecure", "yes"), "insecure: \"yes\" is not true or false");
  EXPECT_EQ(Error(spec, "kcp.header", "SRPT"),
            "kcp.header: \"SRPT\" is not one of NONE, SRTP, UTP, WECHAT_VIDEO, DTLS, WIREGUARD (did you mean SRTP?)");
}

}  // namespace
}  // namespace culvert::manifest
