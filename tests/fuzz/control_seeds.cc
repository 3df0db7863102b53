#include "tests/fuzz/control_seeds.h"

#include <array>
#include <cstdint>

namespace culvert::fuzz {
namespace {

using Bytes = std::string;

Bytes Byte(size_t value) { return Bytes(1, static_cast<char>(value)); }

// Types as tests/fuzz/filter.cc counts them.
constexpr size_t kTypes = 8;
constexpr std::array<const char*, 10> kListenerTexts = {
    "transport=KCP AND state=ACTIVE",
    "labels.app=web OR labels:app",
    "labels.\"example.com/tier\"!=front",
    "NOT (spec.tls.alpn:h2 OR bound_addresses:10.0.0.0/8)",
    "status.counters.tx_bytes>=1Mi",
    "generation>2 AND (bind:127.0.0.1 OR paused=true)",
    "kcp:* AND NOT spec.kcp.seed_file:*",
    "spec.kcp.tick_interval<=50ms",
    "create_time>2026-12-01T08:00:00Z",
    "seed=swordfish"};
constexpr std::array<const char*, 8> kDialerTexts = {
    "targets:far AND dial_timeout<10s", "targets!=db:5432", "min_sessions>0 OR max_sessions<=4", "spec.quic.outer.security=AES_128_GCM",
    "spec.quic.outer.key=x",            "insecure=true",    "metadata.name=d*",                  "NOT NOT name=\"d\\\"0\""};
constexpr std::array<const char*, 6> kForwardTexts = {
    "listener=l0 AND dialer!=\"\"", "allowed_destinations:443", "refused_streams.MALFORMED>0", "reverse:b", "udp_flows>1 AND udp_flows<10k",
    "tcp_idle_timeout=1h"};
constexpr std::array<const char*, 8> kSessionTexts = {
    "remote:10.0.0.0/8 AND tx_bytes>1Mi", "rtt>100ms", "path.waste_ratio<1.2", "local:2001:db8::/32", "state=active", "tls:* OR validated=false",
    "close_reason=IDLE_TIMEOUT",          "rx_bytes=18446744073709551615"};
constexpr std::array<const char*, 5> kStreamTexts = {"source:10.1.2.3", "destination=db:*", "connect_latency>250ms", "idle_time>=1m30s",
                                                     "time_in_limit.pacing>0s"};
constexpr std::array<const char*, 4> kFlowTexts = {"outside_address:[::1]", "queued_packets!=0", "idle_timeout<2m", "forward=f*"};
constexpr std::array<const char*, 4> kEventTexts = {"reason=DialFailed AND count>3", "type=WARNING", "subject=dialer/*", "message:refused"};
constexpr std::array<const char*, 3> kAnyTexts = {"name=", "((name=a", "name=a AND name=b OR name=c"};
constexpr std::array<const char*, 12> kOrders = {"name",           "name desc",         "tx_bytes desc, name", "create_time",
                                                 "spec.transport", "metadata.name asc", "counters.rx_bytes",   "open_time, worker desc",
                                                 "path.min_rtt",   "labels",            "name desc desc",      "a,b,c,d,e"};
constexpr std::array<const char*, 12> kMasks = {"*",          "metadata.name",     "spec,status.state",        "metadata.labels", "spec.kcp.seed,metadata",
                                                "name,state", "path.smoothed_rtt", "counters.tx_bytes,worker", "spec.nope",       "",
                                                "status",     "spec.quic.outer"};

template <size_t kCount>
void AddTexts(size_t type, const std::array<const char*, kCount>& texts, std::vector<Bytes>& seeds) {
  for (const char* text : texts) seeds.push_back(Byte(type) + Byte(seeds.size()) + Byte(0) + text);
}

}  // namespace

std::vector<Bytes> FilterSeeds() {
  std::vector<Bytes> seeds;
  AddTexts(0, kListenerTexts, seeds);
  AddTexts(1, kDialerTexts, seeds);
  AddTexts(2, kForwardTexts, seeds);
  AddTexts(3, kSessionTexts, seeds);
  AddTexts(4, kStreamTexts, seeds);
  AddTexts(5, kFlowTexts, seeds);
  AddTexts(6, kEventTexts, seeds);
  for (size_t type = 0; type < kTypes; ++type) {
    AddTexts(type, kAnyTexts, seeds);
    AddTexts(type, kOrders, seeds);
    if (type < 4) AddTexts(type, kMasks, seeds);
    for (size_t script = 0; script < 6; ++script) {
      Bytes seed = Byte(type) + Byte(script) + Byte(1);
      for (size_t step = 0; step < 60; ++step) seed += Byte((step * step * 7 + script * 31 + type * 3) ^ (step >> 1));
      seeds.push_back(seed);
    }
  }
  return seeds;
}

namespace {

std::vector<Bytes> Documents(const Bytes& file) {
  std::vector<Bytes> documents;
  for (size_t begin = 0; begin < file.size();) {
    const size_t end = file.find("\n---\n", begin);
    documents.push_back(file.substr(begin, end == Bytes::npos ? end : end + 1 - begin));
    begin = end == Bytes::npos ? file.size() : end + 5;
  }
  return documents;
}

Bytes Document(const Bytes& kind, const Bytes& rest) { return "apiVersion: culvert/v1\nkind: " + kind + "\n" + rest; }

// Of every block and form of value some, and what JSON makes of it.
std::vector<Bytes> ConfigTexts() {
  std::vector<Bytes> texts = {
      Document("Listener", "metadata: {name: l0, labels: {app: web, \"a b\": \"x\\ty\"}, ttl: 2h}\nspec:\n  transport: TCP\n  bind: 127.0.0.1:1\n"),
      Document("Listener", "metadata:\n  name: l1\n  annotations:\n    note: |\n      two\n      lines\nspec:\n  transport: KCP\n  bind: \"[::]:2\"\n"
                           "  kcp: {seed: canary-4e1f-of-a-secret, header: wechat-video, mtu_bytes: 1_350}\n"),
      Document("Listener", "metadata: {name: l2}\nspec:\n  transport: KCP\n  bind: 127.0.0.1:3\n  kcp:\n    seed_file: seed\n    mtu_bytes: 1350\n"
                           "    tick_interval: 20ms\n    uplink_bytes_per_second: 10M\n    congestion_control: FIXED_RATE\n  tls: {certificate_file: "
                           "certificate, private_key_file: key, alpn: [h2]}\n  max_sessions: 0x10\n"),
      Document("Listener", "metadata: {name: l3}\nspec:\n  transport: QUIC\n  bind: 0.0.0.0:4433\n  stream_header: CULVERT\n  quic:\n    outer: {security: "
                           "AES_128_GCM, key: canary-4e1f-of-a-secret}\n    idle_timeout: 20s\n    datagrams: false\n"),
      Document("Listener", "metadata: {name: l4}\nspec: {transport: TCP, bind: \"127.0.0.1:5\", protocol: SOCKS5, users_file: users, udp: {hub_capacity: 16}}\n"),
      Document("Listener", "metadata: {name: l5}\nspec: {transport: UDP, bind: \"127.0.0.1:6\", udp: {original_destination: true}, socket: {dscp: 46, "
                           "receive_buffer_bytes: 4Mi}}\n"),
      Document("Dialer", "metadata: {name: d0}\nspec:\n  transport: KCP\n  targets: [\"far.example:4000\", \"10.0.0.1:1\"]\n  insecure: true\n"
                         "  dial_timeout: 1m30s\n"),
      Document("Dialer", "metadata: {name: d1}\nspec:\n  transport: QUIC\n  targets:\n  - far.example:443\n  tls: {trust_file: trust, server_name: "
                         "far.example}\n  min_sessions: 1\n  backoff_min: 50ms\n  paused: false\n"),
      Document("Dialer", "metadata: {name: d2, expire_time: \"2100-01-01T00:00:00Z\"}\nspec: {transport: TCP, targets: [\"db:1\"], socket: {interface: eth0, "
                         "mark: 7}}\n"),
      Document("Listener", "metadata: {name: l0}\nspec: {transport: TCP, bind: \"127.0.0.1:1\"}\n---\n") +
          Document("Forward", "metadata: {name: f0}\nspec: {listener: l0, destination: \"db:5432\", tcp_idle_timeout: 1h}\n"),
      Document("Forward", "metadata: {name: f1}\nspec: {listener: nowhere, allowed_destinations: [\"*:*\"]}\n"),
      "{\"apiVersion\": \"culvert/v1\", \"kind\": \"Listener\", \"metadata\": {\"name\": \"j\"}, \"spec\": {\"transport\": \"TCP\", \"bind\": "
      "\"127.0.0.1:9\", \"maxSessions\": 5}}\n",
      "apiVersion: culvert/v1\nkind: List\nitems:\n- {apiVersion: culvert/v1, kind: Listener, metadata: {name: a}, spec: {transport: TCP, bind: "
      "\"127.0.0.1:1\"}}\n- &x {apiVersion: culvert/v1, kind: Dialer, metadata: {name: b}, spec: {transport: TCP, targets: [\"c:1\"]}}\n",
      "", "---\n---\n", "# nothing\n", "hello\n", "- a\n", "{", "[,]\n", "? [a]\n: b\n", "a: &a [*a]\n", "%YAML 1.2\n---\n{}\n", "\xef\xbb\xbf" "a: b\n"};
  return texts;
}

}  // namespace

std::vector<Bytes> ConfigSeeds(const std::vector<Bytes>& examples) {
  std::vector<Bytes> texts = ConfigTexts();
  for (const Bytes& example : examples) {
    texts.push_back(example);
    for (const Bytes& document : Documents(example)) texts.push_back(document);
  }
  std::vector<Bytes> seeds;
  for (const Bytes& text : texts) {
    seeds.push_back(Byte(seeds.size()) + text);
    // Cut at the end of some line.
    const size_t cut = text.find('\n', text.size() / 2);
    if (cut != Bytes::npos) seeds.push_back(Byte(0) + text.substr(0, cut));
  }
  return seeds;
}

namespace {

// Methods in the order of their services (server/access/methods.cc).
constexpr size_t kMethods = 34;
constexpr size_t kApply = 27;
enum : size_t { kList, kGet, kCreate, kUpdate, kDelete };
// Of the first method of listeners, dialers and forwards.
constexpr std::array<size_t, 3> kFirst = {0, 5, 12};
constexpr size_t kValid = 8;

// A call with one field, the object itself, left as it is.
Bytes WithObject(size_t method, size_t which) { return Byte(method) + Byte(1) + Byte(0) + Byte(which) + Byte(0) + Byte(0); }
// An Apply of three objects, one a kind.
Bytes ApplyOf(size_t which) {
  Bytes call = Byte(kApply) + Byte(1) + Byte(0) + Byte(0) + Byte(2);
  for (size_t kind = 0; kind < 3; ++kind) call += Byte(1) + Byte(kind) + Byte((which >> kind) % kValid) + Byte(0) + Byte(0);
  return call;
}
// A call whose fields are what the numbers make of it.
Bytes Mixed(size_t method, size_t number) {
  Bytes call = Byte(method) + Byte(2 + number % 5);
  for (size_t i = 0; i < 10; ++i) call += Byte((i * i * 11 + number * 29 + method * 7) ^ (number >> i));
  return call;
}

}  // namespace

std::vector<Bytes> ApiSeeds() {
  std::vector<Bytes> seeds;
  // Every method by everybody.
  for (size_t method = 0; method < kMethods; ++method) {
    for (size_t role = 0; role < 16; role += 4) seeds.push_back(Byte(role) + ApplyOf(0) + Byte(method) + Byte(0) + Mixed(method, role));
  }
  for (size_t number = 0; number < 120; ++number) {
    Bytes script = Byte(number % 12);
    for (size_t kind = 0; kind < 3; ++kind) script += WithObject(kFirst[kind] + kCreate, (number + kind * 3) % kValid);
    script += WithObject(kFirst[number % 3] + kUpdate, number % kValid) + ApplyOf(number);
    for (size_t step = 0; step < number % 7; ++step) script += Mixed((number * 5 + step * 13) % kMethods, number + step);
    script += Mixed(kFirst[number % 3] + kDelete, number) + Mixed(kFirst[number % 3] + kList, number) + Mixed(kFirst[number % 3] + kGet, number);
    seeds.push_back(script);
  }
  return seeds;
}

}  // namespace culvert::fuzz
