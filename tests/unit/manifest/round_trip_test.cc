// What ToYaml prints, Parse reads back: the same object, secrets and daemon-set fields aside.
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

v1::Object Full() {
  v1::Object object;
  v1::Listener& listener = *object.mutable_listener();
  listener.mutable_metadata()->set_name("kcp-in");
  (*listener.mutable_metadata()->mutable_labels())["tier"] = "true";
  (*listener.mutable_metadata()->mutable_labels())["a b: c"] = "x\ny\t\"z\" \\ # é \xe2\x80\xae";
  (*listener.mutable_metadata()->mutable_annotations())[""] = "";
  v1::ListenerSpec& spec = *listener.mutable_spec();
  spec.set_transport(v1::TRANSPORT_KCP);
  spec.set_bind("[::]:4000");
  spec.set_insecure(true);
  spec.set_stream_header(v1::STREAM_HEADER_NONE);
  spec.set_max_sessions(7);
  spec.mutable_kcp()->set_seed_file("/etc/culvert/seed");
  spec.mutable_kcp()->set_header(v1::PACKET_HEADER_WECHAT_VIDEO);
  spec.mutable_kcp()->mutable_tick_interval()->set_nanos(20'000'000);
  spec.mutable_kcp()->set_uplink_bytes_per_second(UINT64_MAX);
  spec.mutable_socket();
  spec.mutable_tls()->set_certificate_file("/etc/culvert/tls.crt");
  spec.mutable_tls()->add_alpn("h2");
  return object;
}

TEST(RoundTrip, KeepsEverythingThatAFileMaySay) {
  v1::Object dialer;
  dialer.mutable_dialer()->mutable_metadata()->set_name("d");
  dialer.mutable_dialer()->mutable_spec()->mutable_tls();  // present and empty
  const auto again = Parse(ToYaml(dialer), "f", "");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE((*again)[0].object.dialer().spec().has_tls()) << ToYaml(dialer);
  const v1::Object object = Full();
  const std::string yaml = ToYaml(object);
  const auto parsed = Parse(yaml, "f", "/elsewhere");
  ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << yaml;
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(object, (*parsed)[0].object)) << yaml;
  EXPECT_EQ(ToYaml((*parsed)[0].object), yaml);
}

// An object with a ttl has a time at which it ends, which an export prints.
TEST(RoundTrip, KeepsLeases) {
  v1::Object object;
  v1::Metadata& metadata = *object.mutable_dialer()->mutable_metadata();
  metadata.set_name("d");
  metadata.mutable_ttl()->set_seconds(7200);
  metadata.mutable_expire_time()->set_seconds(4'102'444'800);
  metadata.mutable_expire_time()->set_nanos(120'000'001);
  object.mutable_dialer()->mutable_spec()->set_transport(v1::TRANSPORT_TCP);
  const auto parsed = Parse(ToYaml(object), "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << ToYaml(object);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(object, (*parsed)[0].object)) << ToYaml(object);
}

TEST(RoundTrip, KeepsWhatIsFalseOnPurpose) {
  const std::string text =
      "apiVersion: culvert/v1\nkind: Dialer\nmetadata:\n  name: d\nspec:\n  transport: QUIC\n  targets:\n    - far.example:4433\n"
      "  quic:\n    outer:\n      security: CHACHA20_POLY1305\n      key_file: key\n      header: DTLS\n"
      "    idle_timeout: 20s\n    datagrams: false\n    migration: false\n  backoff_min: 50ms\n";
  const auto parsed = Parse(text, "f", "/etc/culvert");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const v1::Object& object = (*parsed)[0].object;
  const v1::QuicSpec& quic = object.dialer().spec().quic();
  EXPECT_TRUE(quic.has_datagrams() && !quic.datagrams());
  EXPECT_EQ(quic.outer().key_file(), "/etc/culvert/key");
  const auto again = Parse(ToYaml(object), "f", "");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(object, (*again)[0].object)) << ToYaml(object);
}

TEST(RoundTrip, HasAStableForm) {
  v1::Object object;
  v1::Dialer& dialer = *object.mutable_dialer();
  dialer.mutable_metadata()->set_name("site-b");
  dialer.mutable_metadata()->set_uid("u1");
  dialer.mutable_metadata()->set_etag("\"e\"");
  dialer.mutable_metadata()->mutable_create_time()->set_seconds(0);
  dialer.mutable_spec()->set_transport(v1::TRANSPORT_KCP);
  dialer.mutable_spec()->add_targets("site-b.example:4000");
  dialer.mutable_spec()->mutable_kcp()->set_seed("hunter2");
  dialer.mutable_spec()->mutable_dial_timeout()->set_seconds(90);
  dialer.mutable_status()->set_state(v1::STATE_ACTIVE);
  v1::Condition& condition = *dialer.mutable_status()->add_conditions();
  condition.set_type("Ready");
  condition.set_status(v1::Condition::STATUS_TRUE);
  dialer.mutable_status()->add_conditions();
  EXPECT_EQ(ToYaml(object),
            "apiVersion: culvert/v1\n"
            "kind: Dialer\n"
            "metadata:\n"
            "  name: site-b\n"
            "spec:\n"
            "  transport: KCP\n"
            "  targets:\n"
            "    - \"site-b.example:4000\"\n"
            "  kcp: {}\n"
            "  dial_timeout: 1m30s\n");
  const std::string with_status = ToYaml(object, true);
  EXPECT_EQ(with_status,
            "apiVersion: culvert/v1\n"
            "kind: Dialer\n"
            "metadata:\n"
            "  name: site-b\n"
            "  uid: u1\n"
            "  create_time: \"1970-01-01T00:00:00Z\"\n"
            "  etag: \"\\\"e\\\"\"\n"
            "spec:\n"
            "  transport: KCP\n"
            "  targets:\n"
            "    - \"site-b.example:4000\"\n"
            "  kcp: {}\n"
            "  dial_timeout: 1m30s\n"
            "status:\n"
            "  state: ACTIVE\n"
            "  conditions:\n"
            "    - type: Ready\n"
            "      status: \"TRUE\"\n"  // YAML 1.1 would read a boolean

            "    - {}\n");
  // What `get -o yaml` prints can be applied.
  EXPECT_TRUE(Parse(with_status, "f", "").ok());
}

TEST(RoundTrip, SeveralObjectsAreSeveralDocuments) {
  v1::Object other;
  other.mutable_forward()->mutable_metadata()->set_name("pg");
  other.mutable_forward()->mutable_spec()->set_listener("kcp-in");
  const auto parsed = Parse(ToYaml(std::vector<v1::Object>{Full(), other}), "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->size(), 2u);
}

TEST(EmitText, QuotesWhatAReaderCouldMistake) {
  for (const char* plain : {"local-pg", "V2RAY", "/etc/culvert/seed", "a.b_c"}) EXPECT_EQ(EmitText(plain), plain);
  for (const char* quoted :
       {"true", "No", "NULL", "y", "on", "1", "1e3", "-", "127.0.0.1:80", "a b", "*x", "&x", "#", "~", ".5"}) {
    EXPECT_EQ(EmitText(quoted), "\"" + std::string(quoted) + "\"");
  }
  EXPECT_EQ(EmitText(""), "\"\"");
  EXPECT_EQ(EmitText("\x1b[31m"), "\"\\x1b[31m\"");
  EXPECT_EQ(EmitText("\xe2\x80\xae"), "\"\\u202e\"");
}

}  // namespace
}  // namespace culvert::manifest
