// Workers under test: real threads and sockets on loopback, configured as the supervisor would.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/resolver.h"
#include "server/session_counts.h"
#include "server/worker.h"
#include "server/worker_directory.h"
#include "tests/testing/tcp_server.h"
#include "tests/testing/tcp_stream.h"

namespace culvert::server {

class WorkerFixture : public ::testing::Test {
 protected:
  using Stream = culvert::testing::TcpStream;
  using Server = culvert::testing::TcpServer;

  void StartWorkers(uint32_t count);
  void TearDown() override;

  // Each adds an object to the wanted routing; listeners bind a port of the system's choice, which is returned.
  SocketAddress AddTcpListener(const std::string& name);
  SocketAddress AddKcpListener(const std::string& name, const std::string& seed = "seed");
  void AddKcpDialer(const std::string& name, const SocketAddress& target, const std::string& seed = "seed");
  // Both with certificates of the fixture's CA; the server's is for 127.0.0.1.
  SocketAddress AddQuicListener(const std::string& name, const quic::QuicOptions& options = {});
  void AddQuicDialer(const std::string& name, const SocketAddress& target, const quic::QuicOptions& options = {});
  void AddTcpDialer(const std::string& name, const std::vector<HostPort>& targets);
  SocketAddress AddUdpListener(const std::string& name);
  void AddUdpDialer(const std::string& name, const SocketAddress& target);
  void AddForward(const std::string& name, const std::string& listener, const std::string& dialer);
  void AddDirectForward(const std::string& name, const std::string& listener, const SocketAddress& destination);

  // Listener "in" (TCP) → dialer "far" (KCP) → listener "kcp" → `destination`. Returns the address of "in".
  SocketAddress AddTunnel(const SocketAddress& destination);

  // The same over QUIC; the listener is "quic".
  SocketAddress AddQuicTunnel(const SocketAddress& destination, const quic::QuicOptions& listener_options = {});

  // "far" (QUIC, or KCP) and its listener "tunnel", both addressed; the forward "out" of it goes to `destination`.
  void AddAddressedPair(bool over_quic, const SocketAddress& destination);

  // Makes the wanted routing real on all workers and returns their final counters of what went.
  std::vector<WorkerReport> Apply();
  // Changes an object of the wanted routing.
  ForwardConfig& Forward(const std::string& name);
  ListenerConfig& Listener(const std::string& name);
  DialerConfig& Dialer(const std::string& name);
  void Remove(const std::string& name);

  std::vector<WorkerReport> Report();
  // Of the object, on all workers together.
  ObjectCounters ListenerCounters(const std::string& name);
  ObjectCounters DialerCounters(const std::string& name);
  ObjectCounters ForwardCounters(const std::string& name);
  std::vector<SessionSnapshot> Sessions();
  std::vector<StreamSnapshot> Streams();
  std::vector<UdpFlowSnapshot> UdpFlows();
  // What has ended on all workers, those of the first in front.
  std::vector<std::shared_ptr<const EndedRecord>> Ended();
  // What happened, of all workers.
  std::vector<WorkerEvent> Events();
  bool CloseSession(const SessionSnapshot& session, bool graceful);
  std::vector<ProbeStep> Probe(const std::string& dialer, uint32_t attempts = 1,
                               Duration timeout = std::chrono::seconds(5));
  // Waits until `condition` holds, looking again and again. False: not within ten seconds.
  static bool Eventually(const std::function<bool()>& condition);

  static std::shared_ptr<const kcp::KcpConfig> MakeKcp(const std::string& seed);
  // A server of the fixture's CA. `wants_certificate`: of clients.
  static std::shared_ptr<const tls::TlsContext> QuicServerTls(bool wants_certificate = false);
  // A client that trusts the fixture's CA. `has_certificate`: one of that CA.
  static std::shared_ptr<const tls::TlsContext> QuicClientTls(bool has_certificate = false);
  // Whether a connection, which may be reset before it is seen to be one, shows nothing and ends.
  static bool EndsWithoutData(absl::StatusOr<Stream>& stream) { return !stream.ok() || !stream->ReadText(1).ok(); }
  // Sends everything back, ends when the client does.
  static void Echo(Stream& stream);

  IpAddress local_ = IpAddress::LoopbackV4();  // of all listeners
  std::unique_ptr<Resolver> resolver_;
  SessionCounts session_counts_;
  WorkerDirectory directory_;
  std::vector<std::unique_ptr<WorkerControl>> workers_;

 private:
  template <typename Result>
  Result Wait(const std::function<bool(std::function<void(Result)>)>& post);

  // Binds a group and hands its sockets out with the next Apply.
  SocketAddress BindUdp(const ObjectId& listener);
  std::shared_ptr<quic::EndpointKeys> Keys();

  std::mutex events_mutex_;
  std::vector<WorkerEvent> events_;  // guarded by events_mutex_
  std::shared_ptr<quic::EndpointKeys> keys_;
  std::vector<ListenerConfig> listeners_;
  std::vector<DialerConfig> dialers_;
  std::vector<ForwardConfig> forwards_;
  std::vector<std::vector<ListenerSocket>> new_sockets_;  // by worker
};

}  // namespace culvert::server
