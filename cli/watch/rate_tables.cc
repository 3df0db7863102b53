#include "cli/watch/rate_tables.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/output/tables.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"

namespace culvert::cli {
namespace {

Cell RxCell(const Rate& rate) { return rate.has_rates ? HumanBitRate(rate.rx_bytes_per_second) : "-"; }
Cell TxCell(const Rate& rate) { return rate.has_rates ? HumanBitRate(rate.tx_bytes_per_second) : "-"; }

Table SessionRates(const RateFrame& frame, size_t most_rows) {
  // Columns of QUIC where there is some.
  const bool has_quic = std::ranges::any_of(
      frame.sessions, [](const auto& rated) { return rated.subject.transport() == v1::TRANSPORT_QUIC; });
  std::vector<std::string> headers = {"SESSION", "OWNER", "REMOTE",     "RTT",  "RX/s",
                                      "TX/s",    "LOSS",  "RETRANSMIT", "WASTE"};
  if (has_quic) headers.insert(headers.end(), {"STREAMS", "MIGRATIONS"});
  Table table(std::move(headers));
  for (const Rated<v1::Session>& rated : frame.sessions) {
    if (most_rows-- == 0) break;
    const v1::Session& session = rated.subject;
    const v1::PathStats& path = session.path();
    std::vector<Cell> row = {SessionId(session),
                             OwnerOf(session),
                             Visible(session.remote_address()),
                             path.has_smoothed_rtt() ? HumanLatency(path.smoothed_rtt()) : "-",
                             RxCell(rated),
                             TxCell(rated),
                             HumanShare(rated.loss),
                             HumanShare(rated.retransmit),
                             path.waste_ratio() > 0 ? absl::StrFormat("%.2f", path.waste_ratio()) : "-"};
    if (has_quic) row.insert(row.end(), {StreamsCell(session), MigrationsCell(session)});
    table.Add(std::move(row));
  }
  return table;
}

Table StreamRates(const RateFrame& frame, size_t most_rows) {
  Table table({"STREAM", "FORWARD", "SOURCE", "DESTINATION", "RX/s", "TX/s", "AGE"});
  for (const Rated<v1::Stream>& rated : frame.streams) {
    if (most_rows-- == 0) break;
    const v1::Stream& stream = rated.subject;
    // By the daemon's clock, which the frame carries: ours may be another.
    const bool has_age = frame.wall_seconds != 0 && stream.open_time().seconds() != 0;
    table.Add({StreamId(stream), Visible(stream.forward()), Visible(stream.source()),
               DestinationCell(stream.destination()), RxCell(rated), TxCell(rated),
               has_age ? HumanAge(frame.wall_seconds - stream.open_time().seconds()) : "-"});
  }
  return table;
}

Table UdpFlowRates(const RateFrame& frame, size_t most_rows) {
  Table table({"FLOW", "FORWARD", "SOURCE", "DESTINATION", "RX/s", "TX/s", "DROPPED"});
  for (const Rated<v1::UdpFlow>& rated : frame.udp_flows) {
    if (most_rows-- == 0) break;
    const v1::UdpFlow& flow = rated.subject;
    table.Add({UdpFlowId(flow), Visible(flow.forward()), Visible(flow.source()), DestinationCell(flow.destination()),
               RxCell(rated), TxCell(rated), absl::StrCat(flow.counters().rx_dropped())});
  }
  return table;
}

Table ForwardRates(const RateFrame& frame, size_t most_rows) {
  Table table({"FORWARD", "RX/s", "TX/s", "OPEN", "FLOWS", "FAILED"});
  for (const Rated<v1::ForwardSample>& rated : frame.forwards) {
    if (most_rows-- == 0) break;
    const v1::ForwardSample& forward = rated.subject;
    table.Add({Visible(forward.name()), RxCell(rated), TxCell(rated), absl::StrCat(forward.counters().active()),
               absl::StrCat(forward.udp_flows()), absl::StrCat(forward.counters().failed())});
  }
  return table;
}

}  // namespace

Table RateTable(Kind kind, const RateFrame& frame, size_t most_rows) {
  switch (kind) {
    case Kind::kStream:
      return StreamRates(frame, most_rows);
    case Kind::kUdpFlow:
      return UdpFlowRates(frame, most_rows);
    case Kind::kForward:
      return ForwardRates(frame, most_rows);
    default:
      return SessionRates(frame, most_rows);
  }
}

std::vector<SortKey> SortKeysOf(Kind kind) {
  if (kind == Kind::kSession) return {std::begin(kSortKeys), std::end(kSortKeys)};
  return {SortKey::kTx, SortKey::kRx, SortKey::kName};
}

}  // namespace culvert::cli
