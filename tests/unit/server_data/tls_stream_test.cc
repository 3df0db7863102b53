#include "server/tls_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/worker_context.h"
#include "tests/testing/certificate_maker.h"
#include "tests/unit/server_data/wire.h"

namespace culvert::server {
namespace {

using Progress = tls::TlsConnection::Progress;
using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;

class Keeper final : public LingeringKeeper {
 public:
  void Keep(std::unique_ptr<Lingering> lingering) override { kept.push_back(std::move(lingering)); }
  std::vector<std::unique_ptr<Lingering>> kept;
};

class Listening final : public StreamObserver {
 public:
  void OnStreamReady() override { ++calls; }
  int calls = 0;
};

std::shared_ptr<const tls::TlsContext> ServerContext(const Certificate& certificate) {
  tls::TlsOptions options;
  options.role = tls::Role::kServer;
  options.certificate_pem = certificate.chain_pem;
  options.private_key_pem = AsBytes(certificate.private_key_pem);
  options.alpn = {"h2"};
  return *tls::TlsContext::Create(options);
}

std::shared_ptr<const tls::TlsContext> ClientContext(const Certificate& ca) {
  tls::TlsOptions options;
  options.trust_pem = ca.certificate_pem;
  options.alpn = {"h2"};
  return *tls::TlsContext::Create(options);
}

class TlsStreamTest : public ::testing::Test {
 protected:
  TlsStreamTest() {
    context_.now = TimePoint(std::chrono::seconds(100));
    Connect(ca_);
  }

  void Connect(const Certificate& trusted) {
    client_ = nullptr;
    server_ = nullptr;
    up_ = {};
    down_ = {};
    auto near = std::make_unique<WireEnd>(down_, up_);
    auto far = std::make_unique<WireEnd>(up_, down_);
    near_end_ = near.get();
    far_end_ = far.get();
    client_ = std::make_unique<TlsStream>(context_, std::move(near), ClientContext(trusted),
                                          TlsStream::Options{"far.example", nullptr}, near_keeper_);
    server_ = std::make_unique<TlsStream>(context_, std::move(far), ServerContext(leaf_), TlsStream::Options{}, far_keeper_);
  }
  void ShakeHands() {
    Progress client = Progress::kWaiting, server = Progress::kWaiting;
    for (int i = 0; i < 10 && (client == Progress::kWaiting || server == Progress::kWaiting); ++i) {
      client = client_->Handshake();
      server = server_->Handshake();
    }
    ASSERT_EQ(client, Progress::kDone) << client_->failure_message();
    ASSERT_EQ(server, Progress::kDone) << server_->failure_message();
    EXPECT_EQ(Read(*client_), "");  // takes the tickets
  }
  static size_t Write(TlsStream& stream, const std::string& text) {
    const ByteView view = AsBytes(text);
    return stream.Write(std::span(&view, 1));
  }
  // All that can be read now, at most `limit` at a time.
  static std::string Read(TlsStream& stream, size_t limit = SIZE_MAX) {
    std::string text;
    ByteView view;
    while (stream.Peek(limit, std::span(&view, 1)) > 0) {
      text += AsText(view);
      stream.Consume(view.size());
    }
    return text;
  }

