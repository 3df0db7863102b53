// How streams end: half-close, reset, removal, closing by id, stopping.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "tests/unit/server_data/worker_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkerEndTest : public WorkerFixture {
 protected:
  // A tunnel to a server run by `handler`, and a client in it.
  void Open(Server::Handler handler) {
    StartWorkers(1);
    destination_ = *Server::Start({IpAddress::LoopbackV4(), 0}, std::move(handler));
    in_ = AddTunnel(destination_->address());
    Apply();
    client_.emplace(*Stream::Connect(in_));
  }
  static Server::Handler WriterOf64MebibytesCounting(std::atomic<uint64_t>& written) {
    return [&written](Stream& stream) {
      const std::string chunk(64 << 10, 'z');
      stream.SetLimit(seconds(60));
      for (int i = 0; i < 1024; ++i) {
        if (!stream.Write(chunk).ok()) return;
        written += chunk.size();
      }
    };
  }
  // Waits until the writer stands still: its bytes are in sockets and windows, all of them bounded.
  bool StandsStill(const std::atomic<uint64_t>& written) {
    uint64_t before = 1;
    return Eventually([&] {
      const auto sessions = Sessions();
      const uint64_t now = written;
      const TimePoint until = io::Now() + milliseconds(300);
      while (io::Now() < until) Report();
      return written > 0 && written == now && std::exchange(before, now) == now && !sessions.empty();
    });
  }
  bool AllGone() {
    return Eventually([&] { return Sessions().empty(); });
  }

  std::atomic<uint64_t> written_{0};  // by the destination's threads, which a test may outlast
  std::unique_ptr<Server> destination_;
  SocketAddress in_;
  std::optional<Stream> client_;
};

TEST_F(WorkerEndTest, AnUploadThenFinArrivesWholeAndTheAnswerComesBack) {
  std::promise<uint64_t> counted;
  Open([&](Stream& stream) {
    // mKCP cannot say "no more": this end is told by the linger, after the answer has gone.
    std::vector<uint8_t> upload(1 << 20);
    const bool whole = stream.ReadExactly(upload).ok();
    if (whole) static_cast<void>(stream.Write("thanks"));
    counted.set_value(whole ? upload.size() : 0);
    static_cast<void>(stream.ReadToEnd());
  });
  ASSERT_TRUE(client_->Write(std::string(1 << 20, 'x')).ok());
  client_->FinishWriting();
  EXPECT_EQ(*client_->ReadText(6), "thanks");
  EXPECT_EQ(counted.get_future().get(), 1u << 20);
  EXPECT_EQ(*client_->ReadToEnd(), 0u);  // a clean end
  EXPECT_TRUE(AllGone());
}

TEST_F(WorkerEndTest, AServerThatClosesEndsTheClientCleanlyAfterEveryByte) {
  Open([](Stream& stream) { static_cast<void>(stream.Write(std::string(3 << 20, 'y'))); });
  EXPECT_EQ(*client_->ReadToEnd(), 3u << 20);
  EXPECT_TRUE(AllGone());
  EXPECT_EQ(ForwardCounters("near").closed, 1u);
  EXPECT_EQ(DialerCounters("far").closed, 1u);
  EXPECT_EQ(DialerCounters("far").rx_bytes, 3u << 20);
  EXPECT_EQ(ListenerCounters("kcp").tx_bytes, 3u << 20);
}

TEST_F(WorkerEndTest, AClientResetEndsTheServersConnection) {
  std::promise<void> ended;
  Open([&](Stream& stream) {
    static_cast<void>(stream.ReadToEnd());
    ended.set_value();
  });
  ASSERT_TRUE(client_->Write("hello").ok());
  ASSERT_TRUE(destination_->WaitForAccepted(1, seconds(10)));
  const TimePoint before = io::Now();
  client_->Reset();
  EXPECT_EQ(ended.get_future().wait_for(seconds(10)), std::future_status::ready);
  EXPECT_LT(io::Now() - before, seconds(5));
  EXPECT_TRUE(AllGone());
}

TEST_F(WorkerEndTest, ASlowReaderHoldsUpItsWriterAndLosesNothing) {
  Open(WriterOf64MebibytesCounting(written_));
  ASSERT_TRUE(StandsStill(written_));
  EXPECT_LT(written_, 60u << 20);
  EXPECT_EQ(*client_->ReadToEnd(), 64u << 20);
}

// Nothing moves, but the reader does not have everything: that silence is no end.
TEST_F(WorkerEndTest, AStopDoesNotMakeAStreamWithASlowReaderLookComplete) {
  Open(WriterOf64MebibytesCounting(written_));
  ASSERT_TRUE(StandsStill(written_));
  workers_[0]->BeginStop(milliseconds(1500));  // longer than it takes to be quiet
  workers_[0]->Join();
  EXPECT_FALSE(client_->ReadToEnd().ok()) << "a cut stream looked complete";
}

