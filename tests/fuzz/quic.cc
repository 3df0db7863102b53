#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "core/base/check.h"
#include "tests/fuzz/targets.h"
#include "tests/sim/quic_evil.h"

namespace culvert::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;
using std::chrono::milliseconds;

constexpr size_t kMaxOperations = 64;

sim::QuicPairOptions FastLink() {
  sim::QuicPairOptions options;
  options.up.delay = options.down.delay = milliseconds(1);
  return options;
}

// A listener, an honest client with a small exchange, and a peer that sends what the script says.
class Ingress {
 public:
  Ingress() : pair_(FastLink()), evil_(pair_, *SocketAddress::Parse("198.51.100.9:7000")) {
    pair_.on_datagram = [this](bool up, const SocketAddress& to, ByteView bytes) {
      (up ? last_up_ : last_down_).assign(bytes.begin(), bytes.end());
      if (!up && to == evil_.address()) evil_.OnDatagram(bytes);
    };
    pair_.on_accept = [this](sim::QuicSide& side) { side.is_foreign = is_connected_; };
    const size_t session = pair_.Dial();
    pair_.Open(session, 2000, 2000);
  }

  void Run(ByteView script) {
    ByteReader reader(script);
    for (size_t i = 0; i < kMaxOperations && reader.remaining() > 0; ++i) Do(reader);
    // Whatever came, time goes on and the invariants hold.
    pair_.RunFor(std::chrono::seconds(1));
    CULVERT_CHECK(pair_.failure().empty());
  }

 private:
  void Do(ByteReader& script) {
    const uint8_t operation = script.ReadU8();
    switch (operation & 7) {
      case 0:
        (void)pair_.Inject({IpAddress::V4({203, 0, 113, static_cast<uint8_t>(operation >> 3)}), 5000}, Take(script));
        break;
      case 1:
        (void)pair_.InjectToClient(pair_.server_address(), Take(script));
        break;
      case 2:
        SendFrames(Take(script));
        break;
      case 3:
        pair_.RunFor(milliseconds(uint64_t{1} << (operation >> 4)));
        break;
      case 4:
        Change(operation, Take(script));
        break;
      case 5:
        if ((operation & 8) != 0) pair_.RebindPort();
        pair_.Open(0, operation, operation);
        break;
      case 6:
        evil_.Work((operation & 8) != 0);
        break;
      default:
        pair_.client_endpoint().Abort(pair_.now(), pair_.client().stream, CloseReason::kAborted);
        break;
    }
  }
  static Bytes Take(ByteReader& script) {
    if (script.remaining() == 0) return {};
    const size_t size = script.ReadU8();
    const ByteView bytes = script.ReadBytes(std::min(size, script.remaining()));
    return {bytes.begin(), bytes.end()};
  }
  void SendFrames(const Bytes& bytes) {
    if (!is_connected_) {
      // The honest one's exchange is over by then, so that what is opened later is the other's.
      (void)pair_.RunUntilDone(std::chrono::seconds(1));
      is_connected_ = true;
      CULVERT_CHECK(evil_.Connect());
    }
    sim::Frames frames;
    for (const uint8_t byte : bytes) frames.Byte(byte);
    evil_.Send(frames);
  }
  // The last real datagram of one direction again, with some bytes changed.
  void Change(uint8_t operation, const Bytes& how) {
    Bytes bytes = (operation & 8) != 0 ? last_up_ : last_down_;
    for (size_t i = 0; i + 1 < how.size() && !bytes.empty(); i += 2) bytes[size_t{how[i]} * 7 % bytes.size()] ^= how[i + 1];
    if ((operation & 8) != 0) {
      (void)pair_.Inject(pair_.client_address(), bytes);
    } else {
      (void)pair_.InjectToClient(pair_.server_address(), bytes);
    }
  }

  sim::QuicPair pair_;
  sim::EvilPeer evil_;
  Bytes last_up_;
  Bytes last_down_;
  bool is_connected_ = false;
};

