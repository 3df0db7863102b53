#include "tests/testing/link_flags.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"

namespace culvert::testing {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// A non-negative number followed by one of `units`. An empty unit name stands for a bare number.
absl::StatusOr<double> ParseWithUnit(std::string_view text, const std::vector<Unit>& units, std::string_view what) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error == std::errc() && std::isfinite(number) && number >= 0) {
    if (number == 0 && rest.empty()) return 0;
    for (const Unit& unit : units) {
      if (unit.name == rest) return number * unit.factor;
    }
  }
  return absl::InvalidArgumentError(absl::StrFormat("'%s' is not a %s", text, what));
}

using Setter = std::function<absl::Status(std::string_view, LinkOptions&)>;

template <typename Parse, typename Field>
Setter Assign(Parse parse, Field LinkOptions::*field) {
  return [parse, field](std::string_view text, LinkOptions& options) -> absl::Status {
    CULVERT_ASSIGN_OR_RETURN(options.*field, parse(text));
    return absl::OkStatus();
  };
}

struct Flag {
  std::string_view name;
  std::string_view help;
  Setter set;
};

const std::vector<Flag>& Flags() {
  static const auto& flags = *new std::vector<Flag>{
      {"rate", "50mbit: bits of IP bytes per second (default: unlimited)",
       Assign(ParseRate, &LinkOptions::rate_bits_per_second)},
      {"queue", "625000: bytes that may wait (default: one bandwidth-delay product, at least 64k)",
       Assign(ParseSize, &LinkOptions::queue_bytes)},
      {"delay", "50ms: one way", Assign(ParseTime, &LinkOptions::delay)},
      {"jitter", "5ms: up to this much more, in order", Assign(ParseTime, &LinkOptions::jitter)},
      {"loss", "2%: of wire packets, independent of one another", Assign(ParseProbability, &LinkOptions::loss)},
      {"burst-enter", "0.1%: chance per packet that a loss burst begins",
       Assign(ParseProbability, &LinkOptions::burst_enter)},
      {"burst-leave", "30%: chance per packet that it ends", Assign(ParseProbability, &LinkOptions::burst_leave)},
      {"burst-loss", "100%: loss inside a burst", Assign(ParseProbability, &LinkOptions::burst_loss)},
      {"duplicate", "1%: packets delivered twice", Assign(ParseProbability, &LinkOptions::duplicate)},
      {"reorder", "1%: packets held back", Assign(ParseProbability, &LinkOptions::reorder)},
      {"reorder-delay", "5ms: for so long", Assign(ParseTime, &LinkOptions::reorder_delay)},
      {"corrupt", "0.1%: packets with one bit flipped", Assign(ParseProbability, &LinkOptions::corrupt)},
      {"seed", "1: decides every random choice", Assign(ParseSize, &LinkOptions::seed)},
  };
  return flags;
}

}  // namespace

absl::StatusOr<uint64_t> ParseRate(std::string_view text) {
  CULVERT_ASSIGN_OR_RETURN(
      const double rate,
      ParseWithUnit(text, {{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}}, "rate such as 50mbit"));
  if (rate > 1e12) return absl::InvalidArgumentError(absl::StrFormat("'%s' is above 1000gbit", text));
  return static_cast<uint64_t>(rate);
}

absl::StatusOr<Duration> ParseTime(std::string_view text) {
  CULVERT_ASSIGN_OR_RETURN(const double seconds,
                           ParseWithUnit(text, {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}}, "duration such as 50ms"));
  if (seconds > 3600) return absl::InvalidArgumentError(absl::StrFormat("'%s' is above one hour", text));
  return FromSeconds(seconds);
}

absl::StatusOr<double> ParseProbability(std::string_view text) {
  CULVERT_ASSIGN_OR_RETURN(const double probability,
                           ParseWithUnit(text, {{"", 1}, {"%", 0.01}}, "probability such as 2% or 0.02"));
  if (probability > 1) return absl::InvalidArgumentError(absl::StrFormat("'%s' is above 100%%", text));
  return probability;
}

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  CULVERT_ASSIGN_OR_RETURN(
      const double size, ParseWithUnit(text, {{"", 1}, {"k", 1024}, {"M", 1024.0 * 1024}, {"G", 1024.0 * 1024 * 1024}},
                                       "number such as 64k"));
  if (size > 1e15) return absl::InvalidArgumentError(absl::StrFormat("'%s' is too large", text));
  return static_cast<uint64_t>(size);
}

absl::Status SetLinkFlag(std::string_view flag, std::string_view value, LinkPair& links) {
  std::string_view name = flag;
  const bool only_up = name.starts_with("up-");
  const bool only_down = name.starts_with("down-");
  if (only_up) name.remove_prefix(3);
  if (only_down) name.remove_prefix(5);
  for (const Flag& known : Flags()) {
    if (known.name != name) continue;
    if (!only_down) CULVERT_RETURN_IF_ERROR(known.set(value, links.up));
    if (!only_up) CULVERT_RETURN_IF_ERROR(known.set(value, links.down));
    // One seed for both directions must not make them lose the same packets.
    if (name == "seed" && !only_up && !only_down) links.down.seed = links.up.seed ^ 0x9e3779b97f4a7c15;
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrFormat("unknown option --%s", flag));
}

std::string LinkFlagHelp() {
  std::string help;
  for (const Flag& flag : Flags()) help += absl::StrFormat("  --%-14s %s\n", flag.name, flag.help);
  return help;
}

}  // namespace culvert::testing
