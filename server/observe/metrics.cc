#include "server/observe/metrics.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/transport/datagram.h"
#include "server/process.h"
#include "server/udp_drop.h"

namespace culvert::server {
namespace {

constexpr double kNanosecondsPerSecond = 1e9;

double SecondsOf(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) / kNanosecondsPerSecond;
}

const char* TransportText(v1::Transport transport) {
  switch (transport) {
    case v1::TRANSPORT_TCP: return "tcp";
    case v1::TRANSPORT_UDP: return "udp";
    case v1::TRANSPORT_KCP: return "kcp";
    case v1::TRANSPORT_QUIC: return "quic";
    default: return "none";
  }
}

std::string TransportText(Transport transport) {
  switch (transport) {
    case Transport::kTcp: return "tcp";
    case Transport::kUdp: return "udp";
    case Transport::kKcp: return "kcp";
    case Transport::kQuic: return "quic";
  }
  return "none";
}

const char* StateText(const ObjectView& view) {
  const v1::Object& object = view.entry->object;
  const bool is_paused = object.has_listener() ? object.listener().spec().paused()
                         : object.has_dialer() ? object.dialer().spec().paused()
                                               : object.forward().spec().paused();
  if (object.has_listener() && !view.bound) return "closed";
  return view.entry->is_draining || is_paused ? "draining" : "active";
}

ObjectCounters CountersOf(const ObjectView& view, const MergedReport& report, const ObjectKey& key) {
  ObjectCounters counters = CountersIn(report.listeners, report.dialers, report.forwards, key);
  if (view.carried != nullptr) counters += *view.carried;
  return counters;
}

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(absl::string_view(text.data(), text.size())); }

double Number(uint64_t value) { return static_cast<double>(value); }

// Of listeners and dialers alike.
void AddSessions(const ObjectView& view, const ObjectKey& key, const ObjectCounters& counters, MetricBook& book) {
  const std::string role(KindInfo(key.kind).singular);
  const std::string owner = book.OwnerLabel(role, key.name);
  const MetricBook::Labels labels = {{"owner", owner}, {"role", role}, {"transport", TransportText(TransportOf(view.entry->object))}};
  book.Gauge("culvertd_sessions_active", "Sessions that are open.", labels, Number(counters.active));
  book.Counter("culvertd_sessions_opened_total", "Sessions that were opened.", labels, Number(counters.opened));
  book.Counter("culvertd_sessions_closed_total", "Sessions that have ended.", labels, Number(counters.closed));
  book.Counter("culvertd_sessions_failed_total", "Sessions that were refused or could not be opened.", labels, Number(counters.failed));
  book.Counter("culvertd_received_bytes_total", "Bytes of applications that came in.", labels, Number(counters.rx_bytes));
  book.Counter("culvertd_sent_bytes_total", "Bytes of applications that went out.", labels, Number(counters.tx_bytes));
  if (counters.rx_datagrams + counters.tx_datagrams > 0) {
    book.Counter("culvertd_received_datagrams_total", "Datagrams that came in.", labels, Number(counters.rx_datagrams));
    book.Counter("culvertd_sent_datagrams_total", "Datagrams that went out.", labels, Number(counters.tx_datagrams));
  }
  if (counters.tls_handshakes + counters.tls_failed > 0) {
    book.Counter("culvertd_tls_handshakes_total", "TLS handshakes that are over.", {{"owner", owner}, {"result", "done"}, {"role", role}},
                 Number(counters.tls_handshakes));
    book.Counter("culvertd_tls_handshakes_total", "TLS handshakes that are over.", {{"owner", owner}, {"result", "failed"}, {"role", role}},
                 Number(counters.tls_failed));
  }
  for (size_t i = 1; i < kDropReasonCount; ++i) {  // 0 is "not dropped"
    if (counters.dropped[i] == 0) continue;
    book.Counter("culvertd_datagrams_dropped_total", "Datagrams that were dropped.",
                 {{"owner", owner}, {"reason", Lower(DropReasonName(static_cast<DropReason>(i)))}, {"role", role}}, Number(counters.dropped[i]));
  }
}

void AddUdpDrops(const std::string& role, const std::string& owner, const ObjectCounters& counters, MetricBook& book) {
  for (size_t i = 0; i < counters.udp_dropped.size(); ++i) {
    if (counters.udp_dropped[i] == 0) continue;
    book.Counter("culvertd_datagrams_dropped_total", "Datagrams that were dropped.",
                 {{"owner", owner}, {"reason", Lower(UdpDropName(i))}, {"role", role}}, Number(counters.udp_dropped[i]));
  }
}

