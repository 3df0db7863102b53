#include "tests/unit/server_data/worker_fixture.h"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "core/crypto/system_random.h"
#include "core/io/monotonic_clock.h"
#include "tests/testing/certificate_maker.h"

namespace culvert::server {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using std::chrono::seconds;

namespace {

const Certificate& QuicCa() {
  static const Certificate ca = MakeCa("test CA");
  return ca;
}

template <typename Config>
Config& FindByName(std::vector<Config>& configs, const std::string& name) {
  const auto found = std::find_if(configs.begin(), configs.end(), [&](const Config& config) { return config.id.name == name; });
  EXPECT_TRUE(found != configs.end()) << name;
  return *found;
}

// Its first incarnation.
template <typename Config>
Config& New(std::vector<Config>& configs, const std::string& name) {
  Config& config = configs.emplace_back();
  config.id.name = name;
  config.id.incarnation = 1;
  return config;
}

template <typename Config>
std::vector<std::shared_ptr<const Config>> Shared(const std::vector<Config>& configs) {
  std::vector<std::shared_ptr<const Config>> shared;
  for (const Config& config : configs) shared.push_back(std::make_shared<const Config>(config));
  std::ranges::sort(shared, {}, [](const auto& config) { return config->id.name; });
  return shared;
}

}  // namespace

void WorkerFixture::StartWorkers(uint32_t count) {
  resolver_ = std::make_unique<Resolver>();
  for (uint32_t i = 0; i < count; ++i) {
    auto worker = StartWorker({.index = i,
                               .resolver = resolver_.get(),
                               .session_counts = &session_counts_,
                               .directory = &directory_,
                               .on_event = [this](WorkerEvent event) {
                                 const std::lock_guard lock(events_mutex_);
                                 events_.push_back(std::move(event));
                               }});
    ASSERT_TRUE(worker.ok()) << worker.status();
    workers_.push_back(*std::move(worker));
  }
  new_sockets_.resize(count);
}

void WorkerFixture::TearDown() {
  for (const auto& worker : workers_) worker->BeginStop(Duration::zero());
  for (const auto& worker : workers_) worker->Join();
  workers_.clear();
}

std::shared_ptr<const kcp::KcpConfig> WorkerFixture::MakeKcp(const std::string& seed) {
  kcp::KcpOptions options;
  options.seed.emplace(seed);
  return *kcp::KcpConfig::Create(options);
}

SocketAddress WorkerFixture::AddTcpListener(const std::string& name) {
  auto group = io::TcpListenSocket::BindGroup({.bind = {local_, 0}}, workers_.size());
  EXPECT_TRUE(group.ok()) << group.status();
  ListenerConfig& config = New(listeners_, name);
  config.bind = group->front().local_address();
  for (size_t i = 0; i < workers_.size(); ++i) {
    ListenerSocket socket;
    socket.listener = config.id;
    socket.tcp = std::move((*group)[i]);
    new_sockets_[i].push_back(std::move(socket));
  }
  return config.bind;
}

SocketAddress WorkerFixture::BindUdp(const ObjectId& listener) {
  auto group = io::UdpSocket::BindGroup({.bind = {local_, 0}}, workers_.size());
  EXPECT_TRUE(group.ok()) << group.status();
  const SocketAddress bound = group->front().local_address();
  for (size_t i = 0; i < workers_.size(); ++i) {
    ListenerSocket socket;
    socket.listener = listener;
    socket.udp = std::move((*group)[i]);
    new_sockets_[i].push_back(std::move(socket));
  }
  return bound;
}

SocketAddress WorkerFixture::AddKcpListener(const std::string& name, const std::string& seed) {
  ListenerConfig& config = New(listeners_, name);
  config.transport = Transport::kKcp;
  config.bind = BindUdp(config.id);
  config.kcp = MakeKcp(seed);
  return config.bind;
}

std::shared_ptr<quic::EndpointKeys> WorkerFixture::Keys() {
  SystemRandom random;
  if (keys_ == nullptr) keys_ = quic::EndpointKeys::Generate(random, io::UnixNanoseconds() / 1'000'000'000);
  return keys_;
}

std::shared_ptr<const tls::TlsContext> WorkerFixture::QuicServerTls(bool wants_certificate) {
  static const Certificate leaf = MakeLeaf(QuicCa(), {"127.0.0.1"});
  tls::TlsOptions options;
  options.role = tls::Role::kServer;
  options.certificate_pem = leaf.chain_pem;
  options.private_key_pem = AsBytes(leaf.private_key_pem);
  options.require_peer_certificate = wants_certificate;
  if (wants_certificate) options.trust_pem = QuicCa().certificate_pem;
  options.alpn = {"h2", "http/1.1"};
  return *tls::TlsContext::Create(options);
}

std::shared_ptr<const tls::TlsContext> WorkerFixture::QuicClientTls(bool has_certificate) {
  static const Certificate leaf = MakeLeaf(QuicCa(), {"near.example"});
  tls::TlsOptions options;
  if (has_certificate) {
    options.certificate_pem = leaf.chain_pem;
    options.private_key_pem = AsBytes(leaf.private_key_pem);
  }
  options.trust_pem = QuicCa().certificate_pem;
  options.alpn = {"h2", "http/1.1"};
  return *tls::TlsContext::Create(options);
}

SocketAddress WorkerFixture::AddQuicListener(const std::string& name, const quic::QuicOptions& options) {
  ListenerConfig& config = New(listeners_, name);
  config.transport = Transport::kQuic;
  config.bind = BindUdp(config.id);
  config.quic = *quic::QuicConfig::Create(options);
  config.quic_keys = Keys();
  config.tls = QuicServerTls();
  return config.bind;
}

void WorkerFixture::AddQuicDialer(const std::string& name, const SocketAddress& target, const quic::QuicOptions& options) {
  DialerConfig& config = New(dialers_, name);
  config.transport = Transport::kQuic;
  config.targets = {{target.ip.ToString(), target.port}};
  config.quic = *quic::QuicConfig::Create(options);
  config.quic_keys = Keys();
  config.tls = QuicClientTls();
  config.tls_server_name = "127.0.0.1";
}

void WorkerFixture::AddKcpDialer(const std::string& name, const SocketAddress& target, const std::string& seed) {
  DialerConfig& config = New(dialers_, name);
  config.transport = Transport::kKcp;
  config.targets = {{target.ip.ToString(), target.port}};
  config.kcp = MakeKcp(seed);
}

void WorkerFixture::AddTcpDialer(const std::string& name, const std::vector<HostPort>& targets) {
  New(dialers_, name).targets = targets;
}

SocketAddress WorkerFixture::AddUdpListener(const std::string& name) {
  ListenerConfig& config = New(listeners_, name);
  config.transport = Transport::kUdp;
  config.bind = BindUdp(config.id);
  return config.bind;
}

void WorkerFixture::AddUdpDialer(const std::string& name, const SocketAddress& target) {
  DialerConfig& config = New(dialers_, name);
  config.transport = Transport::kUdp;
  config.targets = {{target.ip.ToString(), target.port}};
}

void WorkerFixture::AddAddressedPair(bool over_quic, const SocketAddress& destination) {
  if (over_quic) {
    AddQuicDialer("far", AddQuicListener("tunnel"));
  } else {
    AddKcpDialer("far", AddKcpListener("tunnel"));
  }
  Listener("tunnel").is_addressed = true;
  Dialer("far").is_addressed = true;
  AddDirectForward("out", "tunnel", destination);
}

std::vector<StreamSnapshot> WorkerFixture::Streams() {
  std::vector<StreamSnapshot> streams;
  for (const WorkerReport& report : Report()) streams.insert(streams.end(), report.streams.begin(), report.streams.end());
  return streams;
}

std::vector<UdpFlowSnapshot> WorkerFixture::UdpFlows() {
  std::vector<UdpFlowSnapshot> flows;
  for (const WorkerReport& report : Report()) flows.insert(flows.end(), report.udp_flows.begin(), report.udp_flows.end());
  return flows;
}

std::vector<std::shared_ptr<const EndedRecord>> WorkerFixture::Ended() {
  std::vector<std::shared_ptr<const EndedRecord>> all;
  for (const auto& worker : workers_) {
    const auto batch = Wait<EndedBatch>([&](std::function<void(EndedBatch)> done) { return worker->ReadEnded(0, std::move(done)); });
    all.insert(all.end(), batch.records.begin(), batch.records.end());
  }
  return all;
}

std::vector<WorkerEvent> WorkerFixture::Events() {
  const std::lock_guard lock(events_mutex_);
  return events_;
}

void WorkerFixture::AddForward(const std::string& name, const std::string& listener, const std::string& dialer) {
  ForwardConfig& config = New(forwards_, name);
  config.listener = listener;
  config.dialer = dialer;
}

void WorkerFixture::AddDirectForward(const std::string& name, const std::string& listener, const SocketAddress& destination) {
  ForwardConfig& config = New(forwards_, name);
  config.listener = listener;
  config.destination = {destination.ip.ToString(), destination.port};
}

SocketAddress WorkerFixture::AddTunnel(const SocketAddress& destination) {
  const SocketAddress in = AddTcpListener("in");
  AddKcpDialer("far", AddKcpListener("kcp"));
  AddForward("near", "in", "far");
  AddDirectForward("out", "kcp", destination);
  return in;
}

SocketAddress WorkerFixture::AddQuicTunnel(const SocketAddress& destination, const quic::QuicOptions& listener_options) {
  const SocketAddress in = AddTcpListener("in");
  AddQuicDialer("far", AddQuicListener("quic", listener_options));
  AddForward("near", "in", "far");
  AddDirectForward("out", "quic", destination);
  return in;
}

ForwardConfig& WorkerFixture::Forward(const std::string& name) { return FindByName(forwards_, name); }
ListenerConfig& WorkerFixture::Listener(const std::string& name) { return FindByName(listeners_, name); }
DialerConfig& WorkerFixture::Dialer(const std::string& name) { return FindByName(dialers_, name); }

void WorkerFixture::Remove(const std::string& name) {
  const auto is_it = [&](const auto& config) { return config.id.name == name; };
  std::erase_if(listeners_, is_it);
  std::erase_if(dialers_, is_it);
  std::erase_if(forwards_, is_it);
}

template <typename Result>
Result WorkerFixture::Wait(const std::function<bool(std::function<void(Result)>)>& post) {
  auto promise = std::make_shared<std::promise<Result>>();
  auto future = promise->get_future();
  EXPECT_TRUE(post([promise](Result result) { promise->set_value(std::move(result)); }));
  EXPECT_EQ(future.wait_for(seconds(30)), std::future_status::ready);
  return future.get();
}

std::vector<WorkerReport> WorkerFixture::Apply() {
  auto routing = std::make_shared<Routing>();
  routing->listeners = Shared(listeners_);
  routing->dialers = Shared(dialers_);
  routing->forwards = Shared(forwards_);
  std::vector<WorkerReport> gone;
  for (size_t i = 0; i < workers_.size(); ++i) {
    gone.push_back(Wait<WorkerReport>([&](std::function<void(WorkerReport)> done) {
      return workers_[i]->Update(routing, std::exchange(new_sockets_[i], {}), std::move(done));
    }));
  }
  return gone;
}

std::vector<WorkerReport> WorkerFixture::Report() {
  std::vector<WorkerReport> reports;
  for (const auto& worker : workers_) {
    reports.push_back(Wait<WorkerReport>([&](std::function<void(WorkerReport)> done) {
      return worker->Report(ReportWants::Everything(/*sessions=*/true), std::move(done));
    }));
  }
  return reports;
}

ObjectCounters WorkerFixture::ListenerCounters(const std::string& name) {
  ObjectCounters sum;
  for (WorkerReport& report : Report()) sum += report.listeners[name];
  return sum;
}

ObjectCounters WorkerFixture::DialerCounters(const std::string& name) {
  ObjectCounters sum;
  for (WorkerReport& report : Report()) sum += report.dialers[name];
  return sum;
}

ObjectCounters WorkerFixture::ForwardCounters(const std::string& name) {
  ObjectCounters sum;
  for (WorkerReport& report : Report()) sum += report.forwards[name];
  return sum;
}

std::vector<SessionSnapshot> WorkerFixture::Sessions() {
  std::vector<SessionSnapshot> all;
  for (WorkerReport& report : Report()) std::move(report.sessions.begin(), report.sessions.end(), std::back_inserter(all));
  return all;
}

bool WorkerFixture::CloseSession(const SessionSnapshot& session, bool graceful) {
  return Wait<bool>([&](std::function<void(bool)> done) {
    return workers_[session.worker]->CloseSession(session.id, graceful, std::move(done));
  });
}

std::vector<ProbeStep> WorkerFixture::Probe(const std::string& dialer, uint32_t attempts, Duration timeout) {
  ProbeRequest request{
      .dialer = std::make_shared<const DialerConfig>(Dialer(dialer)), .attempts = attempts, .timeout = timeout};
  return Wait<std::vector<ProbeStep>>([&](std::function<void(std::vector<ProbeStep>)> done) {
    auto steps = std::make_shared<std::vector<ProbeStep>>();
    return workers_[0]->Probe(request, [steps, done = std::move(done)](ProbeStep step) {
      const bool last = step.last;
      steps->push_back(std::move(step));
      if (last) done(*steps);
    });
  });
}

bool WorkerFixture::Eventually(const std::function<bool()>& condition) {
  const TimePoint deadline = io::Now() + seconds(10);
  while (!condition()) {
    if (io::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

void WorkerFixture::Echo(Stream& stream) {
  std::vector<uint8_t> buffer(64 << 10);
  for (;;) {
    const auto size = stream.Read(buffer);
    if (!size.ok() || *size == 0) return;
    if (!stream.Write(ByteView(buffer).first(*size)).ok()) return;
  }
}

}  // namespace culvert::server
