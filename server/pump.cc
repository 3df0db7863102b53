#include "server/pump.h"

#include <algorithm>
#include <span>

namespace culvert::server {
namespace {

constexpr size_t kMaxViews = 64;
// How often a lingering pump looks whether everything was acknowledged: it is not told.
constexpr Duration kDeliveryCheckInterval = std::chrono::milliseconds(50);

}  // namespace

Pump::Pump(ByteStream& near, ByteStream& far, const PumpOptions& options, TimePoint now)
    : options_(options), directions_{Direction{&near, &far}, Direction{&far, &near}} {
  for (Direction& direction : directions_) direction.last_moved = now;
}

bool Pump::Run(TimePoint now) {
  if (is_done_) return false;
  bool more = false;
  for (Direction& direction : directions_) {
    if (!direction.has_ended) more |= direction.discards ? Discard(direction) : Move(direction, now);
  }
  for (Direction& direction : directions_) {
    if (!direction.from->IsBroken()) continue;
    // It may have finished, and everything been moved, before its session ended.
    if (direction.from->AtEnd()) direction.has_ended = true;
    OnBroken(direction);
    return false;
  }
  for (Direction& direction : directions_) {
    if (is_done_) break;
    if (!direction.has_ended) {
      if (direction.from->AtEnd()) OnEnd(direction, now);
    } else if (!Reverse(direction).discards && !direction.from->CanHalfClose()) {
      // It finished sending, and now its session is gone as well: what the other side says reaches nobody.
      OnSessionOver(direction, now);
    }
  }
  if (!is_done_ && lingering_ != nullptr) CheckLinger(now);
  return more && !is_done_;
}

bool Pump::Move(Direction& direction, TimePoint now) {
  std::array<ByteView, kMaxViews> storage;
  size_t moved = 0;
  direction.is_blocked = false;
  while (moved < kTurnBytes) {
    const size_t limit = std::min(kTurnBytes - moved, direction.to->WritableBytes());
    direction.is_blocked = limit == 0;
    if (direction.is_blocked) break;
    const std::span<ByteView> views(storage.data(), direction.from->Peek(limit, storage));
    if (views.empty()) break;
    const size_t written = direction.to->Write(views);
    direction.from->Consume(written);
    moved += written;
    if (written == 0) {
      direction.is_blocked = true;  // it took less than it promised
      break;
    }
  }
  if (moved > 0) {
    direction.bytes += moved;
    direction.last_moved = now;
  }
  return moved >= kTurnBytes;
}

bool Pump::HasMore(Direction& direction) {
  ByteView view;
  if (direction.from->Peek(1, std::span(&view, 1)) == 0) return false;
  direction.from->Consume(0);
  return true;
}

bool Pump::Discard(Direction& direction) {
  std::array<ByteView, kMaxViews> storage;
  size_t discarded = 0;
  while (discarded < kTurnBytes) {
    const std::span<ByteView> views(storage.data(), direction.from->Peek(kTurnBytes - discarded, storage));
    if (views.empty()) return false;
    size_t bytes = 0;
    for (const ByteView view : views) bytes += view.size();
    direction.from->Consume(bytes);
    discarded += bytes;
  }
  return true;
}

void Pump::OnEnd(Direction& direction, TimePoint now) {
  direction.has_ended = true;
  Direction& reverse = Reverse(direction);
  if (reverse.has_ended || direction.discards) return CloseBoth(PumpEnd::kFinished);
  if (!direction.from->CanHalfClose()) {
    // Its session is over in both directions: what the other side still says can reach nobody.
    if (!direction.to->CanHalfClose()) return CloseBoth(PumpEnd::kFinished);
    direction.to->FinishWriting();
    return OnSessionOver(direction, now);
  }
  if (direction.to->CanHalfClose()) return direction.to->FinishWriting();
  lingering_ = &direction;
  linger_until_ = now + options_.half_close_linger;
  linger_check_at_ = now;
}

// The other side has its end already.
void Pump::OnSessionOver(Direction& direction, TimePoint now) {
  direction.from->Close();  // answers the peer at once
  // Closing with unread bytes would reset the connection and take away what was just written; so read on for a while.
  Reverse(direction).discards = true;
  discard_until_ = now + options_.half_close_linger;
}

void Pump::OnBroken(Direction& from_broken) {
  is_done_ = true;
  from_broken.from->Close();
  if (from_broken.has_ended || from_broken.discards) {
    end_ = PumpEnd::kFinished;
    from_broken.to->Close();
  } else {
    was_cut_ = true;
    end_ = &from_broken == &directions_[0] ? PumpEnd::kNearBroke : PumpEnd::kFarBroke;
    from_broken.to->Reset(CloseReason::kAborted);
  }
}

void Pump::CheckLinger(TimePoint now) {
  const Direction& back = Reverse(*lingering_);
  // Silence counts from the moment the peer has everything: before that it can hardly answer.
  const bool is_waiting = lingering_->to->HasUndelivered() || back.is_blocked;
  if (is_waiting && options_.half_close_linger > Duration::zero()) {
    linger_until_ = now + options_.half_close_linger;
    linger_check_at_ = now + kDeliveryCheckInterval;
    return;
  }
  linger_until_ = std::max(linger_until_, back.last_moved + options_.half_close_linger);
  linger_check_at_ = linger_until_;
  if (now >= linger_until_) CloseBoth(PumpEnd::kFinished);
}

void Pump::OnTimer(TimePoint now) {
  if (is_done_) return;
  if (now >= discard_until_) return CloseBoth(PumpEnd::kFinished);
  if (lingering_ != nullptr) CheckLinger(now);
  if (is_done_) return;
  const TimePoint last_moved = std::max(directions_[0].last_moved, directions_[1].last_moved);
  if (now - last_moved < options_.idle_timeout) return;
  // Who reads nothing must not take what it did not get for the end.
  if (is_stalled()) return ResetBoth(PumpEnd::kIdleTimeout, CloseReason::kIdleTimeout);
  CloseBoth(PumpEnd::kIdleTimeout);
}

TimePoint Pump::NextDeadline() const {
  const TimePoint last_moved = std::max(directions_[0].last_moved, directions_[1].last_moved);
  TimePoint next = last_moved + options_.idle_timeout;
  next = std::min(next, discard_until_);
  if (lingering_ != nullptr) next = std::min(next, linger_check_at_);
  return next;
}

void Pump::End(TimePoint now, bool in_order) {
  if (is_done_) return;
  if (!in_order) return ResetBoth(PumpEnd::kRequested, CloseReason::kAdmin);
  std::array<bool, 2> is_cut{};
  for (size_t i = 0; i < directions_.size(); ++i) {
    Direction& direction = directions_[i];
    if (direction.has_ended || direction.discards) continue;
    static_cast<void>(Move(direction, now));
    is_cut[i] = direction.from->IsBroken() || HasMore(direction);
  }
  // Only now: a reset takes the other direction of that stream as well, which has moved what it had.
  for (size_t i = 0; i < directions_.size(); ++i) {
    if (is_cut[i]) directions_[i].to->Reset(CloseReason::kAdmin);
  }
  was_cut_ = is_cut[0] || is_cut[1];
  CloseBoth(PumpEnd::kRequested);
}

bool Pump::is_stalled() const {
  return std::ranges::any_of(directions_, [](const Direction& direction) {
    return direction.is_blocked && !direction.has_ended && !direction.discards;
  });
}

void Pump::ResetBoth(PumpEnd end, CloseReason reason) {
  is_done_ = true;
  was_cut_ = true;
  end_ = end;
  for (Direction& direction : directions_) direction.from->Reset(reason);
}

void Pump::CloseBoth(PumpEnd end) {
  is_done_ = true;
  end_ = end;
  for (Direction& direction : directions_) direction.from->Close();
}

}  // namespace culvert::server
