// What a forward may join: one combination a row, with the field that is at fault.
#include "server/table_rules.h"

#include <gmock/gmock.h>

#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

EntryPtr ToEntry(v1::Object object) {
  auto entry = std::make_shared<Entry>();
  entry->object = std::move(object);
  return entry;
}

v1::Object Listener(const std::string& name, const std::string& spec) {
  return ParseObject("listener { metadata { name: '" + name + "' } spec { bind: '127.0.0.1:0' transport: " + spec + " } }");
}
v1::Object Dialer(const std::string& name, const std::string& spec) {
  return ParseObject("dialer { metadata { name: '" + name + "' } spec { targets: 'far:1' transport: " + spec + " } }");
}
v1::Object Forward(const std::string& name, const std::string& spec) {
  return ParseObject("forward { metadata { name: '" + name + "' } spec { " + spec + " } }");
}

// One listener and one dialer of every sort.
ObjectTable Everything() {
  const std::string culvert = " stream_header: STREAM_HEADER_CULVERT";
  ObjectTable table;
  for (const v1::Object& object :
       {Listener("tcp", "TRANSPORT_TCP"), Listener("udp", "TRANSPORT_UDP"), Listener("kcp", "TRANSPORT_KCP"),
        Listener("quic", "TRANSPORT_QUIC"), Listener("kcp-culvert", "TRANSPORT_KCP" + culvert),
        Listener("quic-culvert", "TRANSPORT_QUIC" + culvert), Listener("socks", "TRANSPORT_TCP protocol: LISTENER_PROTOCOL_SOCKS5"),
        Listener("http", "TRANSPORT_TCP protocol: LISTENER_PROTOCOL_HTTP_CONNECT"),
        Listener("tproxy", "TRANSPORT_UDP udp { original_destination: true }"), Dialer("tcp", "TRANSPORT_TCP"),
        Dialer("udp", "TRANSPORT_UDP"), Dialer("kcp", "TRANSPORT_KCP"), Dialer("quic", "TRANSPORT_QUIC"),
        Dialer("kcp-culvert", "TRANSPORT_KCP" + culvert), Dialer("quic-culvert", "TRANSPORT_QUIC" + culvert)}) {
    table.Put(ToEntry(object));
  }
  return table;
}

Violations Judge(ObjectTable table, const std::string& spec) {
  const EntryPtr entry = ToEntry(Forward("f", spec));
  table.Put(entry);
  Violations violations;
  TableRules(table).Check(*entry, "", violations);
  return violations;
}

std::string From(const std::string& listener, const std::string& dialer = "") {
  return "listener: '" + listener + "' " + (dialer.empty() ? "" : "dialer: '" + dialer + "' ");
}

TEST(TableRulesTest, WhatCarriesStreamsAndDatagramsFits) {
  for (const char* listener : {"tcp", "kcp", "quic", "kcp-culvert", "quic-culvert"}) {
    for (const char* dialer : {"tcp", "kcp", "quic", "kcp-culvert", "quic-culvert"}) {
      EXPECT_THAT(Judge(Everything(), From(listener, dialer)), IsEmpty()) << listener << " to " << dialer;
    }
  }
  for (const char* dialer : {"udp", "kcp-culvert", "quic-culvert"}) {
    EXPECT_THAT(Judge(Everything(), From("udp", dialer)), IsEmpty()) << dialer;
  }
  for (const char* listener : {"kcp-culvert", "quic-culvert"}) {
    EXPECT_THAT(Judge(Everything(), From(listener, "udp")), IsEmpty()) << listener;
  }
}

TEST(TableRulesTest, DatagramsNeedBoundaries) {
  for (const char* dialer : {"tcp", "kcp", "quic"}) {
    const Violations violations = Judge(Everything(), From("udp", dialer));
    ASSERT_EQ(violations.size(), 1u) << dialer;
    EXPECT_EQ(violations[0].path, "spec.dialer");
    EXPECT_THAT(violations[0].description, HasSubstr("have no boundaries on raw streams: both ends need stream_header CULVERT"));
  }
  for (const char* listener : {"tcp", "kcp", "quic"}) {
    const Violations violations = Judge(Everything(), From(listener, "udp"));
    ASSERT_EQ(violations.size(), 1u) << listener;
    EXPECT_EQ(violations[0].path, "spec.dialer");
    EXPECT_THAT(violations[0].description, HasSubstr("have no datagrams"));
  }
}

