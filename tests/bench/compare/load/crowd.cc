#include "tests/bench/compare/load/crowd.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/interrupt.h"
#include "tests/bench/compare/load/pattern.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockaddr.h"
#include "tests/testing/unique_fd.h"

namespace culvert::bench {
namespace {

using testing::MonotonicNow;

struct Member {
  testing::UniqueFd fd;
  std::vector<uint8_t> request;  // what still has to be sent
  uint64_t received = 0;
};

class Crowd {
 public:
  explicit Crowd(const std::function<bool()>& may_finish) : may_finish_(may_finish), holds_back_(may_finish != nullptr) {}
  absl::Status Open(const Door& door, int count);
  absl::StatusOr<CrowdResult> Run(TimePoint deadline);

 private:
  absl::Status Serve(Member& member, uint32_t events);
  void Watch(Member& member, uint32_t events);
  void LetFinish();
  void Leave(Member& member) {
    member.fd.Reset();
    --active_;
  }

  const std::function<bool()> may_finish_;
  bool holds_back_;
  testing::UniqueFd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  std::vector<Member> members_;
  int active_ = 0;
  TimePoint started_at_{};
  CrowdResult result_;
};

absl::Status Crowd::Open(const Door& door, int count) {
  std::optional<testing::NetnsVisit> visit;
  if (!door.netns.empty()) {
    CULVERT_ASSIGN_OR_RETURN(visit, testing::NetnsVisit::Enter(door.netns));
  }
  const testing::RawAddress raw = testing::ToRaw(door.entrance);
  const ByteView pattern = PatternAt(0, kCrowdBytes);
  members_.resize(static_cast<size_t>(count));
  started_at_ = MonotonicNow();
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    member.fd = testing::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!member.fd.is_open()) return absl::ResourceExhaustedError(absl::StrFormat("socket: %s", strerror(errno)));
    member.request.push_back('X');
    member.request.insert(member.request.end(), pattern.begin(), pattern.end());
    ++active_;
    if (connect(member.fd.get(), raw.get(), raw.size) != 0 && errno != EINPROGRESS) {
      Leave(member);
      continue;
    }
    epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.u64 = i}};
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, member.fd.get(), &event);
  }
  return absl::OkStatus();
}

absl::Status Crowd::Serve(Member& member, uint32_t events) {
  const size_t held = holds_back_ ? 1 : 0;
  if ((events & EPOLLOUT) != 0 && member.request.size() > held) {
    const ssize_t sent = send(member.fd.get(), member.request.data(), member.request.size() - held, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      Leave(member);
      return absl::OkStatus();
    }
    if (sent > 0) member.request.erase(member.request.begin(), member.request.begin() + sent);
  }
  if (member.request.size() <= held && (events & EPOLLOUT) != 0) Watch(member, EPOLLIN);
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) return absl::OkStatus();
  uint8_t buffer[kCrowdBytes];
  const ssize_t size = recv(member.fd.get(), buffer, sizeof buffer, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (size <= 0) {
    Leave(member);  // it counts as not finished
    return absl::OkStatus();
  }
  const ByteView bytes(buffer, static_cast<size_t>(size));
  if (!IsPattern(member.received, bytes)) return absl::DataLossError("what arrived is not what was sent");
  member.received += bytes.size();
  if (member.received < kCrowdBytes) return absl::OkStatus();
  ++result_.finished;
  result_.seconds = ToSeconds(MonotonicNow() - started_at_);
  Leave(member);
  return absl::OkStatus();
}

void Crowd::Watch(Member& member, uint32_t events) {
  const auto index = static_cast<uint64_t>(&member - members_.data());
  epoll_event event{.events = events, .data = {.u64 = index}};
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, member.fd.get(), &event);
}

void Crowd::LetFinish() {
  holds_back_ = false;
  for (Member& member : members_) {
    if (member.fd.is_open()) Watch(member, EPOLLIN | EPOLLOUT);
  }
}

absl::StatusOr<CrowdResult> Crowd::Run(TimePoint deadline) {
  epoll_event events[128];
  while (active_ > 0 && !IsInterrupted() && MonotonicNow() < deadline) {
    if (holds_back_ && may_finish_()) LetFinish();
    constexpr int kStepMilliseconds = 100;
    const int count = epoll_wait(epoll_.get(), events, 128, kStepMilliseconds);
    for (int i = 0; i < count; ++i) {
      Member& member = members_[events[i].data.u64];
      if (member.fd.is_open()) CULVERT_RETURN_IF_ERROR(Serve(member, events[i].events));
    }
  }
  return result_;
}

}  // namespace

absl::StatusOr<CrowdResult> RunCrowd(const Door& door, int count, Duration limit, const std::function<bool()>& may_finish) {
  Crowd crowd(may_finish);
  const TimePoint deadline = MonotonicNow() + limit;
  CULVERT_RETURN_IF_ERROR(crowd.Open(door, count));
  return crowd.Run(deadline);
}

}  // namespace culvert::bench
