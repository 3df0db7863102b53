#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/frontdoor/datagram_address.h"
#include "core/frontdoor/http_connect.h"
#include "core/frontdoor/socks5.h"
#include "core/frontdoor/socks5_udp.h"
#include "core/frontdoor/stream_header.h"
#include "core/frontdoor/text.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

using namespace frontdoor;
using State = Door::State;

constexpr size_t kMaxOutputBytes = 2048;

using MakeDoor = std::function<std::unique_ptr<Door>()>;

std::shared_ptr<const UserTable> Users() {
  static const std::shared_ptr<const UserTable> users = [] {
    SeededRandom random(1);
    return *UserTable::Parse("ann:secret", random);
  }();
  return users;
}

// A door after all of some bytes, in at most two pieces.
struct Run {
  std::unique_ptr<Door> door;
  size_t taken = 0;
};

Run RunDoor(const MakeDoor& make, ByteView first, ByteView second) {
  Run run{make()};
  for (const ByteView piece : {first, second}) {
    const bool was_reading = run.door->state() == State::kReading;
    const size_t taken = run.door->OnBytes(piece);
    CULVERT_CHECK(taken <= piece.size() && (was_reading || taken == 0));
    CULVERT_CHECK(taken == piece.size() || run.door->state() != State::kReading);
    run.taken += taken;
  }
  return run;
}

bool IsEqual(const Run& a, const Run& b) {
  return a.taken == b.taken && a.door->state() == b.door->state() && a.door->request() == b.door->request() &&
         a.door->refusal() == b.door->refusal() && a.door->refusal_message() == b.door->refusal_message() &&
         AsText(a.door->output()) == AsText(b.door->output());
}

// The same whole and in two pieces; bounded; nothing behind the request matters; and an answer. Returns the request, if there is one.
std::unique_ptr<Request> CheckDoor(const MakeDoor& make, uint8_t how, size_t split, ByteView bytes) {
  const Run whole = RunDoor(make, bytes, {});
  split %= bytes.size() + 1;
  CULVERT_CHECK(IsEqual(whole, RunDoor(make, bytes.first(split), bytes.subspan(split))));
  Door& door = *whole.door;
  CULVERT_CHECK(door.output().size() <= kMaxOutputBytes && whole.taken <= Door::kMaxBytes + 1024);
  CULVERT_CHECK(door.state() != State::kDone);
  CULVERT_CHECK((door.state() == State::kRefused) == (door.refusal() != Refusal::kNone));
  CULVERT_CHECK(IsPlainText(door.refusal_message()) && door.refusal_message().empty() == (door.state() != State::kRefused));
  if (door.state() != State::kReading) CULVERT_CHECK(IsEqual(whole, RunDoor(make, bytes.first(whole.taken), {})));
  if (door.state() != State::kRequested) return nullptr;

  auto request = std::make_unique<Request>(door.request());
  door.TakeOutput(door.output().size());
  const auto refusal = static_cast<Refusal>(how % kRefusalCount);
  // A message from the far side is any text.
  door.Answer(refusal, AsText(bytes.first(std::min<size_t>(bytes.size(), 700))),
              {IpAddress::LoopbackV4(), split ? uint16_t{1080} : uint16_t{0}});
  CULVERT_CHECK(door.state() == (refusal == Refusal::kNone ? State::kDone : State::kRefused));
  CULVERT_CHECK(!door.output().empty() && door.output().size() <= kMaxOutputBytes);
  CULVERT_CHECK(door.refusal() == refusal && IsPlainText(door.refusal_message()));
  CULVERT_CHECK(door.OnBytes(bytes) == 0);
  return request;
}

Request Parsed(const MakeDoor& make, ByteView bytes) {
  const Run run = RunDoor(make, bytes, {});
  CULVERT_CHECK(run.door->state() == State::kRequested && run.taken == bytes.size());
  return run.door->request();
}

// The request as a client without any quirk would send it.
std::vector<uint8_t> Socks5Bytes(const Request& request, bool has_users) {
  std::vector<uint8_t> bytes = {5, 1, static_cast<uint8_t>(has_users ? 2 : 0)};
  if (has_users) {
    constexpr std::string_view kCredentials =
        "\x01\x03"
        "ann\x06"
        "secret";
    bytes.insert(bytes.end(), kCredentials.begin(), kCredentials.end());
  }
  bytes.insert(bytes.end(), {5, static_cast<uint8_t>(request.network == Network::kTcp ? 1 : 3), 0});
  DatagramAddress address{.host = request.destination.host, .port = request.destination.port};
  if (const auto ip = IpAddress::Parse(request.destination.host); ip.ok()) address = {.address = {*ip, request.destination.port}};
  std::array<uint8_t, kMaxDatagramAddressBytes> encoded;
  const size_t size = WriteDatagramAddress(address, encoded);
  CULVERT_CHECK(size > 0 && size == EncodedSize(address));
  bytes.insert(bytes.end(), encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(size));
  return bytes;
}

void CheckDatagramAddress(ByteView bytes) {
  DatagramAddress address;
  const size_t size = ParseDatagramAddress(bytes, address);
  CULVERT_CHECK(size <= bytes.size() && size <= kMaxDatagramAddressBytes);
  if (size == 0) return;
  std::array<uint8_t, kMaxDatagramAddressBytes> encoded;
  const size_t encoded_size = WriteDatagramAddress(address, encoded);
  // Smaller only where an IPv4 address came mapped into IPv6.
  CULVERT_CHECK(encoded_size == EncodedSize(address) && encoded_size <= size);
  CULVERT_CHECK(encoded_size == size || address.address.ip.is_v4());
  DatagramAddress again;
  CULVERT_CHECK(ParseDatagramAddress(ByteView(encoded).first(encoded_size), again) == encoded_size && again == address);
  CULVERT_CHECK(WriteDatagramAddress(address, ByteSpan(encoded).first(encoded_size - 1)) == 0);
  for (size_t cut = 0; cut < size; ++cut) CULVERT_CHECK(ParseDatagramAddress(bytes.first(cut), again) == 0);
}