TEST(TableRulesTest, OnlyAFarSideThatIsToldTakesADestination) {
  const std::string to = "destination: 'db:1' ";
  for (const char* dialer : {"kcp-culvert", "quic-culvert"}) EXPECT_THAT(Judge(Everything(), From("tcp", dialer) + to), IsEmpty());
  for (const char* listener : {"tcp", "udp", "kcp", "quic", "kcp-culvert"}) {
    EXPECT_THAT(Judge(Everything(), From(listener) + to), IsEmpty()) << listener;
  }
  const auto description = [&](const char* listener, const char* dialer) {
    const Violations violations = Judge(Everything(), From(listener, dialer) + to);
    EXPECT_EQ(violations.size(), 1u);
    if (violations.empty()) return std::string();
    EXPECT_EQ(violations[0].path, "spec.destination");
    return violations[0].description;
  };
  EXPECT_EQ(description("tcp", "kcp"), "excludes dialer: over raw streams the far side decides where bytes go");
  EXPECT_EQ(description("tcp", "quic"), "excludes dialer: over raw streams the far side decides where bytes go");
  EXPECT_THAT(description("tcp", "tcp"), HasSubstr("forwards to its own targets"));
  EXPECT_THAT(description("udp", "udp"), HasSubstr("forwards to its own targets"));
}

TEST(TableRulesTest, WhoseClientsNameDestinationsNeedsAWayThere) {
  for (const char* listener : {"socks", "http", "tproxy"}) {
    for (const char* dialer : {"kcp-culvert", "quic-culvert"}) {
      EXPECT_THAT(Judge(Everything(), From(listener, dialer)), IsEmpty()) << listener << " to " << dialer;
    }
    EXPECT_THAT(Judge(Everything(), From(listener) + "allowed_destinations: '*:*'"), IsEmpty()) << listener;
    for (const char* dialer : {"tcp", "udp", "kcp", "quic"}) {
      const Violations violations = Judge(Everything(), From(listener, dialer));
      ASSERT_EQ(violations.size(), 1u) << listener << " to " << dialer;
      EXPECT_EQ(violations[0].path, "spec.dialer");
      EXPECT_THAT(violations[0].description, HasSubstr("needs stream_header CULVERT"));
    }
    const Violations open = Judge(Everything(), From(listener));
    ASSERT_EQ(open.size(), 1u);
    EXPECT_EQ(open[0].path, "spec.allowed_destinations");
    EXPECT_THAT(open[0].description, HasSubstr("an open door to everywhere needs to be said: [\"*:*\"]"));
    const Violations settled = Judge(Everything(), From(listener, "kcp-culvert") + "destination: 'db:1'");
    ASSERT_EQ(settled.size(), 1u);
    EXPECT_EQ(settled[0].path, "spec.destination");
    EXPECT_THAT(settled[0].description, HasSubstr("its clients say where they go"));
  }
}

TEST(TableRulesTest, AllowedDestinationsNeedSomebodyWhoNamesOne) {
  const std::string allowed = "destination: 'db:1' allowed_destinations: 'db:1'";
  for (const char* listener : {"tcp", "udp", "kcp", "quic"}) {
    const Violations violations = Judge(Everything(), From(listener) + allowed);
    ASSERT_EQ(violations.size(), 1u) << listener;
    EXPECT_EQ(violations[0].path, "spec.allowed_destinations");
  }
  for (const char* listener : {"kcp-culvert", "quic-culvert"}) {
    EXPECT_THAT(Judge(Everything(), From(listener) + allowed), IsEmpty());
    EXPECT_THAT(Judge(Everything(), From(listener) + "allowed_destinations: '*:*'"), IsEmpty());
  }
}

