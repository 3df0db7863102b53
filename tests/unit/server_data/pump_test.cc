#include "server/pump.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr TimePoint kStart{seconds(100)};

// A stream whose peer is the test: `incoming` is what it will show, `outgoing` what was written.
class FakeStream final : public ByteStream {
 public:
  explicit FakeStream(bool half_closes) : can_half_close(half_closes) {}

  bool can_half_close;

  std::string incoming;
  bool peer_finished = false;
  bool broken = false;
  bool undelivered = false;
  size_t room = SIZE_MAX;
  bool takes_nothing = false;  // whatever `room` promises
  std::string outgoing;
  std::string ending;  // what the pump did: "finish", "close", "reset"

  size_t Peek(size_t limit, std::span<ByteView> views) override {
    EXPECT_GT(limit, 0u);
    if (incoming.empty() || is_over()) return 0;
    shown_ = std::min(limit, incoming.size());
    views[0] = AsBytes(incoming).first(shown_);
    return 1;
  }
  void Consume(size_t size) override {
    ASSERT_LE(size, shown_);
    incoming.erase(0, size);
    shown_ = 0;
  }
  bool AtEnd() const override { return peer_finished && incoming.empty() && !is_over(); }
  size_t WritableBytes() override { return is_over() ? 0 : room; }
  size_t Write(std::span<const ByteView> views) override {
    EXPECT_EQ(ending, "") << "written after the end";
    if (takes_nothing) return 0;
    size_t written = 0;
    for (const ByteView view : views) {
      const size_t taken = std::min(view.size(), room);
      outgoing += AsText(view.first(taken));
      if (room != SIZE_MAX) room -= taken;
      written += taken;
    }
    return written;
  }
  bool HasUndelivered() const override { return undelivered; }
  bool CanHalfClose() const override { return can_half_close; }
  void FinishWriting() override {
    EXPECT_TRUE(can_half_close);
    EXPECT_EQ(ending, "");
    ending = "finish";
  }
  bool IsBroken() const override { return broken && !is_over(); }
  void Close() override {
    if (!is_over()) ending = "close";
  }
  void Reset(CloseReason) override {
    if (!is_over()) ending = "reset";
  }

 private:
  bool is_over() const { return ending == "close" || ending == "reset"; }
  size_t shown_ = 0;
};

class PumpTest : public testing::Test {
 protected:
  // tcp and kcp behave like those; tcp2 is the other end of a direct TCP forward.
  FakeStream tcp{true}, tcp2{true}, kcp{false}, kcp2{false};
  PumpOptions options{.idle_timeout = seconds(60), .half_close_linger = seconds(2)};
  TimePoint now = kStart;

  // Lets virtual time pass, firing the pump's deadlines.
  void Advance(Pump& pump, Duration by) {
    const TimePoint until = now + by;
    for (int turns = 0; !pump.is_done() && pump.NextDeadline() <= until; ++turns) {
      ASSERT_LT(turns, 10'000) << "the deadline does not move";
      now = std::max(now, pump.NextDeadline());
      pump.OnTimer(now);
    }
    now = until;
  }
};

TEST_F(PumpTest, MovesBothWaysAndCounts) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "request";
  kcp.incoming = "an answer";
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(kcp.outgoing, "request");
  EXPECT_EQ(tcp.outgoing, "an answer");
  EXPECT_EQ(pump.bytes_from_near(), 7u);
  EXPECT_EQ(pump.bytes_from_far(), 9u);
  EXPECT_FALSE(pump.is_done());
}

TEST_F(PumpTest, ReadsOnlyWhatTheOtherSideTakes) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = std::string(1000, 'x');
  kcp.room = 300;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(kcp.outgoing.size(), 300u);
  EXPECT_EQ(tcp.incoming.size(), 700u);
  kcp.room = SIZE_MAX;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(kcp.outgoing.size(), 1000u);
}

TEST_F(PumpTest, ATurnIsBoundedEachWay) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = std::string(Pump::kTurnBytes * 2 + 5, 'x');
  kcp.incoming = "short";
  EXPECT_TRUE(pump.Run(now));
  EXPECT_EQ(kcp.outgoing.size(), Pump::kTurnBytes);
  EXPECT_EQ(tcp.outgoing, "short");
  EXPECT_TRUE(pump.Run(now));
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(kcp.outgoing.size(), Pump::kTurnBytes * 2 + 5);
}

