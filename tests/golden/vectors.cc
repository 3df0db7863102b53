#include "tests/golden/vectors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace culvert::golden {
namespace {

std::filesystem::path Folder() {
  const char* given = std::getenv("CULVERT_VECTORS");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return given != nullptr && *given != '\0' ? given : CULVERT_DEFAULT_VECTORS;
}

std::unique_ptr<DatagramSealer> MakeSealer(const Json& group) {
  const std::string security = group.at("security");
  if (group.value("kind", "") == "quic-outer") {
    if (security == "none") return DatagramSealer::Plain();
    if (security == "aes-128-gcm") return DatagramSealer::QuicAes128Gcm(group.at("key").get<std::string>());
    if (security == "chacha20-poly1305") return DatagramSealer::QuicChacha20Poly1305(group.at("key").get<std::string>());
    throw std::runtime_error("unknown QUIC security " + security);
  }
  if (security == "simple") return DatagramSealer::Simple();
  if (security == "aes-128-gcm") return DatagramSealer::Aes128Gcm(group.at("seed").get<std::string>());
  throw std::runtime_error("unknown security " + security);
}

}  // namespace

std::vector<VectorFile> LoadVectors(const std::string& kind) {
  std::vector<VectorFile> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(Folder(), error)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream stream(entry.path());
    Json content = Json::parse(stream);
    if (content.value("kind", "") == kind) files.push_back({entry.path().stem(), std::move(content)});
  }
  EXPECT_FALSE(error) << Folder() << ": " << error.message();
  EXPECT_FALSE(files.empty()) << Folder() << " has no vector file of kind " << kind;
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

Bytes FromHex(const std::string& hex) {
  if (hex.size() % 2 != 0) throw std::runtime_error("odd number of hex digits");
  Bytes bytes(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char* digits = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, bytes[i], 16);
    if (error != std::errc() || end != digits + 2) throw std::runtime_error("not hex: " + hex.substr(2 * i, 2));
  }
  return bytes;
}

std::string ToHex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

Capture MakeCapture(const std::string& name, const Json& group) {
  const std::string header = group.at("header");
  const auto type = header == "absent" ? HeaderType::kNone : HeaderFromName(header);
  if (!type) throw std::runtime_error(name + ": unknown header " + header);
  return {name, *type, MakeSealer(group), group.value("packets", Json::array()), group.value("streams", Json())};
}

std::vector<Capture> LoadCaptures() {
  std::vector<Capture> captures;
  for (const VectorFile& file : LoadVectors("mkcp")) captures.push_back(MakeCapture(file.name, file.content));
  for (const VectorFile& file : LoadVectors("mkcp-singles")) {
    int number = 0;
    for (const Json& group : file.content.at("groups")) {
      captures.push_back(MakeCapture(file.name + "[" + std::to_string(number++) + "]", group));
    }
  }
  return captures;
}

std::string WriterOf(const Json& packet) {
  return Text(packet, "dir") == "c2s" ? "flow " + std::to_string(Number(packet, "flow")) : "listener";
}

HeaderWriter::State StateToWrite(HeaderType type, const Json& header_fields) {
  HeaderWriter::State state;
  switch (type) {
    case HeaderType::kNone:
    case HeaderType::kWireguard:
      break;
    case HeaderType::kSrtp:  // these two count up before they write
      state.number = header_fields.at("number").get<uint32_t>() - 1;
      break;
    case HeaderType::kWechatVideo:
      state.number = header_fields.at("sn").get<uint32_t>() - 1;
      break;
    case HeaderType::kUtp:
      state.constant = header_fields.at("connection_id");
      break;
    case HeaderType::kDtls:
      state.constant = header_fields.at("epoch");
      state.number = header_fields.at("sequence");
      state.dtls_length = header_fields.at("length");
      break;
  }
  return state;
}

void GivenBytes::Fill(ByteSpan out) {
  if (out.size() > left()) throw std::runtime_error("more random bytes drawn than the datagram has");
  std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(used_), out.size(), out.begin());
  used_ += out.size();
}

}  // namespace culvert::golden
