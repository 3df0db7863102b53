// A thousand hostile files of each kind: every line of good ones is broken in every way that its kind of value makes wrong. All are refused
// with the name of the file, the line that is wrong and the field in it. Values that are well written and out of range are the
// daemon's to judge (tests/unit/server/hostile_requests_test.cc).
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

constexpr size_t kEnough = 1000;

// A line ends with what stands on it: B a block, L a list, M a map of texts, E an entry of one, I an item of a list, S a text, N a number of
// 32 bits, W one of 64, F true or false, W words of an enum (V), D a duration, T a time.
constexpr const char* kListener = R"(apiVersion: culvert/v1
kind: Listener
metadata:  #B
  name: in  #S
  labels:  #M
    app: web  #E
    tier: front  #E
  annotations:  #M
    note: some text  #E
  ttl: 2h  #D
spec:  #B
  transport: KCP  #V
  bind: "0.0.0.0:4000"  #S
  insecure: true  #F
  stream_header: CULVERT  #V
  kcp:  #B
    profile: V2RAY  #V
    header: SRTP  #V
    seed_file: seed  #S
    mtu_bytes: 1350  #N
    tick_interval: 20ms  #D
    uplink_bytes_per_second: 10M  #W
    downlink_bytes_per_second: 1000  #W
    congestion_control: BBR  #V
  socket:  #B
    interface: eth0  #S
    mark: 0x10  #N
    dscp: 46  #N
    receive_buffer_bytes: 4Mi  #W
    send_buffer_bytes: 65536  #W
  max_sessions: 7  #N
  paused: false  #F
  tls:  #B
    mode: TLS  #V
    certificate_file: c  #S
    private_key_file: k  #S
    require_peer_certificate: true  #F
    allowed_peer_names:  #L
      - far.example  #I
      - near.example  #I
    alpn:  #L
      - h2  #I
  quic:  #B
    outer:  #B
      security: AES_128_GCM  #V
      key_file: k  #S
      header: DTLS  #V
    max_streams_per_session: 9  #N
    max_udp_payload_bytes: 1300  #N
    idle_timeout: 30s  #D
    keepalive_interval: 10s  #D
    datagrams: false  #F
    migration: true  #F
  protocol: RAW  #V
  users_file: users  #S
  udp:  #B
    hub_capacity: 16  #N
    original_destination: true  #F
    max_clients: 3  #N
)";
constexpr const char* kDialer = R"(apiVersion: culvert/v1
kind: Dialer
metadata:  #B
  name: far  #S
  labels:  #M
    app: web  #E
  annotations:  #M
    one: "1"  #E
    two: "2"  #E
  expire_time: 2100-01-01T00:00:00Z  #T
spec:  #B
  transport: QUIC  #V
  targets:  #L
    - "far.example:443"  #I
    - "10.0.0.1:443"  #I
  insecure: false  #F
  stream_header: NONE  #V
  kcp:  #B
    profile: XRAY  #V
    header: wechat-video  #V
    seed_file: seed  #S
    mtu_bytes: 1350  #N
    tick_interval: 20ms  #D
    uplink_bytes_per_second: 10M  #W
  socket:  #B
    bind_address: 10.0.0.1  #S
    interface: eth0  #S
    mark: 7  #N
    dscp: 0  #N
    send_buffer_bytes: 64Ki  #W
  min_sessions: 1  #N
  max_sessions: 4  #N
  dial_timeout: 1m30s  #D
  paused: false  #F
  tls:  #B
    mode: XTLS  #V
    trust_file: ca.crt  #S
    pinned_spki:  #L
      - sha256/x  #I
    server_name: far.example  #S
    alpn:  #L
      - h2  #I
      - http/1.1  #I
  quic:  #B
    outer:  #B
      security: NONE  #V
      key_file: k  #S
      header: UTP  #V
    max_streams_per_session: 9  #N
    idle_timeout: 30s  #D
    keepalive_interval: 10s  #D
    congestion_control: CUBIC  #V
    datagrams: false  #F
    early_data: true  #F
  backoff_min: 100ms  #D
  backoff_max: 30s  #D
  resolve_interval: 1m  #D
)";
constexpr const char* kForward = R"(apiVersion: culvert/v1
kind: Forward
metadata:  #B
  name: pg  #S
  labels:  #M
    app: web  #E
    "quoted": x  #E
    third: "3"  #E
  annotations:  #M
    note: x  #E
    more: y  #E
  ttl: 90m  #D
  expire_time: "2100-01-01T00:00:00Z"  #T
