#include "cli/advice/limits.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"

namespace culvert::cli {
namespace {

// Loss that a controller which takes it for congestion already pays for.
constexpr double kMuchLoss = 0.005;

double LossOf(const v1::Session& session) {
  const v1::Counters& counters = session.counters();
  return counters.tx_segments() == 0 ? 0 : static_cast<double>(counters.lost_packets()) / static_cast<double>(counters.tx_segments());
}

double RttSeconds(const v1::Session& session) { return Seconds(session.path().smoothed_rtt()); }

const v1::KcpSpec* KcpOf(const v1::Object* object) {
  if (object == nullptr) return nullptr;
  return object->has_listener() ? &object->listener().spec().kcp() : object->has_dialer() ? &object->dialer().spec().kcp() : nullptr;
}

const v1::QuicSpec* QuicOf(const v1::Object* object) {
  if (object == nullptr) return nullptr;
  return object->has_listener() ? &object->listener().spec().quic() : object->has_dialer() ? &object->dialer().spec().quic() : nullptr;
}

bool IsKcp(const v1::Session& session) { return session.transport() == v1::TRANSPORT_KCP; }

std::string OwnerText(const v1::Session& session) {
  return session.listener().empty() ? "dl/" + Visible(session.dialer()) : "lsn/" + Visible(session.listener());
}

// "culvertctl set dl/site-b kcp.congestion_control=BBR"
std::string SetText(const v1::Session& session, const std::string& setting) {
  return absl::StrCat("culvertctl set ", OwnerText(session), " ", IsKcp(session) ? "kcp." : "quic.", setting);
}

v1::CongestionControl ControlOf(const v1::Session& session, const v1::Object* object) {
  const v1::KcpSpec* kcp = KcpOf(object);
  const v1::QuicSpec* quic = QuicOf(object);
  if (kcp == nullptr || quic == nullptr) return v1::CONGESTION_CONTROL_UNSPECIFIED;
  const v1::CongestionControl control = IsKcp(session) ? kcp->congestion_control() : quic->congestion_control();
  return control == v1::CONGESTION_CONTROL_UNSPECIFIED ? v1::CONGESTION_CONTROL_BBR : control;
}

std::string PathText(const v1::Session& session) {
  return absl::StrFormat("round trip %s (least %s), %s lost, %s sent for each byte that is new", HumanLatency(session.path().smoothed_rtt()),
                         HumanLatency(session.path().min_rtt()), HumanShare(LossOf(session)),
                         session.path().waste_ratio() > 0 ? absl::StrFormat("%.2f bytes", session.path().waste_ratio()) : "nothing");
}

// A round trip that is several times the least one has a queue in it.
bool HasQueue(const v1::Session& session) {
  const double least = Seconds(session.path().min_rtt());
  return least > 0 && RttSeconds(session) > 2 * least && RttSeconds(session) - least > 0.02;
}

Advice ForCongestion(const v1::Session& session, const v1::Object* object) {
  Advice advice;
  const v1::PathStats& path = session.path();
  if (RttSeconds(session) > 0) {
    advice.facts.push_back(absl::StrFormat("a window of %s and a round trip of %s make %s at most", HumanBytes(path.congestion_window_bytes()),
                                           HumanLatency(path.smoothed_rtt()),
                                           HumanBitRate(static_cast<double>(path.congestion_window_bytes()) / RttSeconds(session))));
  }
  advice.facts.push_back(PathText(session));
  if (path.ecn_marks() > 0) advice.facts.push_back(absl::StrFormat("the path marked %d datagrams as congested", path.ecn_marks()));
  const v1::CongestionControl control = ControlOf(session, object);
  if (control == v1::CONGESTION_CONTROL_CUBIC && LossOf(session) > kMuchLoss) {
    advice.facts.emplace_back("CUBIC takes every loss for congestion");
    advice.next = SetText(session, "congestion_control=BBR");
  } else if (HasQueue(session)) {
    advice.next = "the path is full: a queue in it delays by " +
                  absl::StrFormat("%.0fms", 1e3 * (RttSeconds(session) - Seconds(path.min_rtt()))) + "; more needs a faster path";
  } else {
    advice.next = "no setting here makes the path carry more; culvertctl top ses shows who shares it";
  }
  return advice;
}

Advice ForPacing(const v1::Session& session, const v1::Object* object) {
  Advice advice;
  const v1::PathStats& path = session.path();
  advice.facts.push_back("it is sent at " + HumanBitRate(static_cast<double>(path.pacing_bytes_per_second())));
  advice.facts.push_back(PathText(session));
  const v1::KcpSpec* kcp = KcpOf(object);
  const uint64_t cap = IsKcp(session) && kcp != nullptr ? kcp->uplink_bytes_per_second() : 0;
  if (cap > 0 && static_cast<double>(path.pacing_bytes_per_second()) > 0.8 * static_cast<double>(cap)) {
    advice.facts.push_back(absl::StrFormat("the cap uplink_bytes_per_second is %s", HumanBitRate(static_cast<double>(cap))));
    advice.next = SetText(session, absl::StrFormat("uplink_bytes_per_second=%d", cap * 2)) + "    if the path carries more";
  } else if (ControlOf(session, object) == v1::CONGESTION_CONTROL_BBR) {
    advice.next = "this is the rate at which the path was seen to deliver: all of it is used";
  } else {
    advice.next = SetText(session, "congestion_control=BBR") + "    finds out what the path delivers";
  }
  return advice;
}

Advice ForPeerWindow(const v1::Session& session) {
  Advice advice;
  const v1::PathStats& path = session.path();
  const uint64_t window = path.peer_window_bytes() + path.bytes_in_flight();
  advice.facts.push_back(absl::StrFormat("the peer takes %s more, %s are under way", HumanBytes(path.peer_window_bytes()),
                                         HumanBytes(path.bytes_in_flight())));
  if (RttSeconds(session) > 0 && window > 0) {
    advice.facts.push_back(absl::StrFormat("so much for a round trip of %s is %s at most, however good the path", HumanLatency(path.smoothed_rtt()),
                                           HumanBitRate(static_cast<double>(window) / RttSeconds(session))));
  }
  if (IsKcp(session)) {
    advice.next = "at the far side: a faster reader, or a larger window: kcp.downlink_bytes_per_second=0 of a culvertd, downlinkCapacity of a v2ray";
  } else {
    advice.next = "at the far side: who reads there is too slow; culvertctl why str/ID there says what limits the next leg";
  }
  return advice;
}

}  // namespace

std::string LimitName(Limit limit) {
  switch (limit) {
    case v1::PathStats::LIMITED_BY_APPLICATION: return "application";
    case v1::PathStats::LIMITED_BY_CONGESTION: return "congestion";
    case v1::PathStats::LIMITED_BY_PACING: return "pacing";
    case v1::PathStats::LIMITED_BY_PEER_WINDOW: return "peer window";
    case v1::PathStats::LIMITED_BY_BUFFER: return "buffer";
    default: break;
  }
  return "path down";
}

std::string LimitMeaning(Limit limit) {
  switch (limit) {
    case v1::PathStats::LIMITED_BY_APPLICATION: return "There was nothing to send: it waits for what feeds it, not for the path.";
    case v1::PathStats::LIMITED_BY_CONGESTION: return "The congestion window was full: what the path seems to carry is under way.";
    case v1::PathStats::LIMITED_BY_PACING: return "The pacer held data back: it is sent at the rate that was found or set.";
    case v1::PathStats::LIMITED_BY_PEER_WINDOW: return "The peer allowed no more: its reader is slow, or its window is small for this path.";
    case v1::PathStats::LIMITED_BY_BUFFER: return "All that fits into our send queue was sent and waits to be acknowledged.";
    default: break;
  }
  return "Nothing was acknowledged any more: the path is down, or so bad that it might as well be.";
}

LimitTimes LimitTimes::Of(const v1::TimeInLimit& time) {
  return {{Seconds(time.application()), Seconds(time.congestion()), Seconds(time.pacing()), Seconds(time.peer_window()), Seconds(time.buffer()),
           Seconds(time.path_down())}};
}

double LimitTimes::total() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

double LimitTimes::share(Limit limit) const {
  const double all = total();
  return all > 0 ? in(limit) / all : 0;
}

std::optional<Limit> LimitTimes::Largest() const {
  if (total() <= 0) return std::nullopt;
  return kLimits[static_cast<size_t>(std::max_element(seconds.begin(), seconds.end()) - seconds.begin())];
}

LimitTimes& LimitTimes::operator+=(const LimitTimes& other) {
  for (size_t i = 0; i < seconds.size(); ++i) seconds[i] += other.seconds[i];
  return *this;
}

LimitTimes LimitTimes::Since(const LimitTimes& before) const {
  LimitTimes since;
  for (size_t i = 0; i < seconds.size(); ++i) {
    if (seconds[i] < before.seconds[i]) return *this;
    since.seconds[i] = seconds[i] - before.seconds[i];
  }
  return since;
}

Advice AdviceFor(Limit limit, const v1::Session& session, const v1::Object* object) {
  switch (limit) {
    case v1::PathStats::LIMITED_BY_CONGESTION: return ForCongestion(session, object);
    case v1::PathStats::LIMITED_BY_PACING: return ForPacing(session, object);
    case v1::PathStats::LIMITED_BY_PEER_WINDOW: return ForPeerWindow(session);
    case v1::PathStats::LIMITED_BY_APPLICATION:
      return {{}, "look at what feeds it: culvertctl get str -o wide shows its streams, culvertctl why str/ID the other leg of one"};
    case v1::PathStats::LIMITED_BY_BUFFER:
      return {{absl::StrFormat("%s wait for an acknowledgement, the round trip is %s", HumanBytes(session.path().send_queue_bytes()),
                               HumanLatency(session.path().smoothed_rtt()))},
              "spread the load over several streams; one stream has one send queue"};
    default: break;
  }
  return {{PathText(session)}, "look at the network between here and " + Visible(session.remote_address())};
}

}  // namespace culvert::cli
