// Reading the vector files: where they are, and the parts the tests share.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/camouflage/packet_header.h"
#include "core/camouflage/sealed_datagram.h"

namespace culvert::golden {

using Json = nlohmann::json;
using Bytes = std::vector<uint8_t>;

// A field of a known type. Comparing a Json itself with a value is ambiguous to some compilers.
inline std::string Text(const Json& object, const char* key) { return object.at(key).get<std::string>(); }
inline uint64_t Number(const Json& object, const char* key) { return object.at(key).get<uint64_t>(); }

struct VectorFile {
  std::string name;  // without folder
  Json content;
};

// All files of one kind (the "kind" field). Fails the running test when the folder cannot be read.
std::vector<VectorFile> LoadVectors(const std::string& kind);

Bytes FromHex(const std::string& hex);
std::string ToHex(ByteView bytes);

// One configuration and what was captured under it: a whole file, or a group of one that holds several.
struct Capture {
  std::string name;
  HeaderType header;
  std::unique_ptr<DatagramSealer> sealer;
  Json packets;
  Json streams;  // null where the file lists none
};

// `group` has "header", "security", "seed" and "packets"; one of kind "quic-outer" has "key" in place of "seed".
Capture MakeCapture(const std::string& name, const Json& group);

// Every capture of every mKCP file: sequences, specials and singles.
std::vector<Capture> LoadCaptures();

// Who wrote a packet's disguise header. A dialler has a writer per connection, a listener one for all its peers
// (spec/headers.md).
std::string WriterOf(const Json& packet);

// The listed header fields as the state from which a writer writes exactly this header next.
HeaderWriter::State StateToWrite(HeaderType type, const Json& header_fields);

// A random source that yields the given bytes, once.
class GivenBytes final : public RandomSource {
 public:
  explicit GivenBytes(Bytes bytes) : bytes_(std::move(bytes)) {}
  void Fill(ByteSpan out) override;
  size_t left() const { return bytes_.size() - used_; }

 private:
  Bytes bytes_;
  size_t used_ = 0;
};

}  // namespace culvert::golden