  const Certificate ca_ = MakeCa("test CA");
  const Certificate leaf_ = MakeLeaf(ca_, {"far.example"});
  WorkerContext context_;
  Wire up_, down_;
  Keeper near_keeper_, far_keeper_;
  WireEnd* near_end_ = nullptr;
  WireEnd* far_end_ = nullptr;
  std::unique_ptr<TlsStream> client_, server_;
};

TEST_F(TlsStreamTest, CarriesBytesBothWaysAndTellsWhatWasAgreedOn) {
  EXPECT_EQ(client_->session(), nullptr);
  ShakeHands();
  ASSERT_NE(client_->session(), nullptr);
  EXPECT_EQ(client_->session()->info.alpn, "h2");
  EXPECT_EQ(server_->session()->info.server_name, "far.example");
  const std::string text(300'000, 'x');
  EXPECT_EQ(Write(*client_, text), text.size());
  EXPECT_EQ(up_.bytes.find("xxxx"), std::string::npos) << "plaintext on the wire";
  EXPECT_EQ(Read(*server_), text);
  EXPECT_EQ(Write(*server_, "answer"), 6u);
  EXPECT_EQ(Read(*client_), "answer");
  EXPECT_FALSE(client_->AtEnd());
  EXPECT_FALSE(client_->IsBroken());
}

TEST_F(TlsStreamTest, EachDirectionEndsByItself) {
  ShakeHands();
  EXPECT_TRUE(server_->CanHalfClose());
  EXPECT_EQ(Write(*client_, "request"), 7u);
  client_->FinishWriting();
  EXPECT_FALSE(server_->AtEnd()) << "before everything was read";
  EXPECT_EQ(Read(*server_), "request");
  EXPECT_TRUE(server_->AtEnd());
  EXPECT_TRUE(server_->CanHalfClose());
  EXPECT_FALSE(client_->AtEnd());
  EXPECT_EQ(Write(*server_, "answer"), 6u);
  EXPECT_EQ(Read(*client_), "answer");
  server_->FinishWriting();
  EXPECT_EQ(Read(*client_), "");
  EXPECT_TRUE(client_->AtEnd());
  client_->Close();
  EXPECT_TRUE(up_.has_ended);
  EXPECT_TRUE(near_keeper_.kept.empty());
  EXPECT_FALSE(client_->AtEnd());
  EXPECT_FALSE(client_->IsBroken());
}

TEST_F(TlsStreamTest, ASessionThatEndsWithoutSayingSoIsCut) {
  ShakeHands();
  EXPECT_EQ(Write(*client_, "part of it"), 10u);
  up_.has_ended = true;  // in order for mKCP, but TLS knows better
  EXPECT_EQ(Read(*server_), "part of it");
  EXPECT_FALSE(server_->AtEnd());
  EXPECT_TRUE(server_->IsBroken());
  EXPECT_FALSE(server_->CanHalfClose());
}

TEST_F(TlsStreamTest, ASessionThatDiesIsBrokenAtOnce) {
  EXPECT_FALSE(client_->IsBroken());
  down_.is_broken = true;
  EXPECT_TRUE(client_->IsBroken()) << "during the handshake too";
}

// The endpoint gives the session up a few seconds after the peer has ended it, however slow our reader is.
TEST_F(TlsStreamTest, ASlowReaderOfACompleteStreamMayOutlastTheSession) {
  ShakeHands();
  const std::string text(20'000, 'x');
  ASSERT_EQ(Write(*client_, text), text.size());
  client_->FinishWriting();
  ByteView view;
  ASSERT_EQ(server_->Peek(SIZE_MAX, std::span(&view, 1)), 1u);
  ASSERT_EQ(view.size(), text.size()) << "the end is to be read together with the bytes";
  server_->Consume(1000);
  ASSERT_EQ(up_.bytes, "") << "something is left in the session";
  up_.is_broken = true;
  EXPECT_FALSE(server_->IsBroken());
  EXPECT_FALSE(server_->AtEnd());
  EXPECT_FALSE(server_->CanHalfClose());
  EXPECT_EQ(Read(*server_).size(), text.size() - 1000);
  EXPECT_TRUE(server_->AtEnd());
  EXPECT_FALSE(server_->IsBroken());
}

TEST_F(TlsStreamTest, AfterTheEndTheSessionsEndTakesHalfClosingAway) {
  ShakeHands();
  client_->Close();  // says that it sends no more, then closes the session
  EXPECT_EQ(Read(*server_), "");
  EXPECT_TRUE(server_->AtEnd());
  EXPECT_FALSE(server_->CanHalfClose());
  EXPECT_FALSE(server_->IsBroken());
}

TEST_F(TlsStreamTest, TakesNoMoreThanTheSessionBelow) {
  ShakeHands();
  up_.room = 20'000;
  const std::string text(200'000, 'y');
  size_t sent = 0;
  std::string received;
  for (int i = 0; i < 100 && sent < text.size(); ++i) {
    if (const size_t room = client_->WritableBytes(); room > 0) {
      const size_t wanted = std::min(room, text.size() - sent);
      const size_t taken = Write(*client_, text.substr(sent, wanted));
      EXPECT_EQ(taken, wanted) << "promised";
      sent += taken;
      if (taken == room) {
        EXPECT_EQ(client_->WritableBytes(), 0u) << "sealed bytes are more than plain ones";
        EXPECT_TRUE(client_->HasUndelivered());
      }
    }
    received += Read(*server_);
    EXPECT_LE(sent, received.size() + (2 * 16 << 10)) << "more is kept than two records";
    up_.room = 20'000;
    near_end_->Notify();
  }
  received += Read(*server_);
  EXPECT_EQ(received, text);
}

TEST_F(TlsStreamTest, KeepsWhatWasNotTakenAndNoMore) {
  ShakeHands();
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += std::to_string(i);
  ASSERT_EQ(Write(*client_, text), text.size());
  ByteView view;
  ASSERT_EQ(server_->Peek(SIZE_MAX, std::span(&view, 1)), 1u);
  EXPECT_LE(view.size(), TlsStream::kMaxOpenedBytes);
  std::string received(AsText(view.first(1000)));
  server_->Consume(1000);
  // Another stream of the worker uses its scratch.
  std::ranges::fill(context_.scratch, uint8_t{0});
  ASSERT_EQ(server_->Peek(10, std::span(&view, 1)), 1u);
  EXPECT_EQ(view.size(), 10u);
  received += AsText(view);
  server_->Consume(10);
  ASSERT_EQ(server_->Peek(10, std::span(&view, 1)), 1u);
  server_->Consume(0);
  received += Read(*server_, 777);
  EXPECT_EQ(received, text);
}

TEST_F(TlsStreamTest, WhatIsLeftToSendOutlivesTheStream) {
  ShakeHands();
  up_.room = 1000;
  const std::string text(10'000, 'z');
  ASSERT_EQ(Write(*client_, text), text.size());
  client_->Close();
  client_ = nullptr;
  ASSERT_EQ(near_keeper_.kept.size(), 1u);
  EXPECT_FALSE(near_keeper_.kept[0]->is_done());
  EXPECT_FALSE(up_.has_ended);
  up_.room = 100'000;
  near_end_->Notify();
  EXPECT_TRUE(near_keeper_.kept[0]->is_done());
  EXPECT_TRUE(up_.has_ended);
  EXPECT_EQ(Read(*server_), text);
  EXPECT_TRUE(server_->AtEnd()) << "the end got lost";
}

TEST_F(TlsStreamTest, APeerThatTakesNothingIsNotWaitedForForEver) {
  ShakeHands();
  up_.room = 1000;
  ASSERT_EQ(Write(*client_, std::string(10'000, 'z')), 10'000u);
  client_->Close();
  ASSERT_EQ(near_keeper_.kept.size(), 1u);
  context_.now += TlsStream::kMaxDeparture;
  context_.timers.RunDue(context_.now, 10);
  EXPECT_TRUE(near_keeper_.kept[0]->is_done());
  EXPECT_TRUE(up_.is_broken) << "what is cut must not look complete";
  EXPECT_FALSE(up_.has_ended);
}

TEST_F(TlsStreamTest, AnEndThatDoesNotFitGoesOutLater) {
  ShakeHands();
  up_.room = 0;
  client_->FinishWriting();
  EXPECT_EQ(Read(*server_), "");
  EXPECT_FALSE(server_->AtEnd());
  up_.room = 1000;
  near_end_->Notify();
  EXPECT_EQ(Read(*server_), "");
  EXPECT_TRUE(server_->AtEnd());
}

TEST_F(TlsStreamTest, ARefusedPeerLearnsWhy) {
  Connect(MakeCa("another CA"));
  EXPECT_EQ(client_->Handshake(), Progress::kWaiting);
  EXPECT_EQ(server_->Handshake(), Progress::kWaiting);
  EXPECT_EQ(client_->Handshake(), Progress::kFailed);
  EXPECT_EQ(client_->failure(), tls::TlsFailure::kPeerRejected);
  client_->Close();
  EXPECT_EQ(client_->failure(), tls::TlsFailure::kPeerRejected) << "it is still to be told";
  EXPECT_NE(client_->failure_message(), "");
  EXPECT_TRUE(up_.has_ended);
  EXPECT_EQ(server_->Handshake(), Progress::kFailed);
  EXPECT_EQ(server_->failure(), tls::TlsFailure::kAlert);
}

TEST_F(TlsStreamTest, ADamagedRecordBreaksTheStream) {
  ShakeHands();
  ASSERT_EQ(Write(*client_, "hello"), 5u);
  up_.bytes.back() = static_cast<char>(up_.bytes.back() ^ 1);
  EXPECT_EQ(Read(*server_), "");
  EXPECT_TRUE(server_->IsBroken());
  EXPECT_EQ(server_->failure(), tls::TlsFailure::kProtocol);
}

TEST_F(TlsStreamTest, TellsItsObserverAndNobodyAfterTheEnd) {
  ShakeHands();
  Listening observer;
  client_->set_observer(&observer);
  near_end_->Notify();
  EXPECT_EQ(observer.calls, 1);
  client_->Reset(CloseReason::kAborted);
  EXPECT_TRUE(up_.is_broken);
  EXPECT_EQ(client_->WritableBytes(), 0u);
  EXPECT_EQ(Read(*client_), "");
  EXPECT_FALSE(client_->IsBroken());
}

}  // namespace
}  // namespace culvert::server
