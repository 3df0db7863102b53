#include "tests/sim/quic_pair.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "tests/sim/quic_random.h"
#include "tests/testing/certificate_maker.h"

namespace culvert::sim {
namespace {

// What one worker's batch holds.
constexpr size_t kSinkDatagrams = 256;
// A driver's receive budget.
constexpr int kReceiveBudget = 64;
// No send storm: in 100 ms nobody sends more than this many times what the link carries, plus a start.
constexpr double kStormFactor = 4;
constexpr uint64_t kStormAllowance = 2 << 20;
constexpr size_t kMostStreamsChecked = 16;  // one by one, after each step
// Flush, events, and what they led to, until nothing follows.
constexpr int kSettleRounds = 100;
// Turns at one and the same time; a burst takes a few hundred.
constexpr uint32_t kMaxStalledTurns = 20'000;
// Looking at every session costs time, so only every so many turns.
constexpr uint32_t kTurnsPerCheck = 64;

// The virtual clock begins at 1000 s; this is then the time of day.
constexpr int64_t kUnixSecondsAtEpoch = 1'699'999'000;
int64_t WallClock() { return kUnixSecondsAtEpoch + 1000; }

struct Identity {
  testing::Certificate authority;
  testing::Certificate leaf;
};

// Made once, by the same numbers in every process, with dates that do not move: signatures have the same lengths each time.
const Identity& TheIdentity() {
  static const Identity identity = [] {
    CulvertSeedBoringSsl(1);
    testing::CertificateOptions options{.common_name = "simulated authority",
                                        .not_before_unix_seconds = 1'600'000'000,
                                        .not_after_unix_seconds = 2'000'000'000,
                                        .is_authority = true};
    const testing::Certificate authority = testing::MakeCertificate(options, nullptr);
    options.common_name = "far.example";
    options.names = {"far.example"};
    options.is_authority = false;
    return Identity{authority, testing::MakeCertificate(options, &authority)};
  }();
  return identity;
}

std::shared_ptr<const tls::TlsContext> MakeTls(tls::Role role, bool trusts) {
  tls::TlsOptions options;
  options.role = role;
  options.alpn = {"h2", "http/1.1"};
  const Identity& identity = TheIdentity();
  if (role == tls::Role::kServer) {
    options.certificate_pem = identity.leaf.chain_pem;
    options.private_key_pem = ByteView(reinterpret_cast<const uint8_t*>(identity.leaf.private_key_pem.data()),
                                       identity.leaf.private_key_pem.size());
  } else {
    options.trust_pem = trusts ? identity.authority.certificate_pem : testing::MakeCa("another authority").certificate_pem;
  }
  return *tls::TlsContext::Create(options);
}

}  // namespace

// Puts every datagram onto the virtual link.
class QuicPair::Sink final : public DatagramSink {
 public:
  Sink(QuicPair& pair, End& end) : pair_(pair), end_(end) {}
  ByteSpan Reserve(const SocketAddress& peer, size_t max_size) override {
    if (count_ == kSinkDatagrams) return {};
    CULVERT_CHECK(max_size <= buffer_.size());
    peer_ = peer;
    ecn_ = Ecn::kNotEct;
    return ByteSpan(buffer_).first(max_size);
  }
  void SetEcn(Ecn ecn) override { ecn_ = ecn; }
  void Commit(size_t size) override {
    if (size == 0) return;
    ++count_;
    pair_.OnSent(end_, peer_, ByteView(buffer_.data(), size), ecn_);
  }

