// Makes the starting corpora out of the golden vectors, the examples of deploy/ and seeds made by hand: corpus_maker VECTORS EXAMPLES OUT
// writes OUT/TARGET/NAME files. The same vectors and examples give the same files, byte for byte.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "tests/fuzz/control_seeds.h"
#include "tests/fuzz/frontdoor_seeds.h"
#include "tests/fuzz/state_files.h"

namespace {

using Bytes = std::string;
using Json = nlohmann::ordered_json;

constexpr size_t kPerTarget = 300;
constexpr size_t kMaxScriptDatagram = 1020;  // a script says a length in words of four bytes, in one byte
constexpr size_t kDatagramsPerScript = 12;

// Every "plain_hex" or "hex" below `node`, in the order of the file.
void Collect(const Json& node, const std::string& key, std::vector<Bytes>& out) {
  if (node.is_object()) {
    for (const auto& [name, value] : node.items()) {
      if (name == key && value.is_string()) {
        out.push_back(absl::HexStringToBytes(value.get<std::string>()));
      } else {
        Collect(value, key, out);
      }
    }
  } else if (node.is_array()) {
    for (const Json& value : node) Collect(value, key, out);
  }
}

class Corpus {
 public:
  explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  // Equal ones once, and no more than a fuzzer can use.
  void Add(const std::string& from, const Bytes& bytes) {
    if (seen_.size() == kPerTarget || !seen_.insert(bytes).second) return;
    std::ofstream file(folder_ / absl::StrFormat("%03d-%s", seen_.size(), from), std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write below " + folder_.string());
  }

 private:
  std::filesystem::path folder_;
  std::set<Bytes> seen_;
};

// One datagram as an operation of a script, behind its operation byte.
Bytes ScriptDatagram(uint8_t operation, Bytes plain) {
  plain.resize((plain.size() + 3) / 4 * 4, '\0');
  return Bytes{static_cast<char>(operation), static_cast<char>(plain.size() / 4)} + plain;
}

// Scripts from the datagrams of one capture: in between, time passes and the application reads and writes.
std::vector<Bytes> Scripts(const std::vector<Bytes>& plains, const std::vector<uint8_t>& between, uint8_t datagram) {
  std::vector<Bytes> scripts;
  Bytes script;
  size_t count = 0;
  for (const Bytes& plain : plains) {
    if (plain.empty() || plain.size() > kMaxScriptDatagram) continue;
    script += ScriptDatagram(datagram, plain);
    script += static_cast<char>(between[count % between.size()]);
    if (++count % kDatagramsPerScript != 0) continue;
    scripts.push_back(std::move(script));
    script.clear();
  }
  if (!script.empty()) scripts.push_back(std::move(script));
  // Each datagram alone and twice as well: short inputs are what a fuzzer changes best.
  for (size_t i = 0; i < plains.size(); i += 3) {
    if (plains[i].empty() || plains[i].size() > kMaxScriptDatagram) continue;
    const Bytes one = ScriptDatagram(datagram, plains[i]) + static_cast<char>(between[i % between.size()]);
    scripts.push_back(one);
    scripts.push_back(one + one);
  }
  return scripts;
}

Bytes Varint(uint64_t value) {
  Bytes bytes(8, '\0');
  for (size_t i = 8; i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  bytes[0] = static_cast<char>(bytes[0] | 0xc0);
  return bytes;
}

// One frame of each type with some values that matter (RFC 9000 section 19).
std::vector<Bytes> QuicFrames(uint64_t number) {
  const auto frame = [](int type, const std::vector<uint64_t>& numbers, const Bytes& rest = {}) {
    Bytes bytes(1, static_cast<char>(type));
    for (const uint64_t each : numbers) bytes += Varint(each);
    return bytes + rest;
  };
  const Bytes data(20, 'd');
  return {frame(0x01, {}), frame(0x02, {number, 0, 0, 0}), frame(0x03, {number, 0, 1, 0, 1, 1, 1, 1, 1}),
          frame(0x04, {4 * number, 1, number}), frame(0x05, {4 * number, 2}), frame(0x06, {number, 20}, data),
          frame(0x08, {4 * number}, data), frame(0x0e, {4 * number, 16, 20}, data), frame(0x0f, {0, number, 20}, data),
          frame(0x10, {number}), frame(0x11, {0, number}), frame(0x12, {number}), frame(0x13, {number}), frame(0x14, {number}),
          frame(0x15, {0, number}), frame(0x16, {number}), frame(0x18, {number, number / 2}, '\x08' + Bytes(24, 'i')),
          frame(0x19, {number}), frame(0x1a, {}, Bytes(8, 'p')), frame(0x1b, {}, Bytes(8, 'p')),
          frame(0x1c, {number, 0, 3}, "why"), frame(0x1d, {number, 3}, "why"), frame(0x31, {20}, data), frame(0x40, {number})};
}

// What tests/fuzz/quic.cc reads: an operation byte, for those with bytes a length byte, the bytes.
void MakeQuic(const std::vector<std::filesystem::path>& files, Corpus& ingress, Corpus& tokens) {
  size_t count = 0;
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{1000}, (uint64_t{1} << 62) - 1}) {
    for (const Bytes& frame : QuicFrames(number)) {
      const Bytes one = Bytes{'\x02', static_cast<char>(frame.size())} + frame;
      ingress.Add("frames", one + (++count % 3 == 0 ? Bytes{'\x43', '\x06'} + one : Bytes{'\x33'}));
    }
  }
  for (char operation = 0; operation < 16; ++operation) ingress.Add("calls", Bytes{operation, '\x04', 'a', 'b', 'c', 'd', '\x43', '\x15'});
  for (const auto& path : files) {
    std::ifstream file(path);
    std::vector<Bytes> datagrams;
    Collect(Json::parse(file), "hex", datagrams);
    for (size_t i = 0; i < std::min<size_t>(datagrams.size(), 12); ++i) {
      const Bytes head = datagrams[i].substr(0, 250);
      ingress.Add(path.stem(), Bytes{static_cast<char>(i % 2), static_cast<char>(head.size())} + head + '\x33');
      for (char kind = 0; kind < 5; ++kind) tokens.Add(path.stem(), kind + head.substr(0, 24 + 16 * i));
    }
  }
}

void MakeSeeds(const std::filesystem::path& folder, const std::vector<Bytes>& seeds) {
  Corpus corpus(folder);
  for (const Bytes& seed : seeds) corpus.Add("seed", seed);
}

// What tests/sim/dispatch_script reads: limits and rules (4 bytes), then steps of 4.
void MakeDispatcher(const std::filesystem::path& folder) {
  Corpus corpus(folder);
  for (int number = 0; number < 128; ++number) {
    Bytes script = {static_cast<char>(number * 5), static_cast<char>(number * 7), static_cast<char>(number * 37), '\0'};
    for (int step = 0; step < 8 + number / 2; ++step) {
      const int mixed = (step * 41 + number * 17) ^ (step * step * 3);
      script += Bytes{static_cast<char>(mixed), static_cast<char>(mixed >> 3), static_cast<char>(step * number), static_cast<char>(step)};
    }
    corpus.Add("script", script);
  }
}

// The files of objects that we ship, in the order of their names.
std::vector<Bytes> Examples(const std::filesystem::path& folder) {
  std::set<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") paths.insert(entry.path());
  }
  std::vector<Bytes> files;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return files;
}

