// In the order of the functions: bytes become lines, lines the request or a verdict, and a verdict becomes a response.
#include "core/frontdoor/http_connect.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/crypto/secret.h"
#include "core/frontdoor/basic_credentials.h"
#include "core/frontdoor/text.h"

namespace culvert::frontdoor {
namespace {

constexpr size_t kMaxFields = 100;
constexpr size_t kMaxMessageBytes = 512;

// RFC 9110 section 5.6.2.
bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 405:
      return "Method Not Allowed";
    case 407:
      return "Proxy Authentication Required";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Internal Server Error";
  }
}

// A proxy error type of RFC 9209 section 2.3.
std::string_view ProxyError(Refusal refusal) {
  switch (refusal) {
    case Refusal::kDestinationDenied:
      return "destination_ip_prohibited";
    case Refusal::kResolveFailed:
      return "dns_error";
    case Refusal::kConnectRefused:
      return "connection_refused";
    case Refusal::kConnectTimeout:
      return "connection_timeout";
    case Refusal::kUnreachable:
      return "destination_ip_unroutable";
    case Refusal::kNoForward:
    case Refusal::kDialFailed:
      return "destination_unavailable";
    case Refusal::kLimitExceeded:
      return "connection_limit_reached";
    case Refusal::kNotSupported:
    case Refusal::kHeaderMismatch:
      return "proxy_configuration_error";
    default:
      return "proxy_internal_error";
  }
}

// The content of a quoted string of RFC 8941 section 3.3.3: ASCII only, with \ before \ and ".
std::string Quotable(std::string_view plain) {
  std::string quotable;
  for (const char c : plain) {
    if (c == '\\' || c == '"') quotable += '\\';
    quotable += static_cast<unsigned char>(c) < 0x80 ? c : '?';
  }
  return quotable;
}

// One line without its end. Grows by hand, so that no copy of what may be a password is left to the allocator; erased with each line.
class LineBuffer {
 public:
  LineBuffer() = default;
  LineBuffer(const LineBuffer&) = delete;
  LineBuffer& operator=(const LineBuffer&) = delete;
  ~LineBuffer() { Clear(); }

  void Append(char c) {
    if (size_ == bytes_.size()) {
      std::vector<uint8_t> larger(std::max<size_t>(256, 2 * size_));
      std::copy(bytes_.begin(), bytes_.end(), larger.begin());
      SecureErase(bytes_);
      bytes_.swap(larger);
    }
    bytes_[size_++] = static_cast<uint8_t>(c);
  }
  void Clear() {
    SecureErase(ByteSpan(bytes_).first(size_));
    size_ = 0;
  }
  void Free() {
    Clear();
    bytes_ = {};
  }
  std::string_view text() const { return AsText(ByteView(bytes_).first(size_)); }

 private:
  std::vector<uint8_t> bytes_;
  size_t size_ = 0;
};

class HttpConnectDoor final : public Door {
 public:
  explicit HttpConnectDoor(std::shared_ptr<const UserTable> users) : users_(std::move(users)) {}

  size_t OnBytes(ByteView bytes) override {
    size_t taken = 0;
    while (state_ == State::kReading && taken < bytes.size()) OnByte(static_cast<char>(bytes[taken++]));
    if (state_ != State::kReading) line_.Free();
    return taken;
  }

  void Answer(Refusal refusal, std::string_view message, const SocketAddress&) override {
    CULVERT_CHECK(state_ == State::kRequested);
    if (refusal == Refusal::kNone) {
      // No Content-Length: RFC 9110 section 9.3.6 forbids it.
      Append("HTTP/1.1 200 Connection established\r\n\r\n");
      state_ = State::kDone;
      return;
    }
    const std::string plain = PlainText(message.empty() ? RefusalName(refusal) : message, kMaxMessageBytes);
    AppendError(HttpConnectStatus(refusal), "", ProxyError(refusal), plain);
    Refuse(refusal, plain);
  }

 private:
  void OnByte(char c) {
    ++head_bytes_;
    if (c == '\n') {
      was_cr_ = false;
      OnLine(line_.text());
      line_.Clear();
    } else if (was_cr_) {
      return Malformed("a CR without LF");
    } else if (c == '\r') {
      was_cr_ = true;
    } else if (c != '\t' && absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return Malformed("a control character");  // at once: TLS and SOCKS5 may never send the end of a line
    } else {
      line_.Append(c);
    }
    if (state_ == State::kReading && head_bytes_ == kMaxBytes) TooLarge("the head is larger than 16 KiB");
  }

  void OnLine(std::string_view line) {
    if (!has_request_line_) {
      has_request_line_ = true;
      return OnRequestLine(line);
    }
    if (line.empty()) return OnEnd();
    if (++fields_ > kMaxFields) return TooLarge("more than 100 fields");
    OnField(line);
  }

