// The seed decides what BoringSSL draws: keys, serial numbers and the nonces of signatures.
#include "tests/sim/quic_random.h"

#include <gtest/gtest.h>

#include "tests/testing/certificate_maker.h"

namespace culvert::sim {
namespace {

testing::Certificate Make(uint64_t seed, int draws_before = 0) {
  testing::CertificateOptions options{
      .common_name = "somebody", .not_before_unix_seconds = 1'600'000'000, .not_after_unix_seconds = 2'000'000'000};
  for (int i = 0; i < draws_before; ++i) (void)testing::MakeCertificate(options, nullptr);
  CulvertSeedBoringSsl(seed);
  return testing::MakeCertificate(options, nullptr);
}

TEST(QuicRandom, OneSeedGivesTheSameKeysAndSignatures) {
  const testing::Certificate one = Make(7);
  const testing::Certificate same = Make(7, 3);
  EXPECT_EQ(one.private_key_pem, same.private_key_pem);
  EXPECT_EQ(one.certificate_pem, same.certificate_pem);
}

TEST(QuicRandom, AnotherSeedGivesOthers) {
  EXPECT_NE(Make(7).private_key_pem, Make(8).private_key_pem);
}

TEST(QuicRandom, WhatFollowsIsNotTheSameAgain) {
  CulvertSeedBoringSsl(7);
  const testing::Certificate first = testing::MakeSelfSigned({"a.example"});
  const testing::Certificate second = testing::MakeSelfSigned({"a.example"});
  EXPECT_NE(first.private_key_pem, second.private_key_pem);
}

}  // namespace
}  // namespace culvert::sim