void AddRefusals(const std::string& role, const std::string& owner, const ObjectCounters& counters, MetricBook& book) {
  for (size_t i = 0; i < counters.refused.size(); ++i) {
    if (counters.refused[i] == 0) continue;
    book.Counter("culvertd_streams_refused_total", "Streams and UDP flows that were refused.",
                 {{"owner", owner}, {"reason", Lower(RefusalName(static_cast<Refusal>(i)))}, {"role", role}}, Number(counters.refused[i]));
  }
}

void AddForward(const ObjectKey& key, const ObjectCounters& counters, MetricBook& book) {
  const std::string forward = book.OwnerLabel("forward", key.name);
  const MetricBook::Labels labels = {{"forward", forward}};
  book.Gauge("culvertd_streams_active", "Streams that are open.", labels, Number(counters.active));
  book.Counter("culvertd_streams_opened_total", "Streams that were opened.", labels, Number(counters.opened));
  book.Counter("culvertd_streams_closed_total", "Streams that have ended.", labels, Number(counters.closed));
  book.Counter("culvertd_streams_failed_total", "Streams that could not be joined to where they were to go.", labels, Number(counters.failed));
  book.Gauge("culvertd_udp_flows_active", "UDP flows that are open.", labels, Number(counters.udp_flows));
  book.Counter("culvertd_udp_flows_opened_total", "UDP flows that were opened.", labels, Number(counters.udp_flows_opened));
  if (counters.reverse_parked > 0) book.Gauge("culvertd_reverse_streams_parked", "Streams at hand of reverse forwards.", labels, Number(counters.reverse_parked));
  AddUdpDrops("forward", forward, counters, book);
  AddRefusals("forward", forward, counters, book);
}

void AddObject(const ObjectView& view, const MergedReport& report, MetricBook& book) {
  const ObjectKey key = KeyOf(view.entry->object);
  const ObjectCounters counters = CountersOf(view, report, key);
  if (key.kind == Kind::kForward) return AddForward(key, counters, book);
  AddSessions(view, key, counters, book);
  const std::string role(KindInfo(key.kind).singular);
  const std::string owner = book.OwnerLabel(role, key.name);
  const char* transport = TransportText(TransportOf(view.entry->object));
  if (key.kind == Kind::kListener) {
    book.Gauge("culvertd_listeners", "Listeners, by transport and state.", {{"state", StateText(view)}, {"transport", transport}}, 1);
    AddUdpDrops(role, owner, counters, book);
    AddRefusals(role, owner, counters, book);
    if (view.bound && view.bound->granted && owner != MetricBook::kOther) {
      book.Gauge("culvertd_udp_socket_receive_buffer_bytes", "Receive buffer that the kernel granted.", {{"listener", owner}},
                 Number(view.bound->granted->receive_buffer_bytes));
    }
  } else {
    book.Gauge("culvertd_dialers", "Dialers, by transport and state.", {{"state", StateText(view)}, {"transport", transport}}, 1);
    const auto targets = report.targets.find(key.name);
    for (const TargetReport& target : targets != report.targets.end() ? targets->second : std::vector<TargetReport>()) {
      const bool is_failing = target.sessions == 0 && !target.last_error_reason.empty();
      book.Gauge("culvertd_dialer_targets", "Targets of a dialer, by how the last attempt went.",
                 {{"dialer", owner}, {"state", is_failing ? "failing" : target.sessions > 0 ? "reached" : "not_tried"}}, 1);
    }
  }
  if (counters.lost_segments + counters.retransmitted_segments > 0) {
    book.Counter("culvertd_packets_lost_total", "Packets or segments that were lost on the way to the peer.", {{"transport", transport}}, Number(counters.lost_segments));
    book.Counter("culvertd_packets_retransmitted_total", "Packets or segments that were sent again.", {{"transport", transport}},
                 Number(counters.retransmitted_segments));
  }
  if (view.entry->tls != nullptr && view.entry->tls->own_certificate() && owner != MetricBook::kOther) {
    book.Gauge("culvertd_certificate_expiry_timestamp_seconds", "When the certificate that we show is not valid any more.", {{"owner", owner}, {"role", role}},
               static_cast<double>(view.entry->tls->own_certificate()->not_after_unix_seconds));
  }
}