  // method SP request-target SP HTTP-version (RFC 9112 section 3), each space one and no other white space.
  void OnRequestLine(std::string_view line) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return Malformed("not an HTTP/1 request");
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return Malformed("not an HTTP/1 request");
    const bool is_graphic = std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (!IsToken(method) || target.empty() || !is_graphic) return Malformed("malformed request line");
    if (method != "CONNECT") {
      // The head is read to its end first: a response to half a request is lost when the rest meets a closed socket.
      is_other_method_ = true;
      return;
    }
    auto destination = HostPort::Parse(target);
    if (!destination.ok() || !IsHost(destination->host) || destination->port == 0) return Malformed("the target is not HOST:PORT");
    const bool has_colon = destination->host.find(':') != std::string::npos;
    if (target.front() == '[' && !has_colon) return Malformed("brackets are for IPv6");
    request_.destination = *std::move(destination);
  }

  void OnField(std::string_view line) {
    // RFC 9112 section 5.2: a folded line; or white space before the first field (section 2.2).
    if (line.front() == ' ' || line.front() == '\t') return Malformed("a line that begins with white space");
    const size_t colon = line.find(':');
    // White space before the colon is in no token (RFC 9112 section 5.1).
    if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) return Malformed("malformed field");
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);

    if (EqualsIgnoreCase(name, "Host")) {
      if (has_host_) return Malformed("two Host fields");  // RFC 9112 section 3.2
      has_host_ = true;
    } else if (EqualsIgnoreCase(name, "Proxy-Authorization")) {
      if (has_credentials_) return Malformed("two Proxy-Authorization fields");
      has_credentials_ = true;
      is_admitted_ = users_ != nullptr && AdmitsBasic(*users_, value);
    } else if (!is_other_method_ && EqualsIgnoreCase(name, "Content-Length") && value != "0") {
      // What follows a CONNECT is the tunnel's. Who reads a body there and who does not see different requests.
      Malformed("a CONNECT with Content-Length");
    } else if (!is_other_method_ && EqualsIgnoreCase(name, "Transfer-Encoding")) {
      Malformed("a CONNECT with Transfer-Encoding");
    }
  }

  void OnEnd() {
    if (is_other_method_) {
      return RefuseWith(405, "Allow: CONNECT\r\n", "http_request_error", Refusal::kNotSupported, "only CONNECT is to be had here");
    }
    if (users_ != nullptr && !is_admitted_) {
      return RefuseWith(407, "Proxy-Authenticate: Basic realm=\"culvert\"\r\n", "http_request_denied", Refusal::kUnauthenticated,
                        has_credentials_ ? "wrong user name or password" : "user name and password are required");
    }
    state_ = State::kRequested;
  }

  void Malformed(std::string_view message) { RefuseWith(400, "", "http_request_error", Refusal::kMalformed, message); }
  void TooLarge(std::string_view message) { RefuseWith(431, "", "http_request_error", Refusal::kMalformed, message); }

  void RefuseWith(int status, std::string_view fields, std::string_view error, Refusal refusal, std::string_view message) {
    AppendError(status, fields, error, message);
    Refuse(refusal, std::string(message));
  }

  void AppendError(int status, std::string_view fields, std::string_view error, std::string_view plain) {
    const std::string body = absl::StrFormat("culvert: %s\n", plain);
    Append(absl::StrFormat("HTTP/1.1 %d %s\r\n%sProxy-Status: culvert; error=%s; details=\"%s\"\r\n", status, ReasonPhrase(status),
                           fields, error, Quotable(plain)));
    Append(absl::StrFormat("Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                           body.size(), body));
  }

  void Append(std::string_view text) { output_.insert(output_.end(), text.begin(), text.end()); }

  const std::shared_ptr<const UserTable> users_;
  LineBuffer line_;
  size_t head_bytes_ = 0;
  size_t fields_ = 0;
  bool was_cr_ = false;
  bool has_request_line_ = false;
  bool is_other_method_ = false;
  bool has_host_ = false;
  bool has_credentials_ = false;
  bool is_admitted_ = false;
};

}  // namespace

int HttpConnectStatus(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return 200;
    case Refusal::kDestinationDenied:
      return 403;
    case Refusal::kResolveFailed:
    case Refusal::kConnectRefused:
    case Refusal::kUnreachable:
    case Refusal::kDialFailed:
      return 502;
    case Refusal::kConnectTimeout:
      return 504;
    case Refusal::kNoForward:
    case Refusal::kLimitExceeded:
    case Refusal::kShuttingDown:
      return 503;
    case Refusal::kNotSupported:
      return 501;
    default:
      return 500;
  }
}

std::unique_ptr<Door> CreateHttpConnectDoor(std::shared_ptr<const UserTable> users) {
  return std::make_unique<HttpConnectDoor>(std::move(users));
}

}  // namespace culvert::frontdoor
