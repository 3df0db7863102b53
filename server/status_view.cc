#include "server/status_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/io/monotonic_clock.h"
#include "core/transport/datagram.h"
#include "server/message_walk.h"
#include "server/stats_proto.h"
#include "server/tls_status.h"
#include "server/validate_object.h"
#include "server/validate_tls.h"

namespace culvert::server {
namespace {

// What core/io asks for when a spec does not say (core/io/socket_options.h).
constexpr uint64_t kDefaultUdpBufferBytes = 8 << 20;

constexpr char kDraining[] = "Draining";
constexpr char kDrainingMessage[] = "is being deleted: finishes what it has and takes nothing new";

struct Buffers {
  uint64_t asked = 0;
  uint64_t granted = 0;
  const char* sysctl = "";
};

// The receive buffer, and the send buffer, when the kernel granted less than was asked for.
std::vector<Buffers> ShortBuffers(const v1::SocketSpec& spec, const io::UdpSocket::Granted& granted) {
  const auto asked = [](uint64_t bytes) { return bytes == 0 ? kDefaultUdpBufferBytes : bytes; };
  std::vector<Buffers> found;
  for (const Buffers& buffers : {Buffers{asked(spec.receive_buffer_bytes()), granted.receive_buffer_bytes, "net.core.rmem_max"},
                                 Buffers{asked(spec.send_buffer_bytes()), granted.send_buffer_bytes, "net.core.wmem_max"}}) {
    if (buffers.granted < buffers.asked) found.push_back(buffers);
  }
  return found;
}

std::string BuffersText(const std::vector<Buffers>& buffers) {
  std::string text;
  for (const Buffers& one : buffers) {
    text += absl::StrFormat("%s%d of %d bytes granted: sysctl -w %s=%d", text.empty() ? "" : "; ", one.granted, one.asked,
                            one.sysctl, one.asked);
  }
  return text;
}

bool StandsOpen(const Entry& entry, const std::optional<BoundAt>& bound) {
  return bound && entry.object.has_listener() &&
         IsOpenProxy(entry.object.listener().spec(), bound->address.ip);
}

const v1::SocketSpec& SocketSpecOf(const v1::Object& object) {
  return object.has_listener() ? object.listener().spec().socket() : object.dialer().spec().socket();
}

// Adds conditions to a status, newest knowledge each time.
class Conditions {
 public:
  Conditions(google::protobuf::RepeatedPtrField<v1::Condition>* out, int64_t generation, int64_t now_unix_ns,
             ConditionMemory& memory)
      : out_(out), generation_(generation), now_unix_ns_(now_unix_ns), memory_(memory) {}

  void Add(const char* type, v1::Condition::Status status, const char* reason, std::string message) {
    v1::Condition& condition = *out_->Add();
    condition.set_type(type);
    condition.set_status(status);
    condition.set_reason(reason);
    condition.set_message(std::move(message));
    *condition.mutable_last_transition_time() = ToTimestamp(memory_.TransitionTime(type, status, now_unix_ns_));
    condition.set_observed_generation(generation_);
  }
  void Add(TlsCondition condition) {
    Add(condition.type, condition.status, condition.reason, std::move(condition.message));
  }
  void AddReady(bool is_ready, const char* reason, std::string message) {
    Add("Ready", is_ready ? v1::Condition::STATUS_TRUE : v1::Condition::STATUS_FALSE, reason, std::move(message));
  }
  void AddBuffers(const v1::SocketSpec& spec, const io::UdpSocket::Granted& granted) {
    const std::vector<Buffers> missing = ShortBuffers(spec, granted);
    if (missing.empty()) {
      Add("BuffersGranted", v1::Condition::STATUS_TRUE, "Granted", "the kernel granted what was asked for");
    } else {
      Add("BuffersGranted", v1::Condition::STATUS_FALSE, "BelowRequest", BuffersText(missing));
    }
  }
  void AddSecurity(const StatusInputs& inputs) {
    const Entry& entry = *inputs.entry;
    if (StandsOpen(entry, inputs.bound)) Add("Secure", v1::Condition::STATUS_FALSE, "OpenProxy", kOpenProxy);
    if (entry.kcp == nullptr && entry.quic == nullptr) return;
    Add(SecureCondition(entry));
    if (entry.quic != nullptr && entry.object.has_listener()) Add(StateKeptCondition(entry));
    if (entry.tls == nullptr) return;
    for (TlsCondition& condition : TlsConditions(*inputs.entry, inputs.reload_fault, now_unix_ns_)) Add(std::move(condition));
  }

