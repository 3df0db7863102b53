// SHA-256 of a stream of bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/bytes.h"

namespace culvert::testing {

using Digest = std::array<uint8_t, 32>;

class StreamDigest {
 public:
  StreamDigest();
  ~StreamDigest();
  StreamDigest(const StreamDigest&) = delete;
  StreamDigest& operator=(const StreamDigest&) = delete;

  void Add(ByteView bytes);
  // The digest of everything added. Once.
  Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string ToHex(ByteView bytes);

}  // namespace culvert::testing