TEST_F(PumpTest, TcpToTcpHalfClosesEachWay) {
  Pump pump(tcp, tcp2, options, now);
  tcp.incoming = "last words";
  tcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp2.outgoing, "last words");
  EXPECT_EQ(tcp2.ending, "finish");
  EXPECT_EQ(tcp.ending, "");
  Advance(pump, seconds(30));  // longer than the linger: a half-closed TCP pair stays
  tcp2.incoming = "late answer";
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing, "late answer");
  tcp2.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(pump.end(), PumpEnd::kFinished);
  EXPECT_FALSE(pump.was_cut());
  EXPECT_EQ(tcp.ending, "close");
  EXPECT_EQ(tcp2.ending, "close");
}

TEST_F(PumpTest, MkcpIsClosedAfterSilenceWhenTcpHasFinished) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "request";
  tcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(kcp.outgoing, "request");
  Advance(pump, milliseconds(1900));
  EXPECT_FALSE(pump.is_done());
  kcp.incoming = "an answer";  // starts the silence anew
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing, "an answer");
  Advance(pump, milliseconds(1900));
  EXPECT_FALSE(pump.is_done());
  Advance(pump, milliseconds(200));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(kcp.ending, "close");
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, LingerBeginsWhenEverythingIsAcknowledged) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "a long upload";
  tcp.peer_finished = true;
  kcp.undelivered = true;
  EXPECT_FALSE(pump.Run(now));
  Advance(pump, seconds(10));
  EXPECT_FALSE(pump.is_done());
  kcp.undelivered = false;
  Advance(pump, milliseconds(1800));
  EXPECT_FALSE(pump.is_done());
  Advance(pump, milliseconds(400));
  EXPECT_TRUE(pump.is_done());
}

TEST_F(PumpTest, LingerWaitsForASlowReaderOfTheAnswer) {
  Pump pump(tcp, kcp, options, now);
  tcp.peer_finished = true;
  kcp.incoming = std::string(100, 'x');
  tcp.room = 0;
  EXPECT_FALSE(pump.Run(now));
  Advance(pump, seconds(10));
  EXPECT_FALSE(pump.is_done());
  tcp.room = SIZE_MAX;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing.size(), 100u);
  Advance(pump, seconds(3));
  EXPECT_TRUE(pump.is_done());
}

TEST_F(PumpTest, NoLingerClosesAtOnce) {
  options.half_close_linger = Duration::zero();
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "request";
  tcp.peer_finished = true;
  kcp.undelivered = true;  // closing in order delivers it
  EXPECT_FALSE(pump.Run(now));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(kcp.outgoing, "request");
  EXPECT_EQ(kcp.ending, "close");
}

TEST_F(PumpTest, EndOfMkcpFlushesThenEndsTcp) {
  Pump pump(tcp, kcp, options, now);
  kcp.incoming = "the whole answer";
  kcp.peer_finished = true;
  tcp.room = 9;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing, "the whole");
  EXPECT_EQ(tcp.ending, "");
  tcp.room = SIZE_MAX;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing, "the whole answer");
  EXPECT_EQ(kcp.ending, "close");   // answers the peer
  EXPECT_EQ(tcp.ending, "finish");  // what it still sends is read, so that closing does not reset
  tcp.incoming = "too late";
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.incoming, "");
  EXPECT_EQ(kcp.outgoing, "");
  tcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, AfterMkcpEndedTcpIsClosedInTime) {
  Pump pump(tcp, kcp, options, now);
  kcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  Advance(pump, milliseconds(1900));
  EXPECT_FALSE(pump.is_done());
  Advance(pump, milliseconds(200));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, MkcpToMkcpEndsTogether) {
  Pump pump(kcp, kcp2, options, now);
  kcp.incoming = "bye";
  kcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(kcp2.outgoing, "bye");
  EXPECT_EQ(kcp2.ending, "close");
}

