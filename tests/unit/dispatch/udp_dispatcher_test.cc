#include "core/dispatch/udp_dispatcher.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace culvert::dispatch {
namespace {

using std::chrono::seconds;

SocketAddress Address(uint32_t number, uint16_t port = 1000) {
  return {IpAddress::V4({10, static_cast<uint8_t>(number >> 16), static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)}), port};
}

class UdpDispatcherTest : public ::testing::Test {
 protected:
  AssociationHandle Open(const SocketAddress& client, AssociationRules rules = {}) {
    return dispatcher_.Open(now_, client, rules, 0);
  }
  FlowHandle Out(AssociationHandle association, const SocketAddress& to) {
    return dispatcher_.OnOutgoing(now_, association, {to}, 10);
  }
  FlowHandle In(AssociationHandle association, const SocketAddress& from) {
    return dispatcher_.OnIncoming(now_, association, {from}, 20);
  }
  void Advance(Duration time) {
    now_ += time;
    dispatcher_.OnTimeout(now_);
  }
  std::vector<UdpDispatcher::Event> Events() {
    std::vector<UdpDispatcher::Event> events;
    while (auto event = dispatcher_.PollEvent()) events.push_back(std::move(*event));
    return events;
  }

  SeededRandom random_{1};
  TimePoint now_{seconds(100)};
  UdpDispatcher dispatcher_{{.max_associations = 4, .max_flows = 8}, random_};
};

TEST_F(UdpDispatcherTest, AFlowForEachDestination) {
  const AssociationHandle client = Open(Address(1));
  bool is_new = false;
  const FlowHandle first = dispatcher_.OnOutgoing(now_, client, {Address(50)}, 10, &is_new);
  EXPECT_TRUE(is_new);
  EXPECT_EQ(dispatcher_.OnOutgoing(now_, client, {Address(50)}, 10, &is_new), first);
  EXPECT_FALSE(is_new);
  EXPECT_NE(Out(client, Address(51)), first);
  EXPECT_NE(Out(client, Address(50, 1001)), first);
  EXPECT_NE(dispatcher_.OnOutgoing(now_, client, {{{}, 1000}, "ten.example"}, 10), first);
  EXPECT_EQ(dispatcher_.FlowCountOf(client), 4u);
  EXPECT_EQ(dispatcher_.FindFlow(first)->counters.rx_packets, 2u);
  EXPECT_EQ(dispatcher_.FindFlow(first)->counters.rx_bytes, 20u);
  EXPECT_EQ(dispatcher_.Find(Address(1)), client);
  EXPECT_TRUE(dispatcher_.Find(Address(2)).is_null());
}

TEST_F(UdpDispatcherTest, ClientsAreApart) {
  const AssociationHandle one = Open(Address(1));
  const AssociationHandle other = Open(Address(2));
  EXPECT_NE(Out(one, Address(50)), Out(other, Address(50)));
  EXPECT_TRUE(In(one, Address(51)).is_null());
}

TEST_F(UdpDispatcherTest, OnlyWhoWasSentToMayAnswer) {
  const AssociationHandle client = Open(Address(1));
  const FlowHandle flow = Out(client, Address(50));
  EXPECT_EQ(In(client, Address(50)), flow);
  EXPECT_TRUE(In(client, Address(50, 1001)).is_null()) << "another port of the same address";
  EXPECT_TRUE(In(client, Address(51)).is_null());
  EXPECT_EQ(dispatcher_.counters().filtered, 2u);
  EXPECT_EQ(dispatcher_.FindFlow(flow)->counters.tx_packets, 1u);
}

// T42.
TEST_F(UdpDispatcherTest, SpoofedRepliesFromAThousandSources) {
  const AssociationHandle client = Open(Address(1));
  Out(client, Address(50));
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_TRUE(In(client, Address(1000 + i)).is_null());
  EXPECT_EQ(dispatcher_.counters().filtered, 1000u);
}

