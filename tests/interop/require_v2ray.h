// What a test does when there is no v2ray: skip and say so, or fail where CULVERT_REQUIRE_INTEROP=1 demands one.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/testing/v2ray.h"

#define CULVERT_SKIP_WITHOUT_V2RAY()                                                                      \
  do {                                                                                                    \
    if (!::culvert::testing::V2ray::FindBinary().empty()) break;                                          \
    const char* required = std::getenv("CULVERT_REQUIRE_INTEROP");                                        \
    if (required != nullptr && std::string(required) == "1") FAIL() << "no v2ray: run deploy/setup";      \
    GTEST_SKIP() << "SKIPPED: NO V2RAY HERE, so nothing was proved. Run deploy/setup, or set V2RAY_BIN."; \
  } while (false)