spec:  #B
  listener: in  #S
  dialer: far  #S
  destination: "db:5432"  #S
  tcp_idle_timeout: 1h  #D
  paused: false  #F
  half_close_linger: 0s  #D
  allowed_destinations:  #L
    - "*.example:443"  #I
    - "10.0.0.0/8:1-65535"  #I
    - "db:1"  #I
    - "*:53"  #I
  reverse: back  #S
  reverse_listener: in  #S
  reverse_wait: 5s  #D
  reverse_parked: 4  #N
  udp_idle_timeout: 2m  #D
  udp_queue_packets: 256  #N
  udp:  #B
    compatibility: V2RAY  #V
    filtering: ENDPOINT_INDEPENDENT  #V
    max_flows_per_client: 9  #N
  proxy_protocol: true  #F
)";

struct Line {
  std::string text;    // without the letter
  size_t indent = 0;
  std::string key;     // empty: an item
  char what = ' ';
  std::string path;    // as faults name it
};

std::vector<Line> LinesOf(const std::string& document) {
  std::vector<Line> lines;
  std::vector<std::pair<size_t, std::string>> open;  // blocks around: their indentation and path
  int item = 0;
  for (const std::string& text : std::vector<std::string>(absl::StrSplit(document, '\n'))) {
    Line line{text, text.find_first_not_of(' '), "", ' ', ""};
    const size_t mark = text.find("  #");
    if (mark == std::string::npos) {
      lines.push_back(line);
      continue;
    }
    line.what = text[mark + 3];
    line.text = text.substr(0, mark);
    while (!open.empty() && open.back().first >= line.indent) open.pop_back();
    const std::string around = open.empty() ? "" : open.back().second;
    if (line.what == 'I') {
      line.path = around + "[" + std::to_string(item++) + "]";
    } else {
      line.key = line.text.substr(line.indent, line.text.find(':', line.indent) - line.indent);
      std::string plain = line.key;
      std::erase(plain, '"');
      line.path = line.what == 'E' ? around + "[\"" + plain + "\"]" : around.empty() ? plain : around + "." + plain;
      open.emplace_back(line.indent, line.path);
      item = 0;
    }
    lines.push_back(line);
  }
  return lines;
}

