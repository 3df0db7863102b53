#include "tests/bench/handshake_client.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/base/status_macros.h"
#include "core/crypto/system_random.h"
#include "core/io/datagram_batch.h"
#include "core/io/monotonic_clock.h"
#include "core/io/udp_socket.h"
#include "core/quic/endpoint.h"

namespace culvert::bench {
namespace {

constexpr Duration kLastAnswers = std::chrono::seconds(9);  // longer than a handshake may take

// One socket with its endpoint.
class Port {
 public:
  Port(const quic::EndpointOptions& options, io::UdpSocket socket, RandomSource& random)
      : socket_(std::move(socket)), endpoint_(quic::CreateEndpoint(options, random)) {}

  absl::Status Begin(TimePoint now, TimePoint due, const quic::ConnectOptions& options) {
    CULVERT_ASSIGN_OR_RETURN(const SessionHandle session, endpoint_->ConnectSession(now, options));
    due_[session.index] = due;
    return absl::OkStatus();
  }

  void Run(TimePoint now, io::ReceiveBatch& received, HandshakeResult& result) {
    Datagram datagram;
    while (received.Receive(socket_)) {
      while (received.Next(datagram)) static_cast<void>(endpoint_->OnDatagram(now, datagram));
    }
    endpoint_->OnTimeout(now);
    do {
      while (const std::optional<Event> event = endpoint_->PollEvent()) OnEvent(now, *event, result);
      endpoint_->Flush(now, batch_);
      static_cast<void>(batch_.Flush(socket_));  // what the socket does not take is lost, as on any path
      batch_.Clear();
    } while (endpoint_->HasPendingOutput());
  }

  int fd() const { return socket_.fd(); }
  size_t under_way() const { return due_.size(); }
  TimePoint NextTimeout() const { return endpoint_->NextTimeout().value_or(kInfiniteFuture); }

 private:
  void OnEvent(TimePoint now, const Event& event, HandshakeResult& result) {
    const auto due = due_.find(event.session.index);
    if (event.kind == Event::Kind::kSessionOpened && due != due_.end()) {
      result.milliseconds.push_back(1e3 * ToSeconds(now - due->second));
      due_.erase(due);
      endpoint_->CloseSession(now, event.session);
    } else if (event.kind == Event::Kind::kSessionClosed && due != due_.end()) {
      const auto info = endpoint_->GetSessionInfo(event.session);
      ++result.failures[info ? info->error_reason : ""];
      due_.erase(due);
    }
  }

  io::UdpSocket socket_;
  std::unique_ptr<quic::Endpoint> endpoint_;
  io::SendBatch batch_;
  std::map<uint32_t, TimePoint> due_;  // handshakes under way, by the index of their session
};

void Wait(TimePoint until, std::vector<pollfd>& files) {
  const Duration left = std::clamp<Duration>(until - io::Now(), Duration::zero(), std::chrono::seconds(1));
  const timespec time{.tv_sec = left / std::chrono::seconds(1), .tv_nsec = (left % std::chrono::seconds(1)).count()};
  static_cast<void>(ppoll(files.data(), files.size(), &time, nullptr));
}

}  // namespace

absl::StatusOr<HandshakeResult> RunHandshakes(const HandshakeOptions& options) {
  SystemRandom random;
  CULVERT_ASSIGN_OR_RETURN(const std::shared_ptr<const quic::QuicConfig> config, quic::QuicConfig::Create({}));
  tls::TlsOptions tls;
  tls.trust_pem = options.trust_pem;
  tls.alpn = {"h2"};
  quic::ConnectOptions connect{.peer = options.peer, .server_name = options.server_name};
  CULVERT_ASSIGN_OR_RETURN(connect.tls, tls::TlsContext::Create(tls));
  const int64_t unix_ns = io::UnixNanoseconds();
  const auto keys = quic::EndpointKeys::Generate(random, unix_ns / 1'000'000'000);
  std::vector<std::unique_ptr<Port>> ports;
  std::vector<pollfd> files;
  for (int i = 0; i < options.sockets; ++i) {
    CULVERT_ASSIGN_OR_RETURN(io::UdpSocket socket, io::UdpSocket::Bind({.bind = {IpAddress::LoopbackV4(), 0}}));
    const quic::EndpointOptions endpoint{.config = config,
                                         .keys = keys,
                                         .local = socket.local_address(),
                                         .unix_ns_at_epoch = unix_ns - io::Now().time_since_epoch().count()};
    ports.push_back(std::make_unique<Port>(endpoint, std::move(socket), random));
    files.push_back({.fd = ports.back()->fd(), .events = POLLIN, .revents = 0});
  }

  HandshakeResult result;
  io::ReceiveBatch received;
  const TimePoint start = io::Now();
  const auto wanted = static_cast<size_t>(options.per_second * ToSeconds(options.time));
  const auto due_at = [&](size_t number) { return start + FromSeconds(static_cast<double>(number) / options.per_second); };
  for (;;) {
    const TimePoint now = io::Now();
    for (; result.begun < wanted && due_at(result.begun) <= now; ++result.begun) {
      CULVERT_RETURN_IF_ERROR(ports[result.begun % ports.size()]->Begin(now, due_at(result.begun), connect));
    }
    TimePoint next = result.begun < wanted ? due_at(result.begun) : kInfiniteFuture;
    size_t under_way = 0;
    for (const auto& port : ports) {
      port->Run(now, received, result);
      next = std::min(next, port->NextTimeout());
      under_way += port->under_way();
    }
    if (result.begun == wanted && (under_way == 0 || now > due_at(wanted) + kLastAnswers)) return result;
    Wait(next, files);
  }
}

}  // namespace culvert::bench