TEST(TableRulesTest, ThePublicSideOfReverseListensForThoseWhoNameNothing) {
  const std::string reverse = "reverse: 'web' ";
  for (const char* listener : {"tcp", "udp"}) EXPECT_THAT(Judge(Everything(), From(listener) + reverse), IsEmpty()) << listener;
  for (const char* listener : {"kcp", "quic", "kcp-culvert", "socks", "http", "tproxy"}) {
    const Violations violations = Judge(Everything(), From(listener) + reverse);
    ASSERT_EQ(violations.size(), 1u) << listener;
    EXPECT_EQ(violations[0].path, "spec.listener");
  }
  EXPECT_THAT(Judge(Everything(), From("tcp") + reverse + "reverse_listener: 'quic-culvert'"), IsEmpty());
  for (const char* listener : {"quic", "tcp", "nobody"}) {
    const Violations violations = Judge(Everything(), From("tcp") + reverse + "reverse_listener: '" + listener + "'");
    ASSERT_EQ(violations.size(), 1u) << listener;
    EXPECT_EQ(violations[0].path, "spec.reverse_listener");
  }
}

TEST(TableRulesTest, AReverseNameIsTakenInOnce) {
  ObjectTable table = Everything();
  table.Put(ToEntry(Forward("other", From("udp") + "reverse: 'web'")));
  const Violations violations = Judge(table, From("tcp") + "reverse: 'web'");
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].path, "spec.reverse");
  EXPECT_THAT(violations[0].description, HasSubstr("forward/other"));
  EXPECT_THAT(Judge(table, From("tcp") + "reverse: 'mail'"), IsEmpty());
}

TEST(TableRulesTest, ThePrivateSideOfReverseNeedsADialerThatTells) {
  const auto spec = [](const std::string& dialer) { return "dialer: '" + dialer + "' reverse: 'web' destination: 'db:1'"; };
  ObjectTable table = Everything();
  // Several sides may offer one name, and none of them carries a listener.
  table.Put(ToEntry(Forward("other", spec("quic-culvert"))));
  table.Put(ToEntry(Forward("public", From("tcp") + "reverse: 'web'")));
  for (const char* dialer : {"kcp-culvert", "quic-culvert"}) {
    EXPECT_THAT(Judge(table, spec(dialer)), IsEmpty());
    EXPECT_THAT(Judge(table, spec(dialer) + " proxy_protocol: true"), IsEmpty());
  }
  for (const char* dialer : {"tcp", "udp", "kcp", "quic"}) {
    const Violations violations = Judge(table, spec(dialer));
    ASSERT_EQ(violations.size(), 1u) << dialer;
    EXPECT_EQ(violations[0].path, "spec.dialer");
    EXPECT_THAT(violations[0].description, HasSubstr("stream_header CULVERT"));
  }
}

TEST(TableRulesTest, AProxyHeaderGoesToBackendsOnly) {
  const std::string header = "proxy_protocol: true ";
  EXPECT_THAT(Judge(Everything(), From("tcp") + header + "destination: 'db:1'"), IsEmpty());
  EXPECT_THAT(Judge(Everything(), From("tcp", "tcp") + header), IsEmpty());
  EXPECT_THAT(Judge(Everything(), From("udp", "udp") + header), IsEmpty());
  for (const char* dialer : {"kcp", "quic", "kcp-culvert", "quic-culvert"}) {
    const Violations violations = Judge(Everything(), From("tcp", dialer) + header);
    ASSERT_EQ(violations.size(), 1u) << dialer;
    EXPECT_EQ(violations[0].path, "spec.proxy_protocol");
  }
}

TEST(TableRulesTest, PlainUdpSharesItsPortsWithKcp) {
  ObjectTable table;
  table.Put(ToEntry(KcpListener("kcp", "0.0.0.0:53")));
  table.Put(ToEntry(TcpListener("tcp", "0.0.0.0:54")));
  const auto judge = [&](const std::string& bind) {
    const EntryPtr entry =
        ToEntry(ParseObject("listener { metadata { name: 'udp' } spec { transport: TRANSPORT_UDP bind: '" + bind + "' } }"));
    ObjectTable with = table;
    with.Put(entry);
    Violations violations;
    TableRules(with).Check(*entry, "", violations);
    return violations.size();
  };
  EXPECT_EQ(judge("127.0.0.1:53"), 1u);
  EXPECT_EQ(judge("127.0.0.1:54"), 0u);
}

}  // namespace
}  // namespace culvert::server
