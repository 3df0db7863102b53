// In this order: the name is looked up and connected to; a handshake is done as gRPC does it, with the same files; where it breaks, the
// verdict on the daemon's certificate or the alert it sent says why. With TLS 1.3 the daemon's verdict on ours comes behind the
// handshake, so something is read.
#include "cli/target/tls_probe.h"

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/text/escape.h"
#include "core/base/address.h"

namespace culvert::cli {
namespace {

using Clock = std::chrono::steady_clock;

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using Context = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freer<SSL, SSL_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509, X509_free>>;

class Probe {
 public:
  Probe(const std::string& host_port, const TlsFlags& flags, const TlsMaterial& material, Duration limit)
      : host_port_(host_port), flags_(flags), material_(material), end_(Clock::now() + limit) {}
  ~Probe() {
    session_.reset();
    if (fd_ >= 0) ::close(fd_);
    ERR_clear_error();
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  Outcome Run() {
    const auto parsed = HostPort::Parse(host_port_);
    if (!parsed.ok()) return std::nullopt;
    host_ = parsed->host;
    name_ = flags_.server_name.empty() ? host_ : flags_.server_name;
    if (Outcome failed = ConnectTcp(parsed->port)) return failed;
    if (!Prepare()) return std::nullopt;
    is_done_ = Step([this] { return SSL_connect(session_.get()); }) == 1;
    char byte = 0;
    // A daemon that takes us speaks first, so what can be read means that all is well now.
    if (is_done_ && Step([&] { return SSL_read(session_.get(), &byte, 1); }) == 1) return std::nullopt;
    return fault_ == X509_V_OK ? OfOurs() : OfTheirs();
  }

 private:
  Failure Unreachable(std::string why, std::string next = "") const {
    return {ExitCode::kUnreachable, {absl::StrFormat("cannot reach culvertd at %s: %s", Visible(host_port_), why)}, std::move(next), ""};
  }
  Failure Refused(std::string why, std::string next) const {
    return {ExitCode::kDenied, {absl::StrFormat("no TLS with culvertd at %s: %s", Visible(host_port_), why)}, std::move(next), ""};
  }

  bool Wait(short events) const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now()).count();
    pollfd one{fd_, events, 0};
    return left > 0 && ::poll(&one, 1, static_cast<int>(left)) == 1;
  }