 private:
  google::protobuf::RepeatedPtrField<v1::Condition>* out_;
  const int64_t generation_;
  const int64_t now_unix_ns_;
  ConditionMemory& memory_;
};

// Reasons with a count, by their names.
template <typename Counts, typename NameOf>
void FillReasons(const Counts& counts, NameOf name_of, google::protobuf::Map<std::string, uint64_t>& reasons) {
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) reasons[std::string(name_of(i))] = counts[i];
  }
}

std::string_view RefusalNameOf(size_t i) { return RefusalName(static_cast<Refusal>(i)); }

void FillStatus(const StatusInputs& inputs, v1::Listener& listener, ConditionMemory& memory) {
  v1::ListenerStatus& status = *listener.mutable_status();
  Conditions conditions(status.mutable_conditions(), listener.metadata().generation(), inputs.now_unix_ns, memory);
  *status.mutable_counters() = ToProto(inputs.counters);
  for (size_t i = 1; i < kDropReasonCount; ++i) {  // 0 is "not dropped"
    const uint64_t count = inputs.counters.dropped[i];
    if (count > 0) (*status.mutable_dropped_datagrams())[std::string(DropReasonName(static_cast<DropReason>(i)))] = count;
  }
  FillReasons(inputs.counters.udp_dropped, UdpDropName, *status.mutable_dropped_datagrams());
  FillReasons(inputs.counters.refused, RefusalNameOf, *status.mutable_refused_streams());
  if (inputs.entry->tls != nullptr) *status.mutable_tls() = ToTlsStatus(*inputs.entry->tls, inputs.counters);
  if (!inputs.bound) {
    status.set_state(v1::STATE_CLOSED);
    conditions.AddReady(false, "Closed", "the listener is not bound");
    return;
  }
  const std::string address = inputs.bound->address.ToString();
  const bool is_draining = inputs.entry->is_draining;
  status.add_bound_addresses(address);
  const bool is_paused = listener.spec().paused();
  status.set_state(is_paused || is_draining ? v1::STATE_DRAINING : v1::STATE_ACTIVE);
  if (is_draining) {
    conditions.AddReady(false, kDraining, kDrainingMessage);
  } else {
    conditions.AddReady(!is_paused, is_paused ? "Paused" : "Accepting", is_paused ? "spec.paused is set: nothing new is accepted" : "accepts on " + address);
  }
  conditions.Add("Bound", v1::Condition::STATUS_TRUE, "Bound", address);
  if (const auto& granted = inputs.bound->granted) {
    *status.mutable_socket() = ToProto(*granted);
    conditions.AddBuffers(listener.spec().socket(), *granted);
  }
  conditions.AddSecurity(inputs);
}

void FillTargets(const StatusInputs& inputs, v1::Dialer& dialer, size_t& reached, size_t& failing) {
  for (const std::string& target : dialer.spec().targets()) {
    v1::TargetStatus& status = *dialer.mutable_status()->add_targets();
    status.set_target(target);
    if (inputs.targets == nullptr) continue;
    const auto report = std::ranges::find(*inputs.targets, target, &TargetReport::target);
    if (report == inputs.targets->end()) continue;
    for (const std::string& address : report->addresses) status.add_addresses(address);
    status.set_sessions(report->sessions);
    status.set_last_error_reason(report->last_error_reason);
    status.set_last_error_message(report->last_error_message);
    if (report->sessions > 0) {
      ++reached;
    } else if (!report->last_error_reason.empty()) {
      ++failing;
    }
  }
}

