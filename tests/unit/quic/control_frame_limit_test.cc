#include "core/quic/control_frame_limit.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"

namespace culvert::quic {
namespace {

using Frames = std::vector<uint8_t>;

Frames Repeat(const Frames& frame, size_t count) {
  Frames all;
  for (size_t i = 0; i < count; ++i) all.insert(all.end(), frame.begin(), frame.end());
  return all;
}

Frames StreamFrame(size_t size) {
  Frames frame = {0x08 | 0x02 | 0x04, 0x00, 0x44, 0x00, static_cast<uint8_t>(0x40 | size >> 8), static_cast<uint8_t>(size)};
  frame.resize(frame.size() + size);
  return frame;
}

TEST(ControlFrameLimitTest, CountsEachKindOfControlFrame) {
  const std::vector<Frames> control = {
      {0x01},                                                                     // PING
      {0x04, 0, 1, 2},                                                            // RESET_STREAM
      {0x05, 0, 1},                                                               // STOP_SENDING
      {0x06, 0, 2, 9, 9},                                                         // CRYPTO
      {0x07, 3, 1, 2, 3},                                                         // NEW_TOKEN
      {0x0a, 0, 0},                                                               // STREAM, empty
      {0x14, 1},                                                                  // DATA_BLOCKED
      {0x15, 0, 1},                                                               // STREAM_DATA_BLOCKED
      {0x16, 1},                                                                  // STREAMS_BLOCKED
      {0x18, 1, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  // NEW_CONNECTION_ID
      {0x19, 1},                                                                  // RETIRE_CONNECTION_ID
      {0x1a, 0, 0, 0, 0, 0, 0, 0, 0},                                             // PATH_CHALLENGE
      {0x1b, 0, 0, 0, 0, 0, 0, 0, 0},                                             // PATH_RESPONSE
  };
  for (const Frames& frame : control) {
    EXPECT_EQ(ControlFrameLimit::Count(Repeat(frame, 20)).control_frames, 20u) << "type " << int{frame[0]};
  }
}

TEST(ControlFrameLimitTest, DoesNotCountDataAcknowledgementsAndWindows) {
  Frames frames = {0x02, 5, 0, 1, 0, 1, 1};                 // ACK with a second range
  for (const uint8_t byte : {0x03, 5, 0, 0, 0, 1, 2, 3}) frames.push_back(byte);  // ACK with ECN counts
  for (const uint8_t byte : {0x10, 5, 0x11, 0, 5, 0x12, 5}) frames.push_back(byte);
  for (const uint8_t byte : {0x31, 2, 7, 7, 0, 0, 0}) frames.push_back(byte);     // DATAGRAM, PADDING
  const Frames data = StreamFrame(600);
  frames.insert(frames.end(), data.begin(), data.end());
  const auto tally = ControlFrameLimit::Count(frames);
  EXPECT_EQ(tally.control_frames, 0u);
  EXPECT_EQ(tally.stream_frames, 1u);
  EXPECT_EQ(tally.stream_bytes, 600u);
}

TEST(ControlFrameLimitTest, AFloodIsNotAdmittedForLong) {
  ControlFrameLimit limit;
  std::vector<int64_t> stopped;
  TimePoint now{};
  const Frames pings = Repeat({0x01}, 100);
  int packets = 0;
  while (limit.Admit(now, pings, 0, stopped)) {
    now += std::chrono::milliseconds(1);
    ASSERT_LT(++packets, 100);
  }
  EXPECT_GE(packets, 9);
}

TEST(ControlFrameLimitTest, WhatAKeepAliveNeedsIsAlwaysAdmitted) {
  ControlFrameLimit limit;
  std::vector<int64_t> stopped;
  TimePoint now{};
  for (int i = 0; i < 10'000; ++i) {
    now += std::chrono::milliseconds(11);
    ASSERT_TRUE(limit.Admit(now, Frames{0x01}, 0, stopped)) << i;
  }
}

TEST(ControlFrameLimitTest, ABusyPeerMayResetManyStreams) {
  ControlFrameLimit limit;
  std::vector<int64_t> stopped;
  TimePoint now{};
  Frames packet = StreamFrame(1000);
  // A stream in each packet, its data, its end and a STOP_SENDING for every fourth.
  for (int i = 0; i < 100'000; ++i) {
    Frames frames = packet;
    if (i % 4 == 0) frames.insert(frames.end(), {0x05, 0, 1});
    now += std::chrono::microseconds(50);
    ASSERT_TRUE(limit.Admit(now, frames, 0, stopped)) << i;
  }
}

TEST(ControlFrameLimitTest, WhoAcknowledgesMuchMayAskToBeAcknowledged) {
  ControlFrameLimit limit;
  std::vector<int64_t> stopped;
  Frames frames = {0x02, 5, 0, 0, 1, 0x01};  // ACK, PING
  // A packet of acknowledgements for every second of ours, a PING in every tenth of them, at 400,000 datagrams a second.
  for (uint64_t sent = 0; sent < 4'000'000; sent += 20) {
    const TimePoint now{std::chrono::nanoseconds(sent * 2500)};
    ASSERT_TRUE(limit.Admit(now, frames, sent, stopped)) << sent;
  }
  // The same from somebody who was sent nothing.
  ControlFrameLimit strict;
  int packets = 0;
  while (strict.Admit(TimePoint{std::chrono::microseconds(50 * packets)}, frames, 0, stopped)) ASSERT_LT(++packets, 2000);
}

// A stream that is announced, then reset and stopped, and nothing else.
Frames ShortStream(uint32_t number) {
  const uint32_t id = 4 * number;
  const auto varint = [&] {
    return Frames{static_cast<uint8_t>(0x80 | id >> 24), static_cast<uint8_t>(id >> 16), static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id)};
  };
  Frames frames;
  const auto append = [&](const Frames& more) { frames.insert(frames.end(), more.begin(), more.end()); };
  append({0x0a}), append(varint()), append({0x00});
  append({0x04}), append(varint()), append({0x01, 0x00});
  append({0x05}), append(varint()), append({0x01});
  return frames;
}

TEST(ControlFrameLimitTest, StreamsThatComeToNothingAreWhatABusyGatewayHas) {
  ControlFrameLimit limit;
  std::vector<int64_t> stopped;
  // 1,500 a second, for a minute.
  for (uint32_t i = 0; i < 90'000; ++i) {
    ASSERT_TRUE(limit.Admit(TimePoint{std::chrono::microseconds(667) * i}, ShortStream(i), 0, stopped)) << i;
  }
  // 100,000 a second are an attack.
  ControlFrameLimit strict;
  uint32_t count = 0;
  while (strict.Admit(TimePoint{std::chrono::microseconds(10) * count}, ShortStream(count), 0, stopped)) ASSERT_LT(++count, 10'000u);
}

TEST(ControlFrameLimitTest, TellsWhichStreamsAreToBeStopped) {
  ControlFrameLimit limit;
  std::vector<int64_t> stopped;
  Frames frames = StreamFrame(10);
  frames.insert(frames.end(), {0x05, 0x04, 0x01, 0x01, 0x05, 0x40, 0x08, 0x00, 0x04, 0x0c, 1, 2, 0x05});  // the last one is cut off
  ASSERT_TRUE(limit.Admit(TimePoint{}, frames, 0, stopped));
  EXPECT_EQ(stopped, (std::vector<int64_t>{4, 8}));
}

TEST(ControlFrameLimitTest, DamagedFramesAreReadOnlyToTheirEnd) {
  SeededRandom random(5);
  ControlFrameLimit limit;
  for (int i = 0; i < 200'000; ++i) {
    Frames frames(random.NextInRange(0, 60));
    random.Fill(frames);
    const auto tally = ControlFrameLimit::Count(frames);
    ASSERT_LE(tally.control_frames, frames.size());
    ASSERT_LE(tally.stream_bytes, frames.size());
  }
}

}  // namespace
}  // namespace culvert::quic