int Make(const std::filesystem::path& vectors, const std::filesystem::path& examples, const std::filesystem::path& out) {
  Corpus packet(out / "mkcp_packet");
  Corpus session(out / "mkcp_session");
  Corpus diff(out / "mkcp_diff");
  Corpus headers(out / "headers");
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(vectors)) {
    if (entry.path().filename().string().starts_with("mkcp-")) files.insert(entry.path());
  }
  std::vector<std::filesystem::path> quic_files;
  for (const auto& entry : std::filesystem::directory_iterator(vectors)) {
    if (entry.path().filename().string().starts_with("quic-")) quic_files.push_back(entry.path());
  }
  std::sort(quic_files.begin(), quic_files.end());
  Corpus ingress(out / "quic_ingress");
  Corpus tokens(out / "quic_tokens");
  MakeQuic(quic_files, ingress, tokens);
  MakeSeeds(out / "socks5", culvert::fuzz::Socks5Seeds());
  MakeSeeds(out / "http_connect", culvert::fuzz::HttpConnectSeeds());
  MakeSeeds(out / "framing", culvert::fuzz::FramingSeeds());
  MakeDispatcher(out / "dispatcher");
  MakeSeeds(out / "state", culvert::fuzz::StateSeeds());
  MakeSeeds(out / "filter", culvert::fuzz::FilterSeeds());
  MakeSeeds(out / "config", culvert::fuzz::ConfigSeeds(Examples(examples)));
  MakeSeeds(out / "api", culvert::fuzz::ApiSeeds());
  // Round by round, so that no file fills the corpora alone.
  std::map<std::string, std::pair<std::vector<Bytes>, std::vector<Bytes>>> captures;
  for (const auto& path : files) {
    std::ifstream file(path);
    const Json content = Json::parse(file);
    auto& [plains, datagrams] = captures[path.stem()];
    Collect(content, "plain_hex", plains);
    Collect(content, "hex", datagrams);
  }
  for (size_t round = 0; round < 64; ++round) {
    for (const auto& [name, capture] : captures) {
      const auto& [plains, datagrams] = capture;
      if (round < datagrams.size()) packet.Add(name, datagrams[round]);
      if (round < plains.size()) {
        packet.Add(name, plains[round]);
        const size_t kind = round + plains.size();
        const Bytes head = {static_cast<char>(kind % 6), static_cast<char>(round % 3), static_cast<char>(round * 37),
                            static_cast<char>(kind),     static_cast<char>(round),     static_cast<char>(kind * 7),
                            static_cast<char>(-1),       static_cast<char>(-1),        static_cast<char>(-1),
                            static_cast<char>(-2 + static_cast<int>(round % 3))};
        headers.Add(name, head + plains[round]);
      }
      // 0x61: 64 ms pass; 0x22: read and write; 0x05: a millisecond; 0x03: read.
      const std::vector<Bytes> sessions = Scripts(plains, {0x61, 0x22, 0x05, 0x22}, 0x00);
      if (round < sessions.size()) session.Add(name, sessions[round]);
      const std::vector<Bytes> diffs = Scripts(plains, {0x46, 0x22, 0x06, 0x03}, 0x00);
      if (round < diffs.size()) diff.Add(name, diffs[round]);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: corpus_maker VECTORS EXAMPLES OUT\n";
    return 2;
  }
  try {
    return Make(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::cerr << "corpus_maker: " << error.what() << "\n";
    return 1;
  }
}