// What cannot stand for a value of that kind.
std::vector<std::string> WrongValues(char what) {
  const std::vector<std::string> no_text = {"[a, b]", "{a: b}", "", "!!int 5", "!x y", "!!binary aGk=", "[]", "{}", "~", "[[[[[[x]]]]]]"};
  std::vector<std::string> wrong = no_text;
  const auto add = [&wrong](std::initializer_list<const char*> more) { wrong.insert(wrong.end(), more.begin(), more.end()); };
  switch (what) {
    case 'N':
      add({"abc", "1.5", "-1", "010", "1e3", "0x", "0xg", "99999999999999999999", "4294967296", "\"5\"", "1_000", "+5", "1 2", "''", "true", "5s", "0o7",
           "0b1", "--1", "1,000", "\xd9\xa1"});
      break;
    case 'W':
      add({"abc", "1.5", "-1", "010", "1e3", "0x", "18446744073709551616", "99999999999999999999", "1_000", "+5", "1 2", "''", "true", "5s", "5kB", "5KiB",
           "5m", "Ki", "18446744073709551615Ki", "0x10Ki"});
      break;
    case 'F':
      add({"yes", "no", "on", "off", "True", "FALSE", "1", "0", "\"true\"", "'false'", "y", "n", "tru", "''", "true false", "null"});
      break;
    case 'V':
      add({"NOPE", "\"\"", "0", "1", "kcp_", "UNSPECIFIED", "true", "\"KCP \"", "TRANSPORT_", "-1", "A B", "\"\\x1b[2J\"", "77", "Kcp"});
      break;
    case 'D':
      add({"10", "10sec", "-1s", "\"1h 1m\"", "s", "1.5.5s", "''", "0x10s", "999999999999h", "1e3s", "+1s", "true", "1 s", "\"\\n1s\"", "1s,"});
      break;
    case 'T':
      add({"yesterday", "2026-12-01", "2026-13-01T00:00:00Z", "2026-12-32T00:00:00Z", "2026-12-01T25:00:00Z", "1700000000", "''", "2026-12-01T08:00:00",
           "08:00", "10000-01-01T00:00:00Z", "2026-12-01 08:00:00Z", "true", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z"});
      break;
    default: break;
  }
  return wrong;
}

class HostileFilesTest : public ::testing::TestWithParam<const char*> {
 protected:
  // `lines` with line `at` (from 0) as `text`, which may be several.
  static std::string With(const std::vector<Line>& lines, size_t at, const std::string& text) {
    std::string file;
    for (size_t i = 0; i < lines.size(); ++i) {
      file += i == at ? text : lines[i].text;
      if (i + 1 < lines.size()) file += '\n';
    }
    return file;
  }

  // Refused, with "f.yaml:LINE: PATH: " among what is said; `path` empty: with the line alone.
  void Refused(const std::string& file, size_t line, const std::string& path) {
    const auto begin = std::chrono::steady_clock::now();
    const auto parsed = Parse(file, "f.yaml", "/etc/culvert");
    slowest_ = std::max(slowest_, std::chrono::steady_clock::now() - begin);
    ++count_;
    EXPECT_FALSE(parsed.ok()) << "taken: line " << line << " of\n" << file;
    if (parsed.ok()) return;
    const std::string head = "f.yaml:" + std::to_string(line) + ": " + (path.empty() ? "" : path + ": ");
    bool is_told = false;
    for (const std::string& told : std::vector<std::string>(absl::StrSplit(std::string(parsed.status().message()), '\n'))) {
      is_told |= told.starts_with(head) && told.size() > head.size();
    }
    EXPECT_TRUE(is_told) << "wanted " << head << "\n" << parsed.status();
  }

  size_t count_ = 0;
  std::chrono::steady_clock::duration slowest_{};
};

TEST_P(HostileFilesTest, EveryLineIsGood) {
  const auto parsed = Parse(GetParam(), "f.yaml", "/etc/culvert");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
}

TEST_P(HostileFilesTest, EveryBrokenLineIsTold) {
  const std::vector<Line> lines = LinesOf(GetParam());
  for (size_t at = 0; at < lines.size(); ++at) {
    const Line& line = lines[at];
    if (line.what == ' ') continue;
    const std::string margin(line.indent, ' ');
    const auto refused = [&](const std::string& text, size_t lines_on, const std::string& path) {
      SCOPED_TRACE(text);
      Refused(With(lines, at, text), at + 1 + lines_on, path);
    };
    const std::string own = line.key.empty() ? "-" : line.key + ":";
    const bool is_leaf = line.what != 'B' && line.what != 'L' && line.what != 'M';
    const std::string parent = line.path.substr(0, line.path.rfind('.') == std::string::npos ? 0 : line.path.rfind('.') + 1);
    if (line.what != 'E' && !line.key.empty()) {
      // No such field, in this spelling or another; the field in quotes is the same field.
      for (const std::string& key : {line.key + "x", "x_" + line.key, line.key + "-x", line.key + " ", "\"" + line.key + "\\n\""}) {
        if (key.back() == ' ') continue;
        const std::string shown = key.front() == '"' ? line.key + "\\x0a" : key;
        refused(margin + key + line.text.substr(line.indent + line.key.size()), 0, parent + shown);
      }
    }
    if (is_leaf && !line.key.empty()) {
      refused(line.text + "\n" + line.text, 1, line.path);
      refused(line.text + "\n# between\n" + line.text, 2, line.path);
      refused(line.text + "\n" + margin + "\"" + (line.key.front() == '"' ? line.key.substr(1) : line.key + "\"") + ": x", 1, line.path);
    }
    if (is_leaf) {
      for (const std::string& value : WrongValues(line.what)) refused(margin + own + " " + value, 0, line.path);
      // As a block of its own, and on lines of their own, which a fault may name.
      refused(margin + own + " |\n" + margin + "  a" + std::string(1, '\x01'), 1, "");
    } else {
      for (const char* value : {"x", "5", "true", "\"\"", "!x {}", "2h"}) {
        // Without what was inside.
        size_t end = at + 1;
        std::vector<Line> rest(lines.begin(), lines.begin() + static_cast<ptrdiff_t>(at) + 1);
        while (end < lines.size() && lines[end].text.find_first_not_of(' ') > line.indent && !lines[end].text.empty()) ++end;
        rest.insert(rest.end(), lines.begin() + static_cast<ptrdiff_t>(end), lines.end());
        Refused(With(rest, at, margin + own + " " + value), at + 1, line.path);
        const std::string other = line.what == 'L' ? "{a: b}" : "[a]";
        Refused(With(rest, at, margin + own + " " + other), at + 1, line.path);
      }
    }
    // No text at all: told with its line, as there is no field in it.
    for (const std::string& bytes : {std::string("\xff"), std::string(1, '\0'), std::string("\x1b[2J"), std::string("\x7f"), std::string("\xc3"),
                                     std::string("\xed\xa0\x80"), std::string("\xc0\x80")}) {
      refused(line.text + bytes, 0, "");
      refused(line.text.substr(0, line.indent) + bytes + line.text.substr(line.indent), 0, "");
    }
  }
  std::cout << count_ << " refused, the slowest in " << std::chrono::duration_cast<std::chrono::microseconds>(slowest_).count() << " us\n";
  EXPECT_GE(count_, kEnough);
}

INSTANTIATE_TEST_SUITE_P(Kinds, HostileFilesTest, ::testing::Values(kListener, kDialer, kForward), [](const auto& one) {
  const std::string text = one.param;
  const size_t at = text.find("kind: ") + 6;
  return text.substr(at, text.find('\n', at) - at);
});

}  // namespace
}  // namespace culvert::manifest
