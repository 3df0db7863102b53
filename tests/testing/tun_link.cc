#include "tests/testing/tun_link.h"

#include <poll.h>

#include <algorithm>
#include <vector>

#include "tests/testing/delay_line.h"

namespace culvert::testing {
namespace {

// Super-packets read from one side before the other side gets its turn.
constexpr int kReadBudget = 64;
constexpr int kWriteBudget = 256;

struct Direction {
  TunDevice& from;
  TunDevice& to;
  DelayLine line;
};

void Fill(Direction& direction, ByteSpan buffer, LinkReport& report) {
  for (int i = 0; i < kReadBudget; ++i) {
    OffloadHeader header;
    const ByteSpan packet = direction.from.Read(header, buffer);
    if (packet.empty()) return;
    const TimePoint now = MonotonicNow();
    const size_t cut = CutIntoWirePackets(header, packet, [&](ByteView wire) { direction.line.Push(now, wire, 0); });
    if (cut == 0) ++report.malformed;
  }
}

void Drain(Direction& direction, LinkReport& report) {
  const TimePoint now = MonotonicNow();
  for (int i = 0; i < kWriteBudget; ++i) {
    const std::optional<DelayLine::Arrived> arrived = direction.line.Pop(now);
    if (!arrived) return;
    if (!direction.to.Write(arrived->packet)) ++report.refused;
  }
}

}  // namespace

LinkReport RunTunLink(TunDevice& left, TunDevice& right, const LinkPair& links, int stop_fd) {
  LinkReport report;
  Direction up{left, right, DelayLine(links.up)};
  Direction down{right, left, DelayLine(links.down)};
  std::vector<uint8_t> buffer(kMaxSuperPacketBytes);
  pollfd fds[] = {{left.fd(), POLLIN, 0}, {right.fd(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
  while ((fds[2].revents & POLLIN) == 0) {
    if ((fds[0].revents & POLLIN) != 0) Fill(up, buffer, report);
    if ((fds[1].revents & POLLIN) != 0) Fill(down, buffer, report);
    Drain(up, report);
    Drain(down, report);
    const TimePoint next =
        std::min(up.line.NextDelivery().value_or(kInfiniteFuture), down.line.NextDelivery().value_or(kInfiniteFuture));
    const timespec wait = TimeUntil(next, MonotonicNow());
    if (ppoll(fds, 3, next == kInfiniteFuture ? nullptr : &wait, nullptr) < 0) {
      for (pollfd& fd : fds) fd.revents = 0;
    }
  }
  report.up = up.line.counters();
  report.down = down.line.counters();
  return report;
}

}  // namespace culvert::testing