void FillStatus(const StatusInputs& inputs, v1::Dialer& dialer, ConditionMemory& memory) {
  v1::DialerStatus& status = *dialer.mutable_status();
  Conditions conditions(status.mutable_conditions(), dialer.metadata().generation(), inputs.now_unix_ns, memory);
  *status.mutable_counters() = ToProto(inputs.counters);
  if (inputs.entry->tls != nullptr) *status.mutable_tls() = ToTlsStatus(*inputs.entry->tls, inputs.counters);
  size_t reached = 0;
  size_t failing = 0;
  FillTargets(inputs, dialer, reached, failing);
  const auto total = static_cast<size_t>(dialer.spec().targets_size());
  const std::string tally = absl::StrFormat("%d of %d targets failing", failing, total);
  if (inputs.entry->is_draining) {
    status.set_state(v1::STATE_DRAINING);
    conditions.AddReady(false, kDraining, kDrainingMessage);
  } else if (dialer.spec().paused()) {
    status.set_state(v1::STATE_DRAINING);
    conditions.AddReady(false, "Paused", "spec.paused is set: no new streams are opened");
  } else if (failing == total) {
    status.set_state(v1::STATE_FAILED);
    conditions.AddReady(false, "AllTargetsFailing", tally);
  } else {
    status.set_state(failing > 0 ? v1::STATE_DEGRADED : v1::STATE_ACTIVE);
    conditions.AddReady(true, failing > 0 ? "SomeTargetsFailing" : "Ready", failing > 0 ? tally : "dials when streams need it");
  }
  // An mKCP session exists from the first datagram we send; that the peer is there shows only when one comes back.
  const bool is_silent = dialer.spec().transport() == v1::TRANSPORT_KCP && inputs.counters.rx_datagrams == 0;
  if (reached > 0 && is_silent) {
    conditions.Add("PeerReachable", v1::Condition::STATUS_UNKNOWN, "NoAnswerYet", "sessions are open, nothing was received yet");
  } else if (reached > 0) {
    conditions.Add("PeerReachable", v1::Condition::STATUS_TRUE, "SessionsOpen", "sessions are open");
  } else if (failing == total) {
    conditions.Add("PeerReachable", v1::Condition::STATUS_FALSE, "DialsFailed", tally);
  } else {
    conditions.Add("PeerReachable", v1::Condition::STATUS_UNKNOWN, "NotTried", "no session is open and no attempt failed");
  }
  if (inputs.socket) {
    *status.mutable_socket() = ToProto(*inputs.socket);
    conditions.AddBuffers(dialer.spec().socket(), *inputs.socket);
  }
  conditions.AddSecurity(inputs);
}

void FillStatus(const StatusInputs& inputs, v1::Forward& forward, ConditionMemory& memory) {
  v1::ForwardStatus& status = *forward.mutable_status();
  Conditions conditions(status.mutable_conditions(), forward.metadata().generation(), inputs.now_unix_ns, memory);
  *status.mutable_counters() = ToProto(inputs.counters);
  FillReasons(inputs.counters.refused, RefusalNameOf, *status.mutable_refused_streams());
  FillReasons(inputs.counters.udp_dropped, UdpDropName, *status.mutable_dropped_datagrams());
  status.set_udp_flows(inputs.counters.udp_flows);
  status.set_udp_flows_opened(inputs.counters.udp_flows_opened);
  status.set_reverse_parked(static_cast<uint32_t>(inputs.counters.reverse_parked));
  const bool is_paused = forward.spec().paused();
  const bool is_draining = inputs.entry->is_draining;
  status.set_state(is_paused || is_draining ? v1::STATE_DRAINING : v1::STATE_ACTIVE);
  if (is_draining) {
    conditions.AddReady(false, kDraining, kDrainingMessage);
  } else {
    conditions.AddReady(!is_paused, is_paused ? "Paused" : "Forwarding",
                        is_paused ? "spec.paused is set: new streams and flows are refused" : "takes streams and flows");
  }
  if (forward.spec().reverse().empty()) return;
  const bool is_private = !forward.spec().dialer().empty();
  if (inputs.counters.reverse_parked > 0) {
    conditions.Add("Offered", v1::Condition::STATUS_TRUE, "StreamsAtHand", absl::StrFormat("%d streams are at hand", inputs.counters.reverse_parked));
  } else {
    conditions.Add("Offered", v1::Condition::STATUS_FALSE, is_private ? "NotTaken" : "NobodyOffers",
                   is_private ? "the public side has not taken an offer: see the events" : "no private side offers streams for this name");
  }
}