void AddDrain(const v1::Drain& drain, MetricBook& book) {
  for (const auto& [phase, text] : {std::pair(v1::Drain::PHASE_SERVING, "serving"), std::pair(v1::Drain::PHASE_DRAINING, "draining"),
                                    std::pair(v1::Drain::PHASE_DRAINED, "drained"), std::pair(v1::Drain::PHASE_TIMED_OUT, "timed_out")}) {
    book.Gauge("culvertd_drain_phase", "1 for the phase that the daemon is in.", {{"phase", text}}, drain.phase() == phase ? 1 : 0);
  }
  book.Gauge("culvertd_drain_sessions_left", "Sessions that a drain waits for.", {}, static_cast<double>(drain.sessions_left()));
  book.Gauge("culvertd_drain_streams_left", "Streams that a drain waits for.", {}, static_cast<double>(drain.streams_left()));
  book.Gauge("culvertd_drain_udp_flows_left", "UDP flows that a drain waits for.", {}, static_cast<double>(drain.udp_flows_left()));
}

}  // namespace

void RttHistogram::Sample(const MergedReport& report) {
  if (sampled_at_ != TimePoint() && report.taken_at - sampled_at_ < kSpacing) return;
  sampled_at_ = report.taken_at;
  for (const SessionSnapshot& session : report.sessions) {
    if (session.stats.smoothed_rtt <= Duration::zero()) continue;
    const double seconds = std::chrono::duration<double>(session.stats.smoothed_rtt).count();
    OfTransport& of = by_transport_[TransportText(session.transport)];
    ++of.counts[static_cast<size_t>(std::ranges::lower_bound(kBounds, seconds) - kBounds.begin())];
    of.sum += seconds;
  }
}

void RttHistogram::AddTo(MetricBook& book) const {
  for (const auto& [transport, of] : by_transport_) {
    std::vector<std::pair<double, uint64_t>> buckets;
    uint64_t count = 0;
    for (size_t i = 0; i < of.counts.size(); ++i) {
      count += of.counts[i];
      buckets.emplace_back(i < kBounds.size() ? kBounds[i] : std::numeric_limits<double>::infinity(), count);
    }
    book.Histogram("culvertd_session_rtt_seconds", "Smoothed round trips of open sessions, sampled every few seconds.", {{"transport", transport}}, buckets, of.sum);
  }
}

void AddMetrics(const Observation& observation, MetricBook& book) {
  book.Gauge("culvertd_build_info", "1, with the version.", {{"version", observation.version}}, 1);
  book.Gauge("culvertd_start_time_seconds", "When the daemon began.", {}, static_cast<double>(observation.start_unix_ns) / kNanosecondsPerSecond);
  for (const ObjectView& view : observation.objects) AddObject(view, *observation.report, book);
  for (const MergedReport::Worker& worker : observation.report->workers) {
    book.Counter("culvertd_worker_cpu_seconds_total", "Time that a worker's thread ran.", {{"worker", std::to_string(worker.index)}},
                 std::chrono::duration<double>(worker.cpu_time).count());
  }
  book.Gauge("culvertd_workers_answering", "Workers that answered in time.", {}, Number(observation.report->workers.size()));
  book.Gauge("culvertd_objects_pending", "Kept objects that are not in force.", {}, Number(observation.pending.size()));
  book.Gauge("culvertd_state_kept", "1: what the API makes outlives the daemon.", {}, observation.state_is_kept ? 1 : 0);
  const v1::GetConfigStatusResponse& config = observation.config;
  if (config.config_dirs_size() > 0) {
    book.Gauge("culvertd_config_last_reload_successful", "1: the configuration folders are in force as they are now.", {}, config.rejected_message().empty() ? 1 : 0);
    book.Gauge("culvertd_config_last_reload_timestamp_seconds", "When the content that is in force came into force.", {}, SecondsOf(config.load_time()));
    book.Gauge("culvertd_config_generation", "How often the content of the folders came into force.", {}, static_cast<double>(config.generation()));
  }
  AddDrain(observation.drain, book);
  book.Gauge("culvertd_watch_streams_active", "Watch streams that are open.", {}, Number(observation.watch_readers));
}

void AddProcessMetrics(MetricBook& book) {
  book.Counter("process_cpu_seconds_total", "Time that all threads ran.", {}, ProcessCpuSeconds());
  book.Gauge("process_resident_memory_bytes", "Memory that is resident.", {}, Number(ResidentBytes()));
  book.Gauge("process_open_fds", "File descriptors that are open.", {}, Number(OpenFiles()));
  book.Gauge("process_max_fds", "File descriptors that may be open.", {}, Number(MaxOpenFiles()));
}

}  // namespace culvert::server