  Outcome ConnectTcp(uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(host_.c_str(), absl::StrCat(port).c_str(), &hints, &found); error != 0) {
      return Unreachable(absl::StrFormat("its name has no address (%s)", ::gai_strerror(error)), "is the host written right?");
    }
    int error = 0;
    for (const addrinfo* one = found; one != nullptr && fd_ < 0; one = one->ai_next) {
      fd_ = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, one->ai_protocol);
      if (fd_ < 0) continue;
      error = ::connect(fd_, one->ai_addr, one->ai_addrlen) == 0 ? 0 : errno;
      if (error == EINPROGRESS) {
        error = ETIMEDOUT;
        socklen_t size = sizeof error;
        if (Wait(POLLOUT)) ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
      }
      if (error == 0) break;
      ::close(std::exchange(fd_, -1));
    }
    ::freeaddrinfo(found);
    if (fd_ >= 0) return std::nullopt;
    return Unreachable(std::strerror(error), "is culvertd running there, with --control-tcp?");
  }

  bool Prepare() {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, Remember);
    BIO* roots = BIO_new_mem_buf(material_.ca_pem.data(), static_cast<int>(material_.ca_pem.size()));
    for (;;) {
      const Certificate one(PEM_read_bio_X509(roots, nullptr, nullptr, nullptr));
      if (!one) break;
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), one.get());
    }
    BIO_free(roots);
    ERR_clear_error();
    if (!material_.certificate_pem.empty() && !UseCertificate()) return false;
    session_.reset(SSL_new(context_.get()));
    SSL_set_app_data(session_.get(), this);
    static constexpr unsigned char kH2[] = {2, 'h', '2'};
    SSL_set_alpn_protos(session_.get(), kH2, sizeof kH2);
    if (IpAddress::Parse(name_).ok()) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session_.get()), name_.c_str());
    } else {
      SSL_set_tlsext_host_name(session_.get(), name_.c_str());
      SSL_set1_host(session_.get(), name_.c_str());
    }
    return SSL_set_fd(session_.get(), fd_) == 1;
  }

  bool UseCertificate() {
    BIO* chain = BIO_new_mem_buf(material_.certificate_pem.data(), static_cast<int>(material_.certificate_pem.size()));
    ours_.reset(PEM_read_bio_X509(chain, nullptr, nullptr, nullptr));
    if (ours_) SSL_CTX_use_certificate(context_.get(), ours_.get());
    while (X509* more = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr)) SSL_CTX_add_extra_chain_cert(context_.get(), more);
    BIO_free(chain);
    BIO* pem = BIO_new_mem_buf(material_.key_pem.data(), static_cast<int>(material_.key_pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(pem, nullptr, nullptr, nullptr);
    BIO_free(pem);
    if (key != nullptr) SSL_CTX_use_PrivateKey(context_.get(), key);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ours_ != nullptr && key != nullptr;
  }

  // Goes on until it is done, breaks, or the time is up.
  template <typename Call>
  int Step(Call&& call) {
    for (;;) {
      ERR_clear_error();
      const int result = call();
      if (result == 1) return result;
      const int error = SSL_get_error(session_.get(), result);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        if (!Wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return 0;
        continue;
      }
      reason_ = ERR_GET_REASON(ERR_peek_error());
      return 0;
    }
  }

  static std::string Day(const ASN1_TIME* time) {
    std::tm parts{};
    char text[32] = "";
    if (ASN1_TIME_to_tm(time, &parts) == 1) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
  }

  // DNS names and addresses of a certificate.
  static std::vector<std::string> NamesOf(const X509* certificate) {
    std::vector<std::string> names;
    auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
      if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
      const ASN1_STRING* text = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
      std::string bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<size_t>(ASN1_STRING_length(text)));
      if (name->type == GEN_IPADD) {
        std::array<uint8_t, 4> four{};
        std::array<uint8_t, 16> sixteen{};
        if (bytes.size() == four.size()) {
          std::memcpy(four.data(), bytes.data(), four.size());
          bytes = IpAddress::V4(four).ToString();
        } else if (bytes.size() == sixteen.size()) {
          std::memcpy(sixteen.data(), bytes.data(), sixteen.size());
          bytes = IpAddress::V6(sixteen).ToString();
        }
      }
      names.push_back(Visible(bytes.substr(0, 100)));
    }
    GENERAL_NAMES_free(all);
    if (names.size() > 5) names.resize(5);
    return names;
  }

  // Called for each certificate of the daemon's chain: keeps the first fault, which ends the handshake.
  static int Remember(int is_good, X509_STORE_CTX* store) {
    if (is_good == 1) return 1;
    const auto* session = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* probe = static_cast<Probe*>(SSL_get_app_data(session));
    probe->fault_ = X509_STORE_CTX_get_error(store);
    probe->theirs_.reset(X509_STORE_CTX_get_current_cert(store));
    if (probe->theirs_) X509_up_ref(probe->theirs_.get());
    return 0;
  }

  Outcome OfTheirs() const {
    const X509* theirs = theirs_.get();
    switch (theirs == nullptr ? X509_V_ERR_UNSPECIFIED : fault_) {
      case X509_V_ERR_CERT_HAS_EXPIRED:
        return Refused("its certificate expired on " + Day(X509_get0_notAfter(theirs)), "renew the file of its --control-cert");
      case X509_V_ERR_CERT_NOT_YET_VALID:
        return Refused("its certificate is valid from " + Day(X509_get0_notBefore(theirs)) + " on", "is the clock right, here and there?");
      case X509_V_ERR_HOSTNAME_MISMATCH:
      case X509_V_ERR_IP_ADDRESS_MISMATCH: {
        const std::vector<std::string> names = NamesOf(theirs);
        const std::string all = names.empty() ? "nobody" : absl::StrJoin(names, ", ");
        return Refused(absl::StrFormat("its certificate is for %s, not for %s", all, Visible(name_)),
                       names.empty() ? "" : "if that is the daemon you mean: --tls-server-name " + names.front());
      }
      default:
        return Refused(absl::StrFormat("nobody in %s vouches for its certificate (%s)", Visible(material_.ca_path),
                                       X509_verify_cert_error_string(fault_)),
                       "--ca-file FILE with the certificate of who signed it");
    }
  }

  // The daemon said no, or went away, after it saw what we showed.
  Outcome OfOurs() const {
    if (reason_ == SSL_R_WRONG_VERSION_NUMBER || reason_ == SSL_R_HTTP_REQUEST || reason_ == SSL_R_UNEXPECTED_MESSAGE) {
      return Refused("what answers there does not speak TLS", "is that the port of --control-tcp?");
    }
    // gRPC's server closes the connection when it refuses a certificate, and OpenSSL's sends an alert; with TLS 1.3 both come when the
    // handshake is done here.
    const bool is_refused = is_done_ || reason_ >= SSL_AD_REASON_OFFSET;
    if (!is_refused) return std::nullopt;
    if (material_.certificate_pem.empty()) return Refused("it wants a certificate from us", "--certificate-file FILE --key-file FILE");
    const std::string file = Visible(flags_.certificate_file);
    if (ours_ && X509_cmp_current_time(X509_get0_notAfter(ours_.get())) < 0) {
      return Refused(absl::StrFormat("our certificate %s expired on %s", file, Day(X509_get0_notAfter(ours_.get()))), "renew it");
    }
    return Refused(absl::StrFormat("it does not accept our certificate %s", file),
                   "have it signed by who is in the daemon's --control-trust");
  }

  const std::string host_port_;
  const TlsFlags& flags_;
  const TlsMaterial& material_;
  const Clock::time_point end_;
  std::string host_, name_;
  int fd_ = -1;
  int reason_ = 0;        // of OpenSSL, why the last step broke
  bool is_done_ = false;  // the handshake, as far as we can see
  int fault_ = X509_V_OK;
  Certificate theirs_;    // that has the fault
  Context context_;
  Session session_;
  Certificate ours_;
};

}  // namespace

Failure ExplainTls(const std::string& host_port, const TlsFlags& flags, const TlsMaterial& material, Duration limit,
                   const std::string& otherwise) {
  if (Outcome found = Probe(host_port, flags, material, limit).Run()) return *std::move(found);
  return {ExitCode::kUnreachable, {absl::StrFormat("lost culvertd at %s: %s", Visible(host_port), Visible(otherwise))}, "", ""};
}

}  // namespace culvert::cli
