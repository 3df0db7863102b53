#include "cli/objects/selector.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/text/escape.h"
#include "cli/text/text.h"

namespace culvert::cli {
namespace {

absl::Status Wrong(std::string_view requirement) {
  return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY",
                                                    Visible(requirement.substr(0, 64))));
}

// A quote cannot stand in the key of a map in a filter, and nothing else that keys hold is in the way.
bool IsKey(std::string_view key) {
  return !key.empty() && key.find_first_of("\"!=,() \t") == std::string_view::npos;
}

// Columns whose field is called otherwise. Empty: the daemon has no order for it.
struct Column {
  std::string_view header;
  std::string_view field;
  Kind kind = Kind::kEvent;
  bool any_kind = true;
};
constexpr Column kColumns[] = {
    {"name", "name"},
    {"rx", "rx_bytes"},
    {"tx", "tx_bytes"},
    {"rtt", "smoothed_rtt"},
    {"cwnd", "congestion_window_bytes"},
    {"in-flight", "bytes_in_flight"},
    {"waste", "waste_ratio"},
    {"dropped", "rx_dropped"},
    {"remote", "remote_address"},
    {"local", "local_address"},
    {"outside", "outside_address"},
    {"connect", "connect_latency"},
    {"idle", "idle_time"},
    {"timeout", "idle_timeout"},
    {"queued", "queued_packets"},
    {"streams", "open_streams", Kind::kSession, false},
    {"streams", "active", Kind::kForward, false},
    {"sessions", "active", Kind::kListener, false},
    {"sessions", "active", Kind::kDialer, false},
    {"flows", "udp_flows", Kind::kForward, false},
    {"owner", ""},
    {"targets", ""},
    {"bound", ""},
    {"reasons", ""},
    {"refused", ""},
    {"header", ""},
    {"tls", ""},
    {"pin", ""},
    {"last-error", ""},
    {"loss", "lost_packets"},
    {"retransmit", "retransmitted_packets"},
    {"peer", ""},
    {"time-in-limit", ""},
};

// Age grows as the time it counts from shrinks: the order is the other way round.
std::string_view AgeField(Kind kind) { return IsDeclared(kind) ? "create_time" : "open_time"; }

}  // namespace

absl::StatusOr<std::string> FilterOfSelector(std::string_view selector) {
  std::vector<std::string> terms;
  if (Trimmed(selector).empty()) return std::string();
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(std::string(selector), ','))) {
    const std::string_view requirement = Trimmed(part);
    const size_t equals = requirement.find('=');
    if (equals == std::string_view::npos) {
      const bool is_absent = requirement.starts_with('!');
      const std::string key(requirement.substr(is_absent ? 1 : 0));
      if (!IsKey(key)) return Wrong(requirement);
      terms.push_back(absl::StrCat(is_absent ? "NOT " : "", "labels:\"", key, "\""));
      continue;
    }
    const bool is_unequal = equals > 0 && requirement[equals - 1] == '!';
    const std::string key(Trimmed(requirement.substr(0, equals - (is_unequal ? 1 : 0))));
    std::string_view value = requirement.substr(equals + 1);
    if (!is_unequal && value.starts_with('=')) value.remove_prefix(1);
    if (!IsKey(key)) return Wrong(requirement);
    terms.push_back(absl::StrCat("labels.\"", key, "\"", is_unequal ? "!=" : "=", QuotedValue(Trimmed(value))));
  }
  std::string filter;
  for (const std::string& term : terms) absl::StrAppend(&filter, filter.empty() ? "" : " AND ", term);
  return filter;
}

std::string QuotedValue(std::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(std::string(text), {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

std::string Both(const std::string& filter, const std::string& other) {
  const auto is_blank = [](const std::string& text) { return Trimmed(text).empty(); };
  if (is_blank(filter)) return is_blank(other) ? "" : other;
  if (is_blank(other)) return filter;
  return absl::StrCat("(", filter, ") AND (", other, ")");
}

absl::StatusOr<std::string> OrderOfKeys(Kind kind, std::string_view keys) {
  std::string order;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(std::string(keys), ','))) {
    std::string key(Trimmed(part));
    bool descends = key.starts_with('-');
    if (descends) key.erase(0, 1);
    if (key.empty() || key.find_first_of(" \t") != std::string_view::npos)
      return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not KEY or -KEY", Visible(keys.substr(0, 64))));
    const std::string lower = absl::AsciiStrToLower(key);
    std::string field = absl::StrReplaceAll(key, {{"-", "_"}});
    // A header in capitals is meant as such; fields are written small.
    if (field == absl::AsciiStrToUpper(field)) field = absl::AsciiStrToLower(field);
    const auto* column = std::find_if(std::begin(kColumns), std::end(kColumns), [&](const Column& one) {
      return one.header == lower && (one.any_kind || one.kind == kind);
    });
    if (column != std::end(kColumns)) {
      if (column->field.empty()) {
        return absl::InvalidArgumentError(absl::StrFormat("%s cannot be sorted by %s, which is no single field", Plural(kind), lower));
      }
      field = column->field;
    } else if (lower == "age") {
      field = AgeField(kind);
      descends = !descends;
    }
    absl::StrAppend(&order, order.empty() ? "" : ",", field, descends ? " desc" : "");
  }
  return order;
}

}  // namespace culvert::cli
