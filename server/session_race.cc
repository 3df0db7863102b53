#include "server/session_race.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/socket_status.h"
#include "server/endpoint_driver.h"
#include "server/worker_context.h"

namespace culvert::server {

std::vector<IpAddress> TakeTurns(const std::vector<IpAddress>& addresses) {
  if (addresses.empty()) return {};
  std::vector<IpAddress> first;
  std::vector<IpAddress> second;
  for (const IpAddress& address : addresses) (address.family() == addresses[0].family() ? first : second).push_back(address);
  std::vector<IpAddress> turns;
  for (size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) turns.push_back(first[i]);
    if (i < second.size()) turns.push_back(second[i]);
  }
  return turns;
}

SessionRace::SessionRace(WorkerContext& context, Host& host, std::vector<SocketAddress> addresses)
    : context_(context), host_(host), addresses_(std::move(addresses)), timer_(context.timers, *this) {}

SessionRace::~SessionRace() {
  for (const Runner& runner : runners_) Abort(runner);
}

void SessionRace::Start() { StartNext(); }

void SessionRace::StartNext() {
  // An address that fails at once makes room for the next one.
  while (next_ < addresses_.size()) {
    const SocketAddress peer = addresses_[next_++];
    const auto driver = host_.DriverFor(peer.ip.family());
    if (!driver.ok()) {
      FailToStart(driver.status());
      continue;
    }
    const auto session = (*driver)->quic()->ConnectSession(context_.now, host_.OptionsFor(peer));
    if (!session.ok()) {
      FailToStart(session.status());
      continue;
    }
    (*driver)->MarkDirty();
    host_.OnAttempt(peer);
    if ((*driver)->quic()->AvailableStreams(*session) > 0) {
      winner_ = {peer, *driver, *session};
      return;
    }
    runners_.push_back({peer, *driver, *session});
    if (next_ < addresses_.size()) timer_.Set(context_.now + kNextAddressAfter);
    return;
  }
}

void SessionRace::FailToStart(const absl::Status& status) {
  const std::string reason = io::ReasonOf(status);
  error_reason_ = reason.empty() ? "SOCKET_FAILED" : reason;
  error_message_ = std::string(status.message());
}

std::vector<SessionRace::Runner>::iterator SessionRace::Find(EndpointDriver& driver, SessionHandle session) {
  return std::find_if(runners_.begin(), runners_.end(), [&](const Runner& runner) {
    return runner.driver == &driver && runner.session == session;
  });
}

bool SessionRace::OnSessionOpened(EndpointDriver& driver, SessionHandle session) {
  const auto found = Find(driver, session);
  if (found == runners_.end()) return false;
  winner_ = *found;
  runners_.erase(found);
  for (const Runner& loser : std::exchange(runners_, {})) Abort(loser);
  timer_.Cancel();
  return true;
}

bool SessionRace::OnSessionGone(EndpointDriver& driver, SessionHandle session) {
  const auto found = Find(driver, session);
  if (found == runners_.end()) return false;
  const SocketAddress peer = found->peer;
  runners_.erase(found);
  const auto info = driver.quic()->GetSessionInfo(session);
  error_reason_ = info && !info->error_reason.empty() ? info->error_reason : "HANDSHAKE_TIMEOUT";
  error_message_ = absl::StrCat("QUIC with ", peer.ToString(), ": ",
                                info && !info->error_message.empty() ? info->error_message : "the handshake was not done");
  // Without waiting for its turn (RFC 8305 section 5).
  StartNext();
  return true;
}

void SessionRace::OnTimer(TimePoint /*now*/) {
  StartNext();
  host_.OnRaceChanged();
}

void SessionRace::Abort(const Runner& runner) {
  runner.driver->endpoint().AbortSession(context_.now, runner.session, CloseReason::kAborted);
  runner.driver->MarkDirty();
}

}  // namespace culvert::server
