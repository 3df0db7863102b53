#include "tests/interop/quic_sessions.h"

#include <nlohmann/json.hpp>

namespace culvert::testing {
namespace {

using Json = nlohmann::json;

// Protobuf's JSON has 64-bit numbers as text and leaves out zeros.
uint64_t NumberIn(const Json& object, const char* key) {
  const auto field = object.find(key);
  if (field == object.end()) return 0;
  return field->is_string() ? std::stoull(field->get<std::string>()) : field->get<uint64_t>();
}

void Collect(const Json& value, std::string_view object, std::vector<QuicSessionSeen>& found) {
  if (value.is_object() && value.contains("remoteAddress")) {
    const bool is_quic = value.value("transport", "").find("QUIC") != std::string::npos;
    if (is_quic && (value.value("listener", "") == object || value.value("dialer", "") == object)) {
      const Json path = value.value("path", Json::object());
      found.push_back({value.value("name", ""), NumberIn(value, "openStreams"), NumberIn(value, "keyUpdates"),
                       NumberIn(path, "migrations"), value.value("remoteAddress", "")});
    }
    return;
  }
  if (value.is_structured()) {
    for (const Json& part : value) Collect(part, object, found);
  }
}

}  // namespace

std::vector<QuicSessionSeen> QuicSessionsOf(const std::string& json, std::string_view object) {
  std::vector<QuicSessionSeen> found;
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_discarded()) Collect(parsed, object, found);
  return found;
}

}  // namespace culvert::testing
