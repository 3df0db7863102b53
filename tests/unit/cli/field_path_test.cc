#include "cli/objects/field_path.h"

#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/listener.pb.h"
#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

std::string Parsed(const std::string& text) {
  const auto path = ParseFieldPath(*v1::Dialer::descriptor(), text);
  return path.ok() ? path->ToString() + " in " + path->Mask() : std::string(path.status().message());
}

TEST(FieldPath, FollowsNamesPlacesAndKeys) {
  EXPECT_EQ(Parsed("spec.kcp.mtuBytes"), "spec.kcp.mtu_bytes in spec.kcp.mtu_bytes");
  EXPECT_EQ(Parsed("spec.targets[2]"), "spec.targets[2] in spec.targets");
  EXPECT_EQ(Parsed("status.targets[0].sessions"), "status.targets[0].sessions in status.targets");
  EXPECT_EQ(Parsed("metadata.labels.app.example.com/tier"), "metadata.labels.app.example.com/tier in metadata.labels");
  EXPECT_EQ(Parsed("metadata.labels[\"a.b\"]"), "metadata.labels.a.b in metadata.labels");
}

TEST(FieldPath, SaysWhatIsWrong) {
  EXPECT_EQ(Parsed(""), "a field is wanted");
  EXPECT_EQ(Parsed("spec.kcp.mtu"), "spec.kcp.mtu: unknown field (did you mean mtu_bytes?)");
  EXPECT_EQ(Parsed("spec..kcp"), "spec.: unknown field");
  EXPECT_EQ(Parsed("spec.insecure.x"), "spec.insecure: has no fields of its own");
  EXPECT_EQ(Parsed("spec.insecure[0]"), "spec.insecure: is no list");
  EXPECT_EQ(Parsed("spec.targets[x]"), "spec.targets: [x] is no place in a list: [0] is the first");
  EXPECT_EQ(Parsed("spec.targets[-1]"), "spec.targets: [-1] is no place in a list: [0] is the first");
  EXPECT_EQ(Parsed("spec.targets[99999999999]"), "spec.targets: [99999999999] is no place in a list: [0] is the first");
  EXPECT_EQ(Parsed("spec.targets[0"), "spec.targets: \"[\" without \"]\"");
  EXPECT_EQ(Parsed("status.targets.sessions"), "status.targets: is a list, name a place in it: [0]");
  EXPECT_EQ(Parsed("metadata.labels."), "metadata.labels: a key is wanted behind it");
  EXPECT_EQ(Parsed(std::string(600, 'a')).find("a path has at most 512 bytes") == std::string::npos, false);
  EXPECT_EQ(Parsed("spec.\x1b[31m"), "spec.\\x1b: unknown field");
}

class Fields : public testing::Test {
 protected:
  std::string Write(const std::string& path, const std::string& text) {
    return std::string(WriteField(dialer_, *ParseFieldPath(*v1::Dialer::descriptor(), path), text, "/base").message());
  }
  std::string Erase(const std::string& path) {
    return std::string(EraseField(dialer_, *ParseFieldPath(*v1::Dialer::descriptor(), path)).message());
  }
  std::string Read(const std::string& path) const {
    return ReadField(dialer_, *ParseFieldPath(*v1::Dialer::descriptor(), path)).value_or("<absent>");
  }
  v1::Dialer dialer_;
};

TEST_F(Fields, AreWrittenAndReadInTheSpellingOfFiles) {
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {"spec.transport", "KCP", "KCP"},
      {"spec.kcp.mtu_bytes", "1350", "1350"},
      {"spec.kcp.tick_interval", "50ms", "50ms"},
      {"spec.kcp.seed_file", "seed", "/base/seed"},
      {"spec.targets", "a:1,b:2", "[a:1, b:2]"},
      {"spec.insecure", "true", "true"},
      {"spec.quic.datagrams", "false", "false"},
      {"spec.tls", "{}", "{}"},
      {"metadata.labels.app", "x", "x"},
      {"metadata.expire_time", "2026-12-01T08:00:00Z", "2026-12-01T08:00:00Z"},
  };
  for (const auto& [path, text, expected] : rows) {
    EXPECT_EQ(Write(path, text), "") << path;
    EXPECT_EQ(Read(path), expected) << path;
  }
  EXPECT_EQ(Read("metadata.labels"), "{app: x}");
  EXPECT_EQ(Read("spec.quic"), "{datagrams: false}");
  EXPECT_EQ(Read("spec.backoff_min"), "<absent>");
  EXPECT_EQ(Read("spec.targets[1]"), "b:2");
  EXPECT_EQ(Read("spec.targets[2]"), "<absent>");
}

TEST_F(Fields, OfListsAndMapsChangeOneByOne) {
  EXPECT_EQ(Write("spec.targets", "a:1,b:2,c:3"), "");
  EXPECT_EQ(Write("spec.targets[1]", "x:9"), "");
  EXPECT_EQ(Write("spec.targets[3]", "d:4"), "");
  EXPECT_EQ(Read("spec.targets"), "[a:1, x:9, c:3, d:4]");
  EXPECT_EQ(Write("spec.targets[7]", "e:5"), "spec.targets[7]: has 4 entries, the next one is [4]");
  EXPECT_EQ(Erase("spec.targets[0]"), "");
  EXPECT_EQ(Read("spec.targets"), "[x:9, c:3, d:4]");
  EXPECT_EQ(Erase("spec.targets[5]"), "spec.targets[5]: there is no such entry");
  EXPECT_EQ(Write("metadata.labels.a", "1"), "");
  EXPECT_EQ(Write("metadata.labels.a", "2"), "");
  EXPECT_EQ(Write("metadata.labels.b", "3"), "");
  EXPECT_EQ(Erase("metadata.labels.b"), "");
  EXPECT_EQ(Erase("metadata.labels.never"), "");
  EXPECT_EQ(Read("metadata.labels"), "{a: 2}");
}

TEST_F(Fields, ThatAreErasedLeaveNothingBehind) {
  EXPECT_EQ(Write("spec.kcp.mtu_bytes", "1350"), "");
  EXPECT_EQ(Erase("spec.kcp"), "");
  EXPECT_FALSE(dialer_.spec().has_kcp());
  EXPECT_EQ(Erase("spec.quic.outer.header"), "");
  EXPECT_FALSE(dialer_.spec().has_quic());  // nothing is made on the way to what is not there
}

TEST_F(Fields, RefuseWrongValues) {
  EXPECT_EQ(Write("spec.transport", "KPC"), "spec.transport: \"KPC\" is not one of TCP, UDP, KCP, QUIC (did you mean KCP?)");
  EXPECT_EQ(Write("spec.kcp", "x"), "spec.kcp: has fields of its own, name one of them");
  EXPECT_EQ(Write("metadata.labels", "x"), "metadata.labels: has keys of its own, name one of them");
  EXPECT_EQ(Write("spec.kcp.mtu_bytes", "much"), "spec.kcp.mtu_bytes: \"much\" is not a whole number of bytes, e.g. 65536 or 64Ki");
}

}  // namespace
}  // namespace culvert::cli
