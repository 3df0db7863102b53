#include "tests/fuzz/frontdoor_seeds.h"

namespace culvert::fuzz {
namespace {

using namespace std::string_literals;
using Bytes = std::string;

constexpr char kWithUsers = static_cast<char>(0x80);

// What tests/fuzz/frontdoor.cc reads; each seed has another answer and another place to split at.
class Seeds {
 public:
  void Add(char how, const Bytes& bytes) {
    const size_t count = seeds_.size();
    const auto answer = static_cast<char>(count % 15);
    seeds_.push_back(Bytes{static_cast<char>(how | answer), static_cast<char>(count / 40), static_cast<char>(count * 5)} + bytes);
  }
  std::vector<Bytes> Take() { return std::move(seeds_); }

 private:
  std::vector<Bytes> seeds_;
};

// Addresses as they stand in requests and in front of datagrams, some of them malformed.
std::vector<Bytes> Addresses() {
  const Bytes longest(255, 'x');
  return {"\x01\x01\x02\x03\x04\x00\x50"s,
          "\x01\x00\x00\x00\x00\x00\x00"s,
          "\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\xbb"s,
          "\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04\x00\x50"s,
          "\x03\x02"s + "db" + "\x15\x38",
          "\x03\x07"s + "1.2.3.4" + "\x00\x50"s,
          "\x03\x03"s + "::1" + "\x00\x50"s,
          "\x03\xff"s + longest + "\x00\x01"s,
          "\x03\x07"s + "b\xc3\xbc" + "cher" + "\x00\x50"s,
          "\x03\x00\x00\x50"s,
          "\x03\x03"s + "a b" + "\x00\x50"s,
          "\x03\x02"s + "d\x00\x00\x50"s,
          "\x02\x01\x02\x03\x04\x00\x50"s};
}

Bytes BytesField(char number, const Bytes& value) {
  Bytes field{static_cast<char>(number << 3 | 2)};
  if (value.size() >= 0x80) field += static_cast<char>(0x80 | (value.size() & 0x7f));
  field += static_cast<char>(value.size() >= 0x80 ? value.size() >> 7 : value.size());
  return field + value;
}

Bytes Header(const Bytes& fields) {
  const Bytes message = "\x0d\x31\x54\x56\x43"s + fields;
  return Bytes{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} + message;
}

}  // namespace

std::vector<Bytes> Socks5Seeds() {
  Seeds seeds;
  const Bytes good = "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50"s;
  for (const Bytes& address : Addresses()) {
    for (const char command : {'\x01', '\x02', '\x03', '\x04'}) {
      const Bytes request = Bytes{'\x05', command, '\x00'} + address;
      seeds.Add(0, "\x05\x01\x00"s + request);
      seeds.Add(kWithUsers, "\x05\x02\x00\x02"s + "\x01\x03" + "ann" + "\x06" + "secret" + request + "data");
    }
  }
  for (const Bytes& greeting :
       {"\x05\x00"s, "\x05\x01\x02"s, "\x05\x03\x02\x01\x00"s, "\x05\xff"s + Bytes(255, '\x01'), "\x05"s, ""s}) {
    seeds.Add(0, greeting + good);
    seeds.Add(kWithUsers, greeting + "\x01\x03" + "ann" + "\x06" + "secret" + good);
  }
  for (const Bytes& credentials : {"\x01\x03"s + "ann" + "\x06" + "wrong!", "\x01\x00\x00"s, "\x02\x03"s,
                                   "\x01\xff"s + Bytes(255, 'n') + "\xff" + Bytes(255, 'p')}) {
    seeds.Add(kWithUsers, "\x05\x01\x02"s + credentials + good);
  }
  for (const Bytes& other :
       {"\x04\x01\x00\x50\x01\x02\x03\x04\x00"s, "GET / HTTP/1.1\r\n\r\n"s, "\x16\x03\x01"s, "\x05\x01\x00\x05\x01\x01\x01"s}) {
    seeds.Add(0, other);
  }
  return seeds.Take();
}

std::vector<Bytes> HttpConnectSeeds() {
  Seeds seeds;
  const std::vector<Bytes> targets = {"db.example:443",
                                      "10.0.0.1:80",
                                      "[2001:db8::1]:443",
                                      "[::ffff:1.2.3.4]:1",
                                      "a:0",
                                      "a",
                                      "a:65536",
                                      "[db]:1",
                                      "::1:80",
                                      "http://a/",
                                      "u@a:1",
                                      "a%00:1",
                                      "/",
                                      "*",
                                      "[fe80::1%eth0]:1",
                                      "a:1:2",
                                      "a:+1",
                                      Bytes(255, 'h') + ":1"};
  const std::vector<Bytes> fields = {"",
                                     "Host: db.example:443\r\nUser-Agent: x/1\r\n",
                                     "Host: a\r\nHost: b\r\n",
                                     "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n",
                                     "proxy-authorization:basic  YW5uOnNlY3JldA== \r\n",
                                     "Proxy-Authorization: Basic YW5uOndyb25n\r\n",
                                     "Proxy-Authorization: Bearer x\r\nProxy-Authorization: Basic eA==\r\n",
                                     "Content-Length: 0\r\n",
                                     "Content-Length: 5\r\n",
                                     "Transfer-Encoding: chunked\r\n",
                                     "X: y\r\n folded\r\n",
                                     "X : y\r\n",
                                     "X: a\rb\r\n",
                                     "X: \xc3\xa9\t\xff\r\n",
                                     "X:\n\n",
                                     ": y\r\n"};
  for (const Bytes& target : targets) {
    for (const Bytes& version : {"HTTP/1.1\r\n"s, "HTTP/1.0\n"s}) seeds.Add(0, "CONNECT " + target + " " + version + "\r\ndata");
  }
  for (const Bytes& field : fields) {
    for (const Bytes& line : {"CONNECT a:1 HTTP/1.1\r\n"s, "POST / HTTP/1.1\r\n"s}) {
      seeds.Add(0, line + field + "\r\n");
      seeds.Add(kWithUsers, line + field + "\r\ndata");
    }
  }
  Bytes many = "CONNECT a:1 HTTP/1.1\r\n";
  for (int i = 0; i < 99; ++i) many += "X:\n";
  for (const Bytes& other :
       {"\r\n"s, "CONNECT"s, "CONNECT  HTTP/1.1\r\n\r\n"s, "PRI * HTTP/2.0\r\n\r\n"s, "\x16\x03\x01"s, "\x05\x01\x00"s, many + "\n",
        many + "X:\nX:\n\n", "CONNECT a:1 HTTP/1.1\r\nX: " + Bytes(16 << 10, 'x')}) {
    seeds.Add(0, other);
  }
  return seeds.Take();
}

std::vector<Bytes> FramingSeeds() {
  constexpr char kOpen = 0;
  constexpr char kAccept = 0x40;
  constexpr char kAddress = static_cast<char>(0x80);
  constexpr char kSocks5Datagram = static_cast<char>(0xc0);
  Seeds seeds;
  const Bytes long_text(255, 'x');
  const std::vector<Bytes> fields = {"",
                                     "\x10\x01",
                                     "\x10\x02",
                                     "\x10\x03",
                                     "\x10\x82\x80\x00"s,
                                     BytesField(3, "db:5432"),
                                     BytesField(3, "[2001:db8::1]:53"),
                                     BytesField(3, "no port"),
                                     BytesField(4, "10.0.0.9:40000"),
                                     BytesField(5, "web"),
                                     BytesField(5, long_text),
                                     BytesField(6, "0123456789abcdef"),
                                     BytesField(6, "short"),
                                     BytesField(7, "back"),
                                     BytesField(7, "\xff\n"),
                                     "\x40\x01",
                                     "\x48\xff\x01",
                                     "\x51" + "12345678"s,
                                     "\x65" + "1234"s,
                                     BytesField(12, "unknown"),
                                     "\x4b\x4c",
                                     "\x0d\x31\x54\x56\x43",
                                     "\x0d\x31\x54\x56\x44",
                                     "\xf8\xff\xff\xff\x0f\x00"s};
  Bytes all;
  for (const Bytes& field : fields) {
    seeds.Add(kOpen, Header(field) + "data");
    seeds.Add(kOpen, Header("\x10\x01" + BytesField(3, "a:1") + field));
    all += field;
  }
  seeds.Add(kOpen, Header(all));
  seeds.Add(kOpen, Header("\x10\x02" + BytesField(3, "db:5432") + BytesField(4, "10.0.0.9:40000") + BytesField(5, "web") +
                          BytesField(6, "0123456789abcdef") + BytesField(7, "back") + "\x40\x01"));
  for (const Bytes& other :
       {"\x00\x04\x0d\x31\x54\x56"s, "\x10\x01\x0d"s, "\x10\x00\x0d\x31\x54\x56\x43"s, "\x00\x07\x10\x01"s, "GET / HTTP/1.1"s}) {
    seeds.Add(kOpen, other);
    seeds.Add(kAccept, other);
  }
  for (char reason = 0; reason < 17; ++reason) {
    seeds.Add(kAccept, Header(Bytes{'\x10', reason} + BytesField(3, "why it was refused")) + "data");
  }
  seeds.Add(kAccept, Header(""));
  seeds.Add(kAccept, Header("\x10\x03" + BytesField(3, "a\nb")));
  seeds.Add(kAccept, Header("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + BytesField(3, long_text + long_text)));
  for (const Bytes& address : Addresses()) {
    seeds.Add(kAddress, address + "payload");
    seeds.Add(kAddress, address);
    seeds.Add(kSocks5Datagram, "\x00\x00\x00"s + address + "payload");
    seeds.Add(kSocks5Datagram, "\x00\x00\x01"s + address + "payload");
  }
  return seeds.Take();
}

}  // namespace culvert::fuzz