TEST_F(UdpDispatcherTest, EndpointIndependentFiltering) {
  const AssociationHandle client = Open(Address(1), {.is_endpoint_independent = true});
  EXPECT_TRUE(In(client, Address(60)).is_null()) << "the client has no flow yet";
  const FlowHandle flow = Out(client, Address(50));
  EXPECT_EQ(In(client, Address(60)), flow);
}

TEST_F(UdpDispatcherTest, BothDirectionsRefresh) {
  const AssociationHandle client = Open(Address(1), {.idle_timeout = seconds(30)});
  const FlowHandle flow = Out(client, Address(50));
  for (int i = 0; i < 10; ++i) {
    Advance(seconds(20));
    EXPECT_EQ(i % 2 == 0 ? In(client, Address(50)) : Out(client, Address(50)), flow);
  }
  Advance(seconds(29));
  EXPECT_TRUE(Events().empty());
  Advance(seconds(1));
  const auto events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, UdpDispatcher::Event::Kind::kFlowEnded);
  EXPECT_EQ(events[0].flow, flow);
  EXPECT_EQ(events[0].reason, EndReason::kIdle);
  EXPECT_EQ(events[0].last.destination, Address(50));
  EXPECT_EQ(events[1].kind, UdpDispatcher::Event::Kind::kAssociationEnded);
  EXPECT_FALSE(dispatcher_.IsOpen(client));
  EXPECT_TRUE(dispatcher_.Find(Address(1)).is_null());
  EXPECT_EQ(dispatcher_.NextTimeout(), std::nullopt);
}

TEST_F(UdpDispatcherTest, NameServersAreForgottenSooner) {
  const AssociationHandle client = Open(Address(1));
  const FlowHandle dns = Out(client, Address(50, 53));
  const FlowHandle other = Out(client, Address(50, 54));
  Advance(seconds(15));
  EXPECT_EQ(dispatcher_.FindFlow(dns), nullptr);
  EXPECT_NE(dispatcher_.FindFlow(other), nullptr);
}

TEST_F(UdpDispatcherTest, TooManyFlowsOfOneClientEvictItsOwn) {
  const AssociationHandle greedy = Open(Address(1), {.max_flows = 3});
  const AssociationHandle other = Open(Address(2));
  const FlowHandle safe = Out(other, Address(50));
  std::vector<FlowHandle> flows;
  for (uint32_t i = 0; i < 3; ++i) {
    Advance(seconds(1));
    flows.push_back(Out(greedy, Address(60 + i)));
  }
  Advance(seconds(1));
  Out(greedy, Address(60));  // the first is the most lively now
  Out(greedy, Address(70));
  EXPECT_NE(dispatcher_.FindFlow(flows[0]), nullptr);
  EXPECT_EQ(dispatcher_.FindFlow(flows[1]), nullptr);
  EXPECT_NE(dispatcher_.FindFlow(safe), nullptr);
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, EndReason::kEvicted);
  EXPECT_EQ(dispatcher_.counters().flows_evicted, 1u);
}

TEST_F(UdpDispatcherTest, OneFlowAtMostIsKeptAndReplaced) {
  const AssociationHandle client = Open(Address(1), {.max_flows = 1});
  Out(client, Address(50));
  const FlowHandle second = Out(client, Address(51));
  EXPECT_TRUE(dispatcher_.IsOpen(client)) << "the association must not go with the flow that makes room";
  EXPECT_NE(dispatcher_.FindFlow(second), nullptr);
  EXPECT_EQ(dispatcher_.flow_count(), 1u);
}

TEST_F(UdpDispatcherTest, TooManyFlowsInAllEvictTheMostSilent) {
  const AssociationHandle silent = Open(Address(1));
  Out(silent, Address(50));
  Advance(seconds(1));
  const AssociationHandle busy = Open(Address(2));
  for (uint32_t i = 0; i < 8; ++i) Out(busy, Address(60 + i));
  EXPECT_FALSE(dispatcher_.IsOpen(silent));
  EXPECT_EQ(dispatcher_.flow_count(), 8u);
}