// A first packet with this token; its payload does not open.
Bytes InitialWithToken(ByteView token) {
  Bytes bytes = {0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 9, 9, 9};
  bytes.push_back(static_cast<uint8_t>(0x40 | token.size() >> 8));
  bytes.push_back(static_cast<uint8_t>(token.size()));
  bytes.insert(bytes.end(), token.begin(), token.end());
  const size_t rest = bytes.size() + 2 < 1200 ? 1200 - bytes.size() - 2 : 64;
  bytes.push_back(static_cast<uint8_t>(0x40 | rest >> 8));
  bytes.push_back(static_cast<uint8_t>(rest));
  bytes.resize(bytes.size() + rest, 0x55);
  return bytes;
}

// A Retry that is genuine but for its token, for the client's first packet `initial`.
Bytes RetryWithToken(const Bytes& initial, ByteView token) {
  ngtcp2_version_cid head;
  CULVERT_CHECK(ngtcp2_pkt_decode_version_cid(&head, initial.data(), initial.size(), 0) == 0);
  ngtcp2_cid original;
  ngtcp2_cid client;
  ngtcp2_cid server;
  ngtcp2_cid_init(&original, head.dcid, head.dcidlen);
  ngtcp2_cid_init(&client, head.scid, head.scidlen);
  const std::array<uint8_t, 12> id = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
  ngtcp2_cid_init(&server, id.data(), id.size());
  Bytes bytes(1452);
  const ngtcp2_ssize size =
      ngtcp2_crypto_write_retry(bytes.data(), bytes.size(), NGTCP2_PROTO_VER_V1, &client, &server, &original, token.data(), token.size());
  bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return bytes;
}

}  // namespace

void QuicIngress(ByteView input) {
  Ingress ingress;
  ingress.Run(input);
}

void QuicTokens(ByteView input) {
  if (input.empty()) return;
  const uint8_t kind = input[0];
  const ByteView bytes = input.subspan(1, std::min<size_t>(input.size() - 1, 1000));
  if (kind % 5 == 4) {
    const auto loaded = quic::EndpointKeys::Load(bytes);
    CULVERT_CHECK(!loaded.ok() || bytes.size() == quic::EndpointKeys::kFileSize);
    return;
  }
  sim::QuicPairOptions options = FastLink();
  options.retry_above_handshakes = 0;
  sim::QuicPair pair(options);
  Bytes initial;
  pair.on_datagram = [&](bool up, const SocketAddress&, ByteView datagram) {
    if (up && initial.empty()) initial.assign(datagram.begin(), datagram.end());
  };
  const size_t session = pair.Dial();
  pair.Open(session, 100, 100);
  const SocketAddress stranger = *SocketAddress::Parse("203.0.113.5:5000");
  switch (kind % 5) {
    case 0: {
      // Nobody but us makes tokens that open.
      const uint64_t opened = pair.server_endpoint().counters().opened;
      (void)pair.Inject(stranger, InitialWithToken(bytes));
      CULVERT_CHECK(pair.server_endpoint().counters().opened == opened);
      break;
    }
    case 1:
      (void)pair.InjectToClient(pair.server_address(), RetryWithToken(initial, bytes));
      break;
    case 2: {
      CULVERT_CHECK(pair.RunUntilDone(std::chrono::seconds(2)));
      Bytes reset(bytes.begin(), bytes.end());
      if (!reset.empty()) reset[0] = static_cast<uint8_t>((reset[0] & 0x3f) | 0x40);
      (void)pair.InjectToClient(pair.server_address(), reset);
      (void)pair.Inject(pair.client_address(), reset);
      pair.RunFor(milliseconds(10));
      CULVERT_CHECK(!pair.session(session).closed);
      break;
    }
    default: {
      Bytes datagram(bytes.begin(), bytes.end());
      (void)pair.Inject(stranger, datagram);
      (void)pair.InjectToClient(pair.server_address(), datagram);
      break;
    }
  }
  pair.RunFor(milliseconds(500));
  CULVERT_CHECK(pair.failure().empty());
}

}  // namespace culvert::fuzz
