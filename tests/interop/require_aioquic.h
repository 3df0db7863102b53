// What a test does when there is no aioquic: skip and say so, or fail where CULVERT_REQUIRE_INTEROP=1 demands one.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/testing/aioquic.h"

#define CULVERT_SKIP_WITHOUT_AIOQUIC()                                                                 \
  do {                                                                                                 \
    const std::string why_not = ::culvert::testing::Aioquic::WhyNot();                                 \
    if (why_not.empty()) break;                                                                        \
    const char* required = std::getenv("CULVERT_REQUIRE_INTEROP");                                     \
    if (required != nullptr && std::string(required) == "1") FAIL() << why_not;                        \
    GTEST_SKIP() << "SKIPPED: NO INDEPENDENT QUIC HERE, so nothing was proved. " << why_not;           \
  } while (false)