 private:
  QuicPair& pair_;
  End& end_;
  SocketAddress peer_;
  Ecn ecn_ = Ecn::kNotEct;
  size_t count_ = 0;
  std::array<uint8_t, 4096> buffer_;
};

QuicPair::QuicPair(const QuicPairOptions& options)
    : options_(options),
      up_(options.up, options.ipv6 ? 48 : 28),
      down_(options.down, options.ipv6 ? 48 : 28),
      scratch_(256 * 1024) {
  (void)TheIdentity();
  CulvertSeedBoringSsl(options.seed);
  SeededRandom key_random(options.seed ^ 0x4b455953);
  keys_ = quic::EndpointKeys::Generate(key_random, WallClock());
  server_tls_ = MakeTls(tls::Role::kServer, true);
  client_tls_ = MakeTls(tls::Role::kClient, options.trusts);
  server_address_ = *SocketAddress::Parse(options.ipv6 ? "[2001:db8::2]:443" : "10.0.0.2:443");
  clients_.resize(options.clients);
  servers_.resize(options.workers);
  for (size_t i = 0; i < clients_.size(); ++i) MakeEnd(clients_[i], true, i);
  for (size_t i = 0; i < servers_.size(); ++i) MakeEnd(servers_[i], false, i);
}

QuicPair::~QuicPair() = default;

void QuicPair::MakeEnd(End& end, bool is_client, size_t index) {
  end.is_client = is_client;
  end.index = index;
  if (!end.random) end.random = std::make_unique<SeededRandom>(options_.seed * 1000 + 2 * index + (is_client ? 0 : 1));
  if (is_client) {
    const std::string text = options_.ipv6 ? absl::StrFormat("[2001:db8:1:%d::1]:40000", index)
                                           : absl::StrFormat("10.%d.%d.1:40000", 1 + index / 256, index % 256);
    end.local = end.seen_as = *SocketAddress::Parse(text);
    end.resumption = options_.resumption ? quic::CreateResumptionStore() : nullptr;
  } else {
    end.local = end.seen_as = server_address_;
  }
  quic::EndpointOptions endpoint;
  endpoint.config = *quic::QuicConfig::Create(is_client ? options_.client : options_.server);
  endpoint.worker = static_cast<uint32_t>(index);
  endpoint.workers = is_client ? 1 : options_.workers;
  endpoint.accepts = !is_client;
  if (!is_client) endpoint.server_tls = server_tls_;
  endpoint.keys = keys_;
  endpoint.local = end.local;
  endpoint.unix_ns_at_epoch = kUnixSecondsAtEpoch * 1'000'000'000;
  endpoint.wall_clock = WallClock;
  endpoint.max_sessions = options_.max_sessions;
  endpoint.retry_above_handshakes = options_.retry_above_handshakes;
  endpoint.max_unvalidated_per_prefix = options_.max_unvalidated_per_prefix;
  largest_datagram_ = std::max<size_t>(
      largest_datagram_, endpoint.config->max_udp_payload_bytes() + endpoint.config->outer_overhead_bytes());
  end.endpoint = quic::CreateEndpoint(endpoint, *end.random);
  end.window_started_at = now_;
  end.sides.clear();
}

template <typename Visit>
void QuicPair::ForEachEnd(Visit visit) {
  for (End& end : clients_) visit(end);
  for (End& end : servers_) visit(end);
}

void QuicPair::ReplaceServers() {
  for (End& end : servers_) {
    for (auto& [handle, side] : end.sides) side->closed = true;
    MakeEnd(end, false, end.index);
  }
}

void QuicPair::Heal() {
  SetBlackHole(false);
  up_.Heal();
  down_.Heal();
}

void QuicPair::RebindPort(size_t client) { clients_[client].seen_as.port = next_port_++; }

void QuicPair::RebindAddress(size_t client) {
  const std::string text = options_.ipv6 ? absl::StrFormat("[2001:db8:2::%d]:%d", next_host_, next_port_)
                                         : absl::StrFormat("10.200.0.%d:%d", next_host_, next_port_);
  ++next_host_;
  ++next_port_;
  clients_[client].seen_as = *SocketAddress::Parse(text);
}

void QuicPair::MigrateClient(size_t client) {
  RebindAddress(client);
  End& end = clients_[client];
  end.local = end.seen_as;
  for (const Session& session : sessions_) {
    if (session.client == client && session.open && !session.closed) end.endpoint->MigrateTo(now_, session.handle, end.local);
  }
  Settle(end);
}

size_t QuicPair::Dial(size_t client) {
  End& end = clients_[client];
  Session session;
  session.client = client;
  session.dialled_at = now_;
  session.handle = *end.endpoint->ConnectSession(
      now_, {.peer = server_address_, .tls = client_tls_, .server_name = "far.example", .resumption = end.resumption});
  sessions_.push_back(session);
  may_open_ = true;
  Settle(end);
  return sessions_.size() - 1;
}

void QuicPair::OnSent(End& end, const SocketAddress& peer, ByteView datagram, Ecn ecn) {
  end.sent_in_window += datagram.size();
  if (datagram.size() > largest_datagram_) Fail(absl::StrFormat("a datagram of %d bytes", datagram.size()));
  const SocketAddress& far = end.is_client ? end.seen_as : peer;
  if (on_datagram) on_datagram(end.is_client, far, datagram);
  for (const uint64_t part : {static_cast<uint64_t>(datagram.size()), static_cast<uint64_t>(now_.time_since_epoch().count()),
                              static_cast<uint64_t>(ecn), static_cast<uint64_t>(far.port) << 1 | (end.is_client ? 1 : 0)}) {
    trace_hash_ = (trace_hash_ ^ part) * 1099511628211u;
  }
  if (end.is_client) {
    if (peer != server_address_) Fail("a client sent to a strange address");
    up_.Push(now_, far, datagram, ecn);
    return;
  }
  Traffic& traffic = traffic_[KeyOf(far)];
  traffic.out += datagram.size();
  if (!traffic.validated && traffic.out > 3 * traffic.in) suspects_.push_back(far);
  down_.Push(now_, far, datagram, ecn);
}

void QuicPair::DeliverToServer(const SocketAddress& from, ByteView packet, Ecn ecn) {
  traffic_[KeyOf(from)].in += packet.size();
  std::copy(packet.begin(), packet.end(), scratch_.begin());
  End& end = servers_[from.port % servers_.size()];
  Datagram datagram{from, ByteSpan(scratch_).first(packet.size()), ecn};
  if (end.endpoint->OnDatagram(now_, datagram) != DropReason::kHandedOver) return;
  const quic::Handover handover = end.endpoint->TakeHandover();
  if (handover.worker >= servers_.size()) return Fail("handed over to a worker that does not exist");
  std::vector<uint8_t> bytes(handover.bytes.begin(), handover.bytes.end());
  Datagram handed{from, bytes, ecn};
  (void)servers_[handover.worker].endpoint->OnHandedOver(now_, handed);
}

void QuicPair::DeliverToClient(const SocketAddress& to, ByteView packet, Ecn ecn) {
  for (End& end : clients_) {
    if (end.seen_as != to) continue;
    std::copy(packet.begin(), packet.end(), scratch_.begin());
    Datagram datagram{server_address_, ByteSpan(scratch_).first(packet.size()), ecn};
    (void)end.endpoint->OnDatagram(now_, datagram);
    return;
  }
}

void QuicPair::Deliver() {
  for (int i = 0; i < kReceiveBudget; ++i) {
    const std::optional<QuicLink::Arrived> arrived = up_.Pop(now_);
    if (!arrived) break;
    DeliverToServer(arrived->address, arrived->packet, arrived->ecn);
  }
  for (int i = 0; i < kReceiveBudget; ++i) {
    const std::optional<QuicLink::Arrived> arrived = down_.Pop(now_);
    if (!arrived) break;
    DeliverToClient(arrived->address, arrived->packet, arrived->ecn);
  }
}

DropReason QuicPair::Inject(const SocketAddress& from, std::vector<uint8_t> bytes, size_t worker) {
  traffic_[KeyOf(from)].in += bytes.size();
  Datagram datagram{from, bytes};
  const DropReason reason = servers_[worker].endpoint->OnDatagram(now_, datagram);
  Settle(servers_[worker]);
  CheckAmplification();
  return reason;
}

DropReason QuicPair::InjectToClient(const SocketAddress& from, std::vector<uint8_t> bytes, size_t client) {
  Datagram datagram{from, bytes};
  const DropReason reason = clients_[client].endpoint->OnDatagram(now_, datagram);
  Settle(clients_[client]);
  return reason;
}

bool QuicPair::RunUntil(const std::function<bool()>& done, Duration limit) {
  const TimePoint end_at = now_ + limit;
  while (failure_.empty()) {
    if (done()) return true;
    TimePoint next = std::min(up_.NextDelivery(), down_.NextDelivery());
    ForEachEnd([&](End& end) {
      next = std::min(next, end.endpoint->NextTimeout().value_or(kInfiniteFuture));
      if (end.endpoint->HasPendingOutput()) next = now_;
    });
    // A deadline that nothing clears would keep a worker's processor busy.
    stalled_turns_ = next <= now_ ? stalled_turns_ + 1 : 0;
    if (stalled_turns_ > kMaxStalledTurns) {
      Fail("busy loop: a deadline lies in the past");
      return false;
    }
    if (next > end_at) {
      now_ = end_at;
      return done();
    }
    now_ = std::max(now_, next);
    Deliver();
    ForEachEnd([&](End& end) {
      const std::optional<TimePoint> timeout = end.endpoint->NextTimeout();
      if (timeout && *timeout <= now_) end.endpoint->OnTimeout(now_);
      Settle(end);
    });
    NoteValidated();
    CheckAmplification();
    if (++turns_ % kTurnsPerCheck == 0) ForEachEnd([&](End& end) { CheckInvariants(end); });
  }
  return false;
}

bool QuicPair::RunUntilOpen(size_t session, Duration limit) {
  return RunUntil([&] { return sessions_[session].open || sessions_[session].closed; }, limit) && sessions_[session].open &&
         !sessions_[session].closed;
}

void QuicPair::SettleAll() {
  ForEachEnd([&](End& end) { Settle(end); });
}

void QuicPair::Settle(End& end) {
  for (int round = 0; round < kSettleRounds; ++round) {
    Sink sink(*this, end);
    end.endpoint->Flush(now_, sink);
    bool any = false;
    while (const std::optional<Event> event = end.endpoint->PollEvent()) {
      any = true;
      if (on_event) on_event(end.is_client, end.index, *event);
      OnEvent(end, *event);
    }
    if (end.is_client && may_open_) {
      OpenWaiting();
      any = true;
    }
    if (!any) break;
  }
}

// Which addresses have ever been those of peers that proved theirs. With many sessions it is asked only about suspects.
void QuicPair::NoteValidated() {
  constexpr size_t kFew = 8;
  for (End& end : servers_) {
    if (suspects_.empty() && end.endpoint->session_count() > kFew) continue;
    end.endpoint->ForEachSession(now_, [&](const SessionStats& stats) {
      if (stats.validated) traffic_[KeyOf(stats.peer)].validated = true;
    });
  }
}

void QuicPair::CheckAmplification() {
  if (!suspects_.empty()) NoteValidated();
  for (const SocketAddress& address : std::exchange(suspects_, {})) {
    const Traffic& traffic = traffic_[KeyOf(address)];
    if (traffic.validated) continue;
    Fail(absl::StrFormat("amplification: %d bytes in, %d out to %s", traffic.in, traffic.out, address.ToString()));
  }
}

void QuicPair::CheckInvariants(End& end) {
  const testing::LinkOptions& link = end.is_client ? up_.options() : down_.options();
  if (now_ - end.window_started_at >= std::chrono::milliseconds(100)) {
    const double carried = static_cast<double>(link.rate_bits_per_second) / 8 * ToSeconds(now_ - end.window_started_at);
    if (options_.checks_storms && link.rate_bits_per_second != 0 &&
        static_cast<double>(end.sent_in_window) > kStormFactor * carried + kStormAllowance) {
      Fail(absl::StrFormat("send storm: %d bytes in %.0f ms on a link that carries %.0f", end.sent_in_window,
                           ToSeconds(now_ - end.window_started_at) * 1000, carried));
    }
    end.sent_in_window = 0;
    end.window_started_at = now_;
  }
  end.endpoint->ForEachSession(now_, [&](const SessionStats& stats) {
    // Flow control: what a peer may make us hold for a connection (T25).
    if (stats.receive_buffered_bytes > (9u << 20)) Fail("more received than flow control allows");
    if (stats.acknowledged_bytes > stats.tx_bytes) Fail("more acknowledged than sent");
    if (stats.path_mtu_bytes > largest_datagram_) Fail("the path MTU is above the limit");
    if (stats.time_in_limit.Sum() != now_ - stats.opened_at) Fail("the times in limits do not add up to the session's age");
  });
  if (end.sides.size() > kMostStreamsChecked) return;
  for (const auto& [handle, side] : end.sides) {
    const auto time = end.endpoint->GetTimeInLimit(now_, side->stream);
    if (time && time->Sum() != now_ - side->opened_at) Fail("the times in limits do not add up to the stream's age");
  }
}

QuicPair::Traffic QuicPair::TrafficOf(const SocketAddress& address) const {
  const auto found = traffic_.find(KeyOf(address));
  return found == traffic_.end() ? Traffic{} : found->second;
}

std::optional<SessionStats> QuicPair::ClientStats(size_t session) {
  return clients_[sessions_[session].client].endpoint->GetSessionStats(now_, sessions_[session].handle);
}

SessionHandle QuicPair::ServerSession() {
  SessionHandle handle;
  for (End& end : servers_) {
    end.endpoint->ForEachSession(now_, [&](const SessionStats& stats) {
      if (handle.is_null()) handle = stats.session;
    });
  }
  return handle;
}

std::optional<SessionStats> QuicPair::ServerStats() {
  std::optional<SessionStats> first;
  for (End& end : servers_) {
    end.endpoint->ForEachSession(now_, [&](const SessionStats& stats) {
      if (!first) first = stats;
    });
  }
  return first;
}

void QuicPair::Fail(const std::string& what) {
  if (failure_.empty()) {
    failure_ = absl::StrFormat("seed %d at %.6f s: %s", options_.seed, ToSeconds(now_.time_since_epoch()) - 1000, what);
  }
}

}  // namespace culvert::sim
