// Messages of the API for the fuzz targets of the control plane: filled by their descriptors from the bytes of an input, and what
// whatever is said of them must look like.
// Thread: any; no state beside the caller's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "google/protobuf/message.h"

namespace culvert::fuzz {

// Stands in every field marked secret that is filled, and in no other.
inline constexpr char kCanary[] = "canary-4e1f-of-a-secret";

// The bytes of an input as decisions. After its end every decision is the first possibility.
class Choices {
 public:
  explicit Choices(ByteView bytes) : reader_(bytes) {}
  // Below `count`, which is at most 256.
  size_t Below(size_t count) { return count == 0 ? 0 : reader_.ReadU8() % count; }
  const std::string& Of(const std::vector<std::string>& pool) { return pool[Below(pool.size())]; }
  [[nodiscard]] bool AtEnd() const { return reader_.remaining() == 0; }
  ByteView Take(size_t size) { return reader_.ReadBytes(size < reader_.remaining() ? size : reader_.remaining()); }

 private:
  ByteReader reader_;
};

// What fields are filled with beside what their rules suggest.
struct Pools {
  std::vector<std::string> names{"", "l0", "l1", "d0", "d1", "f0", "none", "listeners/l0"};
  std::vector<std::string> learned{"", "\"0000000000000000\"", "AAAA"};  // etags, page tokens, names of sessions
};

// Sets up to 15 fields of `message`; a field may be set twice. Listeners, dialers and forwards begin as one of a few that are valid,
// so that most requests come further than the validator.
void FillMessage(google::protobuf::Message& message, const Pools& pools, Choices& choices, int depth = 0);

// A valid object of the kind of `message` (a Listener, Dialer or Forward).
void MakeValid(google::protobuf::Message& message, size_t which);
inline constexpr size_t kValidObjects = 8;

// Whether `path` names a field below `type`: "spec.kcp.mtu_bytes", "objects[2].metadata.name", "metadata.labels".
bool FieldExists(const google::protobuf::Descriptor& type, std::string_view path);

bool IsUtf8(std::string_view text);
// CULVERT_CHECK that says what it was about: a script is long, and the step of it that failed does not show in a stack.
void Require(bool holds, const char* what, const std::string& about);
// Well-formed UTF-8 without what moves a cursor; a newline is allowed where `lines`.
bool IsCleanText(std::string_view text, bool lines);

}  // namespace culvert::fuzz