StatusInputs InputsOf(const ObjectView& view, const MergedReport& report, const ObjectKey& key) {
  StatusInputs inputs;
  inputs.entry = view.entry.get();
  inputs.bound = view.bound;
  inputs.reload_fault = view.reload_fault;
  inputs.now_unix_ns = io::UnixNanoseconds();
  inputs.counters = CountersIn(report.listeners, report.dialers, report.forwards, key);
  if (view.carried != nullptr) inputs.counters += *view.carried;
  if (key.kind == Kind::kDialer) {
    if (const auto targets = report.targets.find(key.name); targets != report.targets.end()) inputs.targets = &targets->second;
    if (const auto socket = report.dialer_sockets.find(key.name); socket != report.dialer_sockets.end()) inputs.socket = socket->second;
  }
  return inputs;
}

template <typename Body>
void FillBody(const ObjectView& view, const MergedReport& report, const ObjectKey& key, const Body& declared, Body& body) {
  body.CopyFrom(declared);
  RedactSecrets(body);
  ConditionMemory none;
  FillStatus(InputsOf(view, report, key), body, view.entry->conditions != nullptr ? *view.entry->conditions : none);
}

}  // namespace

int64_t ConditionMemory::TransitionTime(std::string_view type, v1::Condition::Status status, int64_t now_unix_ns) {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find(seen_, type, &Seen::type);
  if (at == seen_.end()) {
    seen_.push_back({std::string(type), status, now_unix_ns});
    return now_unix_ns;
  }
  if (at->status != status) {
    at->status = status;
    at->since_unix_ns = now_unix_ns;
  }
  return at->since_unix_ns;
}

ObjectCounters CountersIn(const std::map<std::string, ObjectCounters>& listeners, const std::map<std::string, ObjectCounters>& dialers,
                          const std::map<std::string, ObjectCounters>& forwards, const ObjectKey& key) {
  const auto& counters = key.kind == Kind::kListener ? listeners : key.kind == Kind::kDialer ? dialers : forwards;
  const auto found = counters.find(key.name);
  return found == counters.end() ? ObjectCounters() : found->second;
}

v1::Object ObjectView::In(const MergedReport& report) const {
  v1::Object object;
  FillInto(report, object);
  return object;
}

void ObjectView::FillInto(const MergedReport& report, v1::Object& object) const {
  switch (entry->object.kind_case()) {
    case v1::Object::kListener: return FillInto(report, *object.mutable_listener());
    case v1::Object::kDialer: return FillInto(report, *object.mutable_dialer());
    case v1::Object::kForward: return FillInto(report, *object.mutable_forward());
    case v1::Object::KIND_NOT_SET: return;
  }
}

void ObjectView::FillInto(const MergedReport& report, v1::Listener& body) const {
  FillBody(*this, report, KeyOf(entry->object), entry->object.listener(), body);
}
void ObjectView::FillInto(const MergedReport& report, v1::Dialer& body) const {
  FillBody(*this, report, KeyOf(entry->object), entry->object.dialer(), body);
}
void ObjectView::FillInto(const MergedReport& report, v1::Forward& body) const {
  FillBody(*this, report, KeyOf(entry->object), entry->object.forward(), body);
}