// TLS over mKCP can be half-closed as long as the session lives.
TEST_F(PumpTest, ASessionThatIsOverAfterItsEndTakesNoMore) {
  FakeStream tls{true};
  Pump pump(tcp, tls, options, now);
  tls.incoming = "all I have";
  tls.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing, "all I have");
  EXPECT_EQ(tcp.ending, "finish");
  Advance(pump, seconds(30));
  tcp.incoming = "goes on";
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tls.outgoing, "goes on");
  tls.can_half_close = false;  // the peer closed the session
  tcp.incoming = "too late";
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tls.ending, "close");
  EXPECT_FALSE(pump.is_done());
  tcp.incoming = "later still";
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.incoming, "") << "unread bytes would make a reset of the end";
  Advance(pump, seconds(3));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, ASessionThatEndsWithItsEndIsOverAtOnce) {
  FakeStream tls{true};
  Pump pump(tcp, tls, options, now);
  tls.incoming = "bye";
  tls.peer_finished = true;
  tls.can_half_close = false;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing, "bye");
  EXPECT_EQ(tcp.ending, "finish");
  EXPECT_EQ(tls.ending, "close");
  Advance(pump, seconds(3));
  EXPECT_TRUE(pump.is_done());
}

TEST_F(PumpTest, ABrokenSideResetsTheOther) {
  for (FakeStream* which : {&tcp, &kcp}) {
    SCOPED_TRACE(which == &tcp ? "tcp" : "kcp");
    FakeStream a(true), b(false);
    Pump pump(a, b, options, now);
    FakeStream& broken = which == &tcp ? a : b;
    FakeStream& other = which == &tcp ? b : a;
    broken.broken = true;
    EXPECT_FALSE(pump.Run(now));
    EXPECT_TRUE(pump.is_done());
    EXPECT_EQ(other.ending, "reset");
    EXPECT_EQ(broken.ending, "close");
    EXPECT_EQ(pump.end(), which == &tcp ? PumpEnd::kNearBroke : PumpEnd::kFarBroke);
    EXPECT_TRUE(pump.was_cut());
  }
}

TEST_F(PumpTest, AResetAfterAFinishedUploadStillDeliversIt) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "upload";
  tcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  tcp.broken = true;  // our answer met a closed socket
  EXPECT_FALSE(pump.Run(now));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(kcp.outgoing, "upload");
  EXPECT_EQ(kcp.ending, "close");
  EXPECT_EQ(pump.end(), PumpEnd::kFinished);
  EXPECT_FALSE(pump.was_cut());
}

TEST_F(PumpTest, ASideThatFinishedBeforeItsSessionWasLostIsNoCut) {
  // Both are seen in one look.
  Pump pump(tcp, tcp2, options, now);
  tcp2.incoming = "the whole answer";
  tcp2.peer_finished = true;
  tcp2.broken = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(tcp.outgoing, "the whole answer");
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, BytesThatArrivedBeforeAnEndAreDeliveredWithIt) {
  Pump pump(kcp, tcp, options, now);
  kcp.incoming = std::string(Pump::kTurnBytes + 1, 'x');
  kcp.peer_finished = true;
  EXPECT_TRUE(pump.Run(now));
  EXPECT_EQ(tcp.ending, "");
  EXPECT_FALSE(pump.Run(now));
  EXPECT_EQ(tcp.outgoing.size(), Pump::kTurnBytes + 1);
  EXPECT_EQ(tcp.ending, "finish");
}

TEST_F(PumpTest, SilenceBothWaysEndsThePair) {
  Pump pump(tcp, kcp, options, now);
  Advance(pump, seconds(59));
  EXPECT_FALSE(pump.is_done());
  kcp.incoming = "still here";
  EXPECT_FALSE(pump.Run(now));
  Advance(pump, seconds(59));
  EXPECT_FALSE(pump.is_done());
  Advance(pump, seconds(2));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(tcp.ending, "close");
  EXPECT_EQ(kcp.ending, "close");
  EXPECT_EQ(pump.end(), PumpEnd::kIdleTimeout);
  EXPECT_FALSE(pump.was_cut());
}