TEST_F(WorkerEndTest, AStopWaitsForASlowReaderAsLongAsItMay) {
  Open(WriterOf64MebibytesCounting(written_));
  ASSERT_TRUE(StandsStill(written_));
  workers_[0]->BeginStop(seconds(30));
  const TimePoint until = io::Now() + milliseconds(900);  // longer than it takes to be quiet
  while (io::Now() < until) ASSERT_FALSE(Sessions().empty());
  const auto rest = client_->ReadToEnd();
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(*rest, 64u << 20);
  workers_[0]->Join();
}

TEST_F(WorkerEndTest, AnIdleStreamIsClosed) {
  StartWorkers(1);
  destination_ = *Server::Start({IpAddress::LoopbackV4(), 0}, Echo);
  in_ = AddTunnel(destination_->address());
  Forward("near").idle_timeout = milliseconds(200);
  Apply();
  auto client = Stream::Connect(in_);
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Transfer(10, 1, 10, 1).ok());
  EXPECT_EQ(*client->ReadToEnd(), 0u);
}

TEST_F(WorkerEndTest, RemovingAForwardEndsItsStreamsAndHandsOverItsCounters) {
  Open(Echo);
  ASSERT_TRUE(client_->Transfer(5000, 1, 5000, 1).ok());
  Remove("near");
  const auto gone = Apply();
  ASSERT_EQ(gone.size(), 1u);
  const ObjectCounters& counters = gone[0].forwards.at("near");
  EXPECT_EQ(counters.rx_bytes, 5000u);
  EXPECT_EQ(counters.opened, 1u);
  EXPECT_EQ(counters.active, 0u);
  EXPECT_FALSE(client_->ReadToEnd().ok());  // cut short, not ended
  EXPECT_TRUE(AllGone());
}

TEST_F(WorkerEndTest, RemovingEverythingTellsPeersAndKeepsTheTotal) {
  Open(Echo);
  ASSERT_TRUE(client_->Transfer(5000, 1, 5000, 1).ok());
  for (const char* name : {"in", "kcp", "far", "near", "out"}) Remove(name);
  const auto gone = Apply();
  EXPECT_EQ(gone[0].listeners.at("in").rx_bytes, 5000u);
  EXPECT_EQ(gone[0].dialers.at("far").closed, 1u);
  EXPECT_TRUE(Sessions().empty());
  const ObjectCounters total = Report()[0].total;
  EXPECT_EQ(total.opened, 4u);
  EXPECT_EQ(total.closed, 4u);
  EXPECT_EQ(total.active, 0u);
  EXPECT_TRUE(destination_->WaitForActive(0, seconds(10)));
  EXPECT_FALSE(Stream::Connect(in_, seconds(2)).ok());  // the port is let go
}

TEST_F(WorkerEndTest, ANewIncarnationOnTheSamePortServesAtOnce) {
  StartWorkers(1);
  destination_ = *Server::Start({IpAddress::LoopbackV4(), 0}, Echo);
  in_ = AddTunnel(destination_->address());
  Apply();
  for (uint64_t incarnation = 2; incarnation < 5; ++incarnation) {
    auto client = Stream::Connect(in_);
    ASSERT_TRUE(client.ok());
    EXPECT_TRUE(client->Transfer(1000, 1, 1000, 1).ok());
    Dialer("far").id.incarnation = incarnation;
    const auto gone = Apply();
    EXPECT_EQ(gone[0].dialers.at("far").opened, 1u);
  }
}

TEST_F(WorkerEndTest, AnySessionCanBeClosedByItsId) {
  Open(Echo);
  ASSERT_TRUE(client_->Transfer(1000, 1, 1000, 1).ok());
  for (const bool graceful : {true, false}) {
    for (size_t i = 0; i < 4; ++i) {
      auto client = Stream::Connect(in_);
      ASSERT_TRUE(client.ok());
      ASSERT_TRUE(client->Transfer(1000, 1, 1000, 1).ok());
      const auto sessions = Sessions();
      // The newest relay's sessions, whichever of the four.
      const auto newest = std::max_element(sessions.begin(), sessions.end(), [](const auto& a, const auto& b) {
        return a.opened_at_unix_ns < b.opened_at_unix_ns;
      });
      EXPECT_TRUE(CloseSession(*newest, graceful));
      const auto rest = client->ReadToEnd();
      if (rest.ok()) {
        EXPECT_EQ(*rest, 0u);
      }
      client->Shutdown();  // else its connection lingers, in case it has more to say
      EXPECT_TRUE(Eventually([&] { return Sessions().size() == 4; }));
      EXPECT_FALSE(CloseSession(*newest, graceful));
    }
  }
  EXPECT_TRUE(client_->Transfer(1000, 2, 1000, 2).ok());  // the first one never noticed
}