TEST_F(UdpDispatcherTest, TooManyClientsEvictTheMostSilent) {
  const AssociationHandle lasting = dispatcher_.Open(now_, {}, {}, 0);  // of no client: not up for it
  Out(lasting, Address(49));
  std::vector<AssociationHandle> clients;
  for (uint32_t i = 0; i < 5; ++i) {
    Advance(seconds(1));
    clients.push_back(Open(Address(1 + i)));
    Out(clients.back(), Address(50));
  }
  EXPECT_FALSE(dispatcher_.IsOpen(clients[0]));
  EXPECT_TRUE(dispatcher_.IsOpen(clients[1]));
  EXPECT_TRUE(dispatcher_.IsOpen(lasting));
  EXPECT_EQ(dispatcher_.counters().associations_evicted, 1u);
}

TEST_F(UdpDispatcherTest, ClientsThatNeverHadAFlowGoFirst) {
  const AssociationHandle with_flow = Open(Address(1));
  Out(with_flow, Address(50));
  Advance(seconds(10));
  const AssociationHandle without = Open(Address(2));
  for (uint32_t i = 0; i < 3; ++i) Out(Open(Address(3 + i)), Address(50));
  EXPECT_TRUE(dispatcher_.IsOpen(with_flow));
  EXPECT_FALSE(dispatcher_.IsOpen(without));
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, UdpDispatcher::Event::Kind::kAssociationEnded);
}

TEST_F(UdpDispatcherTest, WhatTheFarSideHasJudged) {
  const AssociationHandle client = Open(Address(1));
  EXPECT_TRUE(dispatcher_.OnIncoming(now_, client, {Address(60)}, 1, /*is_judged=*/true).is_null()) << "no flow yet";
  const FlowHandle first = Out(client, Address(50));
  const FlowHandle second = Out(client, Address(51));
  EXPECT_EQ(dispatcher_.OnIncoming(now_, client, {Address(50)}, 1, /*is_judged=*/true), first);
  EXPECT_EQ(dispatcher_.OnIncoming(now_, client, {}, 1, /*is_judged=*/true), first) << "the latest";
  EXPECT_NE(first, second);
}

TEST_F(UdpDispatcherTest, AnAssociationWithoutClientLivesUntilItIsClosed) {
  const AssociationHandle association = dispatcher_.Open(now_, {}, {}, 7);
  Out(association, Address(50));
  Advance(seconds(200));
  EXPECT_EQ(dispatcher_.flow_count(), 0u);
  EXPECT_TRUE(dispatcher_.IsOpen(association));
  EXPECT_EQ(dispatcher_.UserOf(association), 7u);
  Out(association, Address(50));
  dispatcher_.Close(association);
  EXPECT_FALSE(dispatcher_.IsOpen(association));
  EXPECT_EQ(dispatcher_.flow_count(), 0u);
  EXPECT_TRUE(Out(association, Address(50)).is_null());
  EXPECT_TRUE(In(association, Address(50)).is_null());
}

TEST_F(UdpDispatcherTest, AClosedFlowTakesItsClientAlong) {
  const AssociationHandle client = Open(Address(1));
  dispatcher_.CloseFlow(Out(client, Address(50)));
  EXPECT_FALSE(dispatcher_.IsOpen(client));
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, UdpDispatcher::Event::Kind::kAssociationEnded);
  EXPECT_EQ(events[0].reason, EndReason::kClosed);
}

// T40: a hundred thousand destinations cost what max_flows allows.
TEST_F(UdpDispatcherTest, AHundredThousandDestinations) {
  const AssociationHandle client = Open(Address(1));
  for (uint32_t i = 0; i < 100'000; ++i) {
    EXPECT_FALSE(Out(client, Address(100 + i)).is_null());
    Events();
  }
  EXPECT_EQ(dispatcher_.flow_count(), 8u);
  EXPECT_EQ(dispatcher_.counters().flows_opened, 100'000u);
}

}  // namespace
}  // namespace culvert::dispatch