TEST_F(PumpTest, EndInOrderOffersWhatIsThere) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "just arrived";
  pump.End(now, /*in_order=*/true);
  EXPECT_EQ(pump.end(), PumpEnd::kRequested);
  EXPECT_FALSE(pump.was_cut());
  EXPECT_EQ(kcp.outgoing, "just arrived");
  EXPECT_EQ(kcp.ending, "close");
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, EndInOrderOfWhatDoesNotFitIsAnErrorForItsReader) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "too much";
  kcp.incoming = "fits";
  kcp.room = 3;
  pump.End(now, /*in_order=*/true);
  EXPECT_TRUE(pump.is_done());
  EXPECT_TRUE(pump.was_cut());
  EXPECT_EQ(kcp.outgoing, "too");
  EXPECT_EQ(kcp.ending, "reset");
  EXPECT_EQ(tcp.outgoing, "fits");
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, EndInOrderOfMoreThanATurnIsAnErrorForItsReader) {
  for (const size_t extra : {size_t{0}, size_t{1}}) {
    SCOPED_TRACE(extra);
    FakeStream a(true), b(false);
    Pump pump(a, b, options, now);
    b.incoming = std::string(Pump::kTurnBytes + extra, 'x');
    pump.End(now, /*in_order=*/true);
    EXPECT_EQ(a.outgoing.size(), Pump::kTurnBytes);
    EXPECT_EQ(a.ending, extra == 0 ? "close" : "reset");
    EXPECT_EQ(b.ending, "close");
  }
}

TEST_F(PumpTest, EndInOrderOfABrokenSideIsAnErrorForTheOther) {
  Pump pump(tcp, kcp, options, now);
  tcp.broken = true;  // noticed, but the pump had no turn since
  pump.End(now, /*in_order=*/true);
  EXPECT_EQ(kcp.ending, "reset");
  EXPECT_EQ(tcp.ending, "close");
}

TEST_F(PumpTest, WhatHasEndedIsNotCutByAnEndInOrder) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "all of it";
  tcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  tcp.broken = true;
  kcp.room = 0;
  pump.End(now, /*in_order=*/true);
  EXPECT_EQ(kcp.outgoing, "all of it");
  EXPECT_EQ(kcp.ending, "close");
}

TEST_F(PumpTest, ASlowReaderStallsThePairAndSilenceThenResetsIt) {
  Pump pump(tcp, kcp, options, now);
  EXPECT_FALSE(pump.Run(now));
  EXPECT_FALSE(pump.is_stalled());
  kcp.incoming = std::string(100, 'x');
  tcp.room = 40;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_TRUE(pump.is_stalled());
  tcp.room = SIZE_MAX;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_FALSE(pump.is_stalled());
  kcp.incoming = std::string(100, 'x');
  tcp.room = 0;
  EXPECT_FALSE(pump.Run(now));
  Advance(pump, seconds(61));
  EXPECT_TRUE(pump.is_done());
  EXPECT_EQ(tcp.ending, "reset") << "what is cut must not look complete";
  EXPECT_EQ(kcp.ending, "reset");
  EXPECT_EQ(pump.end(), PumpEnd::kIdleTimeout);
  EXPECT_TRUE(pump.was_cut());
}

TEST_F(PumpTest, AStreamThatTakesLessThanItPromisedStallsThePair) {
  Pump pump(kcp, tcp, options, now);
  kcp.incoming = "does not go in";
  tcp.room = 100;
  tcp.takes_nothing = true;
  EXPECT_FALSE(pump.Run(now));
  EXPECT_TRUE(pump.is_stalled());
}

TEST_F(PumpTest, WhatIsDiscardedOrHasEndedDoesNotStall) {
  Pump pump(tcp, kcp, options, now);
  kcp.incoming = "bye";
  kcp.peer_finished = true;
  EXPECT_FALSE(pump.Run(now));
  ASSERT_EQ(kcp.ending, "close");  // takes nothing any more
  tcp.incoming = "nobody hears this";
  EXPECT_FALSE(pump.Run(now));
  EXPECT_FALSE(pump.is_stalled());
}

TEST_F(PumpTest, EndAtOnceResetsBoth) {
  Pump pump(tcp, kcp, options, now);
  tcp.incoming = "just arrived";
  pump.End(now, /*in_order=*/false);
  EXPECT_EQ(kcp.outgoing, "");
  EXPECT_EQ(kcp.ending, "reset");
  EXPECT_EQ(tcp.ending, "reset");
  EXPECT_EQ(pump.end(), PumpEnd::kRequested);
  EXPECT_TRUE(pump.was_cut());
}

}  // namespace
}  // namespace culvert::server