TEST_F(WorkerEndTest, StoppingLetsATransferFinish) {
  Open([](Stream& stream) {
    // Slower than the stop: a part every time the client has asked for it.
    for (int part = 0; part < 5; ++part) {
      if (!stream.ReadText(1).ok() || !stream.Write(std::string(100'000, 'z')).ok()) return;
    }
  });
  std::vector<uint8_t> part(100'000);
  ASSERT_TRUE(client_->Write("?").ok());
  ASSERT_TRUE(client_->ReadExactly(part).ok());
  workers_[0]->BeginStop(seconds(20));
  for (int i = 1; i < 5; ++i) {
    ASSERT_TRUE(client_->Write("?").ok());
    ASSERT_TRUE(client_->ReadExactly(part).ok()) << i;
  }
  EXPECT_EQ(*client_->ReadToEnd(), 0u);
  workers_[0]->Join();
}

TEST_F(WorkerEndTest, AStreamCutByTheEndOfAStopIsAnError) {
  Open([](Stream& stream) {
    while (stream.Write(std::string(100'000, 'z')).ok()) continue;
  });
  std::vector<uint8_t> part(300'000);
  ASSERT_TRUE(client_->ReadExactly(part).ok());
  workers_[0]->BeginStop(std::chrono::milliseconds(100));
  EXPECT_FALSE(client_->ReadToEnd().ok()) << "a cut stream looked complete";
  workers_[0]->Join();
}

TEST_F(WorkerEndTest, StoppingEndsEverySessionInOrderAndSoon) {
  Open(Echo);
  ASSERT_TRUE(client_->Transfer(1000, 1, 1000, 1).ok());
  const TimePoint before = io::Now();
  workers_[0]->BeginStop(seconds(20));
  workers_[0]->Join();
  EXPECT_LT(io::Now() - before, seconds(5));
  EXPECT_EQ(*client_->ReadToEnd(), 0u);
  EXPECT_FALSE(workers_[0]->Report({}, [](WorkerReport) {}));
}

// What ended is written down by both ends of the tunnel: who, where to, how much, and how it ended.
TEST_F(WorkerEndTest, WhatEndedIsWrittenDown) {
  Open([](Stream& stream) {
    static_cast<void>(stream.ReadText(4));
    static_cast<void>(stream.Write("answer"));
  });
  ASSERT_TRUE(client_->Write("ask!").ok());
  EXPECT_EQ(client_->ReadText(6).value_or(""), "answer");
  client_.reset();
  ASSERT_TRUE(AllGone());
  const auto ended = Ended();
  ASSERT_EQ(ended.size(), 2u);
  const bool is_near_first = ended[0]->listener == "in";
  const EndedRecord& near = *ended[is_near_first ? 0 : 1];
  const EndedRecord& far = *ended[is_near_first ? 1 : 0];
  EXPECT_EQ(near.kind, EndedRecord::Kind::kStream);
  EXPECT_EQ(near.listener, "in");
  EXPECT_TRUE(near.source.starts_with("127.0.0.1:")) << near.source;
  EXPECT_EQ(near.rx_bytes, 4u);
  EXPECT_EQ(near.tx_bytes, 6u);
  EXPECT_FALSE(near.session_id.empty());
  EXPECT_FALSE(near.far_session_id.empty());
  EXPECT_GT(near.ended_at_unix_ns, 0);
  EXPECT_EQ(far.listener, "kcp");
  EXPECT_EQ(far.destination, destination_->address().ToString());
  EXPECT_EQ(far.rx_bytes, 4u);
  EXPECT_EQ(far.verdict, EndedRecord::Verdict::kClosed);
  EXPECT_EQ(far.reason, kEndedFinished);
}

TEST_F(WorkerEndTest, WhatWasCutOrRefusedIsWrittenDownToo) {
  Open([](Stream& stream) { static_cast<void>(stream.ReadToEnd()); });
  ASSERT_TRUE(client_->Write("x").ok());
  ASSERT_TRUE(Eventually([&] { return Streams().size() == 2; }));
  for (const SessionSnapshot& session : Sessions()) {
    if (session.listener != "in") continue;
    EXPECT_TRUE(CloseSession(session, /*graceful=*/false));
  }
  ASSERT_TRUE(AllGone());
  const auto by_listener = [&](const std::string& listener) {
    for (const auto& record : Ended()) {
      if (record->listener == listener) return record;
    }
    return std::make_shared<const EndedRecord>();
  };
  EXPECT_EQ(by_listener("in")->verdict, EndedRecord::Verdict::kBroken);
  EXPECT_EQ(by_listener("in")->reason, kEndedHere);

  const SocketAddress closed = AddTcpListener("nowhere");
  AddDirectForward("nowhere", "nowhere", {IpAddress::LoopbackV4(), 1});  // nobody listens there
  Apply();
  auto refused = Stream::Connect(closed);
  EXPECT_TRUE(EndsWithoutData(refused));
  ASSERT_TRUE(Eventually([&] { return by_listener("nowhere")->verdict == EndedRecord::Verdict::kRefused; }));
  EXPECT_EQ(by_listener("nowhere")->reason, "CONNECT_REFUSED");
  EXPECT_FALSE(by_listener("nowhere")->message.empty());
}

}  // namespace
}  // namespace culvert::server