void CheckSocks5Datagram(ByteView bytes) {
  Socks5Datagram datagram;
  if (ParseSocks5Datagram(bytes, datagram) != Socks5DatagramKind::kWhole) return;
  CULVERT_CHECK(datagram.payload.data() + datagram.payload.size() == bytes.data() + bytes.size());
  std::vector<uint8_t> again(kMaxSocks5DatagramHeaderBytes);
  const size_t size = WriteSocks5DatagramHeader(datagram.destination, again);
  CULVERT_CHECK(size > 0 && size + datagram.payload.size() <= bytes.size());
  again.resize(size);
  again.insert(again.end(), datagram.payload.begin(), datagram.payload.end());
  Socks5Datagram parsed;
  CULVERT_CHECK(ParseSocks5Datagram(again, parsed) == Socks5DatagramKind::kWhole && parsed.destination == datagram.destination &&
                AsText(parsed.payload) == AsText(datagram.payload));
}

void CheckStreamOpen(uint8_t how, size_t split, ByteView bytes) {
  const auto request = CheckDoor(CreateAddressedDoor, how, split, bytes);
  if (request == nullptr) return;
  CULVERT_CHECK(IsPlainText(request->destination.host) && IsPlainText(request->source) && IsPlainText(request->forward));
  CULVERT_CHECK(IsPlainText(request->reverse) && (request->trace_id.empty() || request->trace_id.size() == kTraceIdBytes));
  std::vector<uint8_t> again;
  AppendStreamOpen(*request, again);
  CULVERT_CHECK(Parsed(CreateAddressedDoor, again) == *request);
}

void CheckStreamAccept(size_t split, ByteView bytes) {
  StreamAcceptReader whole;
  const size_t taken = whole.OnBytes(bytes);
  split %= bytes.size() + 1;
  StreamAcceptReader pieces;
  size_t taken_in_pieces = pieces.OnBytes(bytes.first(split));
  taken_in_pieces += pieces.OnBytes(bytes.subspan(split));
  CULVERT_CHECK(taken <= bytes.size() && taken <= 2 + kMaxStreamHeaderBytes && taken == taken_in_pieces);
  CULVERT_CHECK(whole.state() == pieces.state() && whole.refusal() == pieces.refusal() && whole.message() == pieces.message());
  CULVERT_CHECK(whole.message().size() <= kMaxRefusalMessageBytes && IsPlainText(whole.message()));
  if (whole.state() == StreamAcceptReader::State::kReading || whole.state() == StreamAcceptReader::State::kMalformed) return;
  std::vector<uint8_t> again;
  AppendStreamAccept(whole.refusal(), whole.message(), again);
  StreamAcceptReader reader;
  CULVERT_CHECK(reader.OnBytes(again) == again.size() && reader.state() == whole.state() && reader.refusal() == whole.refusal() &&
                reader.message() == whole.message());
}

}  // namespace

// Layout of the input of all three: how (for Socks5 and HttpConnect the highest bit says that there are users; the rest which answer
// a request gets; for StreamHeader the highest two bits say what it is), where to split (2), then the bytes.
void Socks5(ByteView input) {
  ByteReader reader(input);
  const uint8_t how = reader.ReadU8();
  const size_t split = reader.ReadU16();
  if (!reader.ok()) return;
  const bool has_users = (how & 0x80) != 0;
  const MakeDoor make = [&] { return CreateSocks5Door(has_users ? Users() : nullptr); };
  const auto request = CheckDoor(make, how & 0x7f, split, reader.ReadBytes(reader.remaining()));
  if (request == nullptr) return;
  const Request again = Parsed(make, Socks5Bytes(*request, has_users));
  CULVERT_CHECK(again.network == request->network && again.destination.port == request->destination.port);
  // A name that is the text of an address comes back in that address's usual form.
  const auto ip = IpAddress::Parse(request->destination.host);
  CULVERT_CHECK(again.destination.host == (ip.ok() ? ip->ToString() : request->destination.host));
}

void HttpConnect(ByteView input) {
  ByteReader reader(input);
  const uint8_t how = reader.ReadU8();
  const size_t split = reader.ReadU16();
  if (!reader.ok()) return;
  const bool has_users = (how & 0x80) != 0;
  const MakeDoor make = [&] { return CreateHttpConnectDoor(has_users ? Users() : nullptr); };
  const auto request = CheckDoor(make, how & 0x7f, split, reader.ReadBytes(reader.remaining()));
  if (request == nullptr) return;
  const std::string again = "CONNECT " + request->destination.ToString() + " HTTP/1.1\r\n" +
                            (has_users ? "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n" : "") + "\r\n";
  CULVERT_CHECK(Parsed(make, AsBytes(again)) == *request);
}

void StreamHeader(ByteView input) {
  ByteReader reader(input);
  const uint8_t how = reader.ReadU8();
  const size_t split = reader.ReadU16();
  if (!reader.ok()) return;
  const ByteView bytes = reader.ReadBytes(reader.remaining());
  switch (how >> 6) {
    case 0:
      return CheckStreamOpen(how & 0x3f, split, bytes);
    case 1:
      return CheckStreamAccept(split, bytes);
    case 2:
      return CheckDatagramAddress(bytes);
    default:
      return CheckSocks5Datagram(bytes);
  }
}

}  // namespace culvert::fuzz