v1::Object ObjectWithStatus(const StatusInputs& inputs, ConditionMemory& memory) {
  v1::Object object = RedactedObject(*inputs.entry);
  if (object.has_listener()) FillStatus(inputs, *object.mutable_listener(), memory);
  if (object.has_dialer()) FillStatus(inputs, *object.mutable_dialer(), memory);
  if (object.has_forward()) FillStatus(inputs, *object.mutable_forward(), memory);
  return object;
}

void AddConditions(const DaemonState& state, ConditionMemory& memory, v1::Daemon& daemon) {
  Conditions conditions(daemon.mutable_conditions(), /*generation=*/0, state.now_unix_ns, memory);
  constexpr auto kTrue = v1::Condition::STATUS_TRUE;
  constexpr auto kFalse = v1::Condition::STATUS_FALSE;
  if (!state.has_store) {
    conditions.Add("StateKept", kFalse, "NoStateDirectory", "objects made through the API end with this run: there is no state directory");
  } else if (!state.store_health.ok()) {
    conditions.Add("StateKept", kFalse, "StoreFailing", std::string(state.store_health.message()));
  } else {
    conditions.Add("StateKept", kTrue, "Kept", "what the API makes is on the disk before it is answered");
  }
  if (state.has_config_dirs) {
    const bool is_accepted = state.rejected_message.empty();
    conditions.Add("ConfigAccepted", is_accepted ? kTrue : kFalse, is_accepted ? "Accepted" : "Rejected",
                   is_accepted ? "the configuration folders are in force" : "changed files are not in force: " + state.rejected_message);
  }
  const bool is_whole = state.pending == 0;
  conditions.Add("RestoredWhole", is_whole ? kTrue : kFalse, is_whole ? "Whole" : "ObjectsPending",
                 is_whole ? "everything that is kept is in force" : absl::StrFormat("%d kept objects are not in force: see GetConfigStatus", state.pending));
}

void AppendWarnings(const Entry& entry, const std::optional<BoundAt>& bound, const std::string& reload_fault, int64_t now_unix_ns,
                    std::vector<v1::Warning>& warnings) {
  const std::string subject = KeyOf(entry.object).ToString();
  const auto add = [&](const char* reason, std::string message) {
    v1::Warning& warning = warnings.emplace_back();
    warning.set_field(subject);
    warning.set_reason(reason);
    warning.set_message(std::move(message));
  };
  if (entry.quic != nullptr && entry.object.has_listener()) {
    TlsCondition kept = StateKeptCondition(entry);
    if (kept.status == v1::Condition::STATUS_FALSE) add("STATE_NOT_KEPT", std::move(kept.message));
  }
  if (entry.kcp != nullptr || entry.quic != nullptr) {
    TlsCondition secure = SecureCondition(entry);
    if (secure.status == v1::Condition::STATUS_FALSE) {
      add(IsInsecure(entry) ? "INSECURE" : "ANYONE_MAY_CONNECT", std::move(secure.message));
    }
  }
  if (StandsOpen(entry, bound)) add("OPEN_PROXY", kOpenProxy);
  if (entry.tls != nullptr) {
    if (!reload_fault.empty()) add("RELOAD_FAILED", "changed files are not used: " + reload_fault);
    const v1::TlsSpec* spec = TlsOf(entry.object);
    if (spec != nullptr && spec->mode() == v1::TLS_MODE_XTLS) add("XTLS_WITHOUT_DIRECT_COPY", kNoDirectCopy);
    WarnOfCertificate(*entry.tls, subject, now_unix_ns, warnings);
  }
  if (!bound || !bound->granted) return;
  const std::vector<Buffers> missing = ShortBuffers(SocketSpecOf(entry.object), *bound->granted);
  if (missing.empty()) return;
  add("BUFFERS_BELOW_REQUEST", BuffersText(missing));
}

}  // namespace culvert::server
