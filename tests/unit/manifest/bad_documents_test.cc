// Every fault names file, line and path. A row is a document and the first line of the error it must get.
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

struct Row {
  std::string_view name;
  std::string text;
  std::string_view expected;  // the first line, whole
};

// A listener whose spec goes on with `lines`; the first of them is line 6.
std::string Spec(std::string_view lines) {
  return "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec:\n  transport: KCP\n" + std::string(lines);
}
std::string Dialer(std::string_view lines) {
  return "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: a}\nspec:\n  transport: KCP\n" + std::string(lines);
}
std::string Forward(std::string_view lines) {
  return "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: a}\nspec:\n  listener: x\n" + std::string(lines);
}
// `lines` begin on line 3, in the metadata; a spec follows.
std::string Metadata(std::string_view lines) {
  return "apiVersion: culvert/v1\nkind: Listener\n" + std::string(lines) + "spec: {transport: TCP}\n";
}
constexpr std::string_view kGood =
    "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec: {transport: TCP}\n";

std::string Replace(std::string_view text, std::string_view from, std::string_view to) {
  std::string out(text);
  return out.replace(out.find(from), from.size(), to);
}

std::string Repeat(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

const Row kRows[] = {
    // What a document is.
    {"ScalarDocument", "hello\n", "f.yaml:1: a document must be a mapping with apiVersion, kind, metadata and spec"},
    {"ListDocument", "- a\n", "f.yaml:1: a document must be a mapping with apiVersion, kind, metadata and spec"},
    {"NoVersion", "kind: Listener\nmetadata: {name: a}\nspec: {}\n", "f.yaml:1: apiVersion: required: culvert/v1"},
    {"EmptyVersion", "apiVersion:\nkind: Listener\n", "f.yaml:1: apiVersion: required: culvert/v1"},
    {"OldVersion", "apiVersion: culvert/v0\nkind: Listener\n",
     "f.yaml:1: apiVersion: \"culvert/v0\" is not culvert/v1"},
    {"KubernetesVersion", "kind: Pod\napiVersion: v1\n", "f.yaml:2: apiVersion: \"v1\" is not culvert/v1"},
    {"NoKind", "apiVersion: culvert/v1\nmetadata: {name: a}\nspec: {}\n",
     "f.yaml:1: kind: required: Listener, Dialer or Forward"},
    {"KindIsList", "apiVersion: culvert/v1\nkind: [Listener]\n",
     "f.yaml:2: kind: required: Listener, Dialer or Forward"},
    {"LowerCaseKind", "apiVersion: culvert/v1\nkind: listener\n",
     "f.yaml:2: kind: \"listener\" is not one of Listener, Dialer, Forward (did you mean Listener?)"},
    {"MisspeltKind", "apiVersion: culvert/v1\nkind: Dialler\n",
     "f.yaml:2: kind: \"Dialler\" is not one of Listener, Dialer, Forward (did you mean Dialer?)"},
    {"PluralKind", "apiVersion: culvert/v1\nkind: Forwards\n",
     "f.yaml:2: kind: \"Forwards\" is not one of Listener, Dialer, Forward (did you mean Forward?)"},
    {"ForeignKind", "apiVersion: culvert/v1\nkind: Deployment\n",
     "f.yaml:2: kind: \"Deployment\" is not one of Listener, Dialer, Forward"},
    {"UnknownTopKey", std::string(kGood) + "specs: {}\n", "f.yaml:5: specs: unknown field (did you mean spec?)"},
    {"KindTwice", "apiVersion: culvert/v1\nkind: Listener\nkind: Dialer\nmetadata: {name: a}\nspec: {transport: TCP}\n",
     "f.yaml:3: kind: stands twice, first on line 2"},
    {"VersionInBothSpellings", "apiVersion: culvert/v1\napi_version: culvert/v1\nkind: Listener\n",
     "f.yaml:2: apiVersion: stands twice, first on line 1"},
    {"SpecTwice", std::string(kGood) + "spec: {transport: KCP}\n", "f.yaml:5: spec: stands twice, first on line 4"},
    {"StatusTwice", std::string(kGood) + "status: {}\nstatus: {}\n", "f.yaml:6: status: stands twice, first on line 5"},
    {"TopKeyNotText", "? [a]\n: b\n", "f.yaml:1: a key must be a single word"},
    {"ItemsOutsideList", std::string(kGood) + "items: []\n", "f.yaml:5: items: unknown field"},
    {"ListWithoutItems", "apiVersion: culvert/v1\nkind: List\n", "f.yaml:2: items: a list of objects is wanted"},
    {"ListOfScalars", "apiVersion: culvert/v1\nkind: List\nitems:\n- x\n",
     "f.yaml:4: a document must be a mapping with apiVersion, kind, metadata and spec"},
    {"NoMetadata", "apiVersion: culvert/v1\nkind: Listener\nspec: {transport: TCP}\n", "f.yaml:1: metadata: required"},
    {"NoSpec", "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\n", "f.yaml:1: spec: required"},
    {"EmptySpec", "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec:\n",
     "f.yaml:4: spec: is empty, a mapping is wanted"},
    {"SpecIsList", "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec:\n- transport: TCP\n",
     "f.yaml:5: spec: is a list, a mapping is wanted"},
    {"SpecIsText", "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec: TCP\n",
     "f.yaml:4: spec: is a single value, a mapping is wanted"},
    {"SecondDocument", std::string(kGood) + "---\n" + "apiVersion: culvert/v1\nkind: Nope\n",
     "f.yaml:7: kind: \"Nope\" is not one of Listener, Dialer, Forward"},
    {"NameTwice", std::string(kGood) + "---\n" + std::string(kGood),
     "f.yaml:8: metadata.name: listener/a stands at f.yaml:3 already"},
    {"HostileNameTwice", Replace(kGood, "a}", "\"a\\nf.yaml:1: all is well\"}") + "---\n" + Replace(kGood, "a}", "\"a\\nf.yaml:1: all is well\"}"),
     "f.yaml:8: metadata.name: listener/a\\x0af.yaml:1: all is well stands at f.yaml:3 already"},

    // Metadata.
    {"NoName", Metadata("metadata: {labels: {a: b}}\n"), "f.yaml:3: metadata.name: required"},
    {"MetadataIsText", Metadata("metadata: a\n"), "f.yaml:3: metadata: is a single value, a mapping is wanted"},
    {"EmptyName", Metadata("metadata:\n  name:\n"),
     "f.yaml:4: metadata.name: has no value (leave the field out, or write \"\" for an empty text)"},
    {"NameIsMapping", Metadata("metadata:\n  name: {a: b}\n"),
     "f.yaml:4: metadata.name: is a mapping, a single value is wanted"},
    {"UnknownMetadata", Metadata("metadata:\n  name: a\n  label: {}\n"),
     "f.yaml:5: metadata.label: unknown field (did you mean labels?)"},
    {"Namespace", Metadata("metadata:\n  name: a\n  namespace: b\n"),
     "f.yaml:5: metadata.namespace: unknown field (did you mean name?)"},
    {"NameAgain", Metadata("metadata:\n  name: a\n  name: b\n"),
     "f.yaml:5: metadata.name: stands twice, first on line 4"},
    {"LabelsAreList", Metadata("metadata:\n  name: a\n  labels: [x]\n"),
     "f.yaml:5: metadata.labels: is a list, a mapping is wanted"},
    {"LabelsAreText", Metadata("metadata:\n  name: a\n  labels: x\n"),
     "f.yaml:5: metadata.labels: is a single value, a mapping is wanted"},
    {"LabelIsList", Metadata("metadata:\n  name: a\n  labels:\n    tier: [x]\n"),
     "f.yaml:6: metadata.labels[\"tier\"]: is a list, a text is wanted"},
    {"LabelIsEmpty", Metadata("metadata:\n  name: a\n  labels:\n    tier:\n"),
     "f.yaml:6: metadata.labels[\"tier\"]: is empty, a text is wanted"},
    {"LabelTwice", Metadata("metadata:\n  name: a\n  labels:\n    tier: x\n    tier: y\n"),
     "f.yaml:7: metadata.labels[\"tier\"]: stands twice, first on line 6"},
    {"LabelKeyIsMapping", Metadata("metadata:\n  name: a\n  labels:\n    ? {x: y}\n    : z\n"),
     "f.yaml:6: metadata.labels: a key must be a single word"},
    {"GenerationTwice", Metadata("metadata:\n  name: a\n  generation: 1\n  generation: 2\n"),
     "f.yaml:6: metadata.generation: stands twice, first on line 5"},

    // Fields of a spec.
    {"UnknownField", Spec("  binds: x\n"), "f.yaml:6: spec.binds: unknown field (did you mean bind?)"},
    {"UnknownNested", Spec("  kcp:\n    mtu: 1350\n"),
     "f.yaml:7: spec.kcp.mtu: unknown field (did you mean mtu_bytes?)"},
    {"UnknownCamel", Spec("  kcp:\n    mtuByte: 1350\n"),
     "f.yaml:7: spec.kcp.mtuByte: unknown field (did you mean mtu_bytes?)"},
    {"FieldOfAnotherKind", Spec("  targets: [\"a:1\"]\n"), "f.yaml:6: spec.targets: unknown field"},
    {"UnknownBlock", Spec("  wire: {}\n"), "f.yaml:6: spec.wire: unknown field"},
    {"UnknownFieldOfQuic", Spec("  quic:\n    outer: {securty: NONE}\n"),
     "f.yaml:7: spec.quic.outer.securty: unknown field (did you mean security?)"},
    {"UnknownOuterSecurity", Spec("  quic:\n    outer: {security: aes-128-cgm}\n"),
     "f.yaml:7: spec.quic.outer.security: \"aes-128-cgm\" is not one of NONE, AES_128_GCM, CHACHA20_POLY1305 "
     "(did you mean AES_128_GCM?)"},
    {"MergeKey", Spec("  <<: {bind: x}\n"), "f.yaml:6: spec.<<: unknown field"},
    {"BothSpellings", Spec("  max_sessions: 1\n  maxSessions: 2\n"),
     "f.yaml:7: spec.max_sessions: stands twice, first on line 6"},
    {"FieldTwiceApart", Spec("  bind: a\n  paused: true\n  bind: b\n"),
     "f.yaml:8: spec.bind: stands twice, first on line 6"},
    {"NestedTwice", Spec("  kcp:\n    header: SRTP\n    header: UTP\n"),
     "f.yaml:8: spec.kcp.header: stands twice, first on line 7"},
    {"BlockIsText", Spec("  kcp: yes\n"), "f.yaml:6: spec.kcp: is a single value, a mapping is wanted"},
    {"BlockIsEmpty", Spec("  kcp:\n"), "f.yaml:6: spec.kcp: is empty, a mapping is wanted"},
    {"BlockIsList", Spec("  socket: []\n"), "f.yaml:6: spec.socket: is a list, a mapping is wanted"},
    {"TextIsList", Spec("  bind: [a]\n"), "f.yaml:6: spec.bind: is a list, a single value is wanted"},
    {"TextIsMapping", Spec("  bind: {port: 5432}\n"), "f.yaml:6: spec.bind: is a mapping, a single value is wanted"},
    {"TextIsEmpty", Spec("  bind:\n"),
     "f.yaml:6: spec.bind: has no value (leave the field out, or write \"\" for an empty text)"},
    {"TextIsTilde", Spec("  bind: ~\n"),
     "f.yaml:6: spec.bind: has no value (leave the field out, or write \"\" for an empty text)"},
    {"KeyIsList", Spec("  ? [a]\n  : b\n"), "f.yaml:6: spec: a key must be a single word"},
    {"ListIsText", Dialer("  targets: a:1\n"), "f.yaml:6: spec.targets: is a single value, a list is wanted"},
    {"ListIsMapping", Dialer("  targets: {a: 1}\n"), "f.yaml:6: spec.targets: is a mapping, a list is wanted"},
    {"ListElement", Dialer("  targets:\n  - a:1\n  - [b]\n"),
     "f.yaml:8: spec.targets[1]: is a list, a single value is wanted"},
    {"ListElementEmpty", Dialer("  targets: [a, , ]\n"),
     "f.yaml:6: spec.targets[1]: has no value (leave the field out, or write \"\" for an empty text)"},
    {"Tagged", Spec("  bind: !env BIND\n"), "f.yaml:6: spec.bind: YAML tags are not supported here"},

    // Enumerations.
    {"EnumUnknown", Spec("  stream_header: RAW\n"), "f.yaml:6: spec.stream_header: \"RAW\" is not one of NONE, CULVERT"},
    {"EnumMisspelt", Spec("  kcp:\n    header: SRPT\n"),
     "f.yaml:7: spec.kcp.header: \"SRPT\" is not one of NONE, SRTP, UTP, WECHAT_VIDEO, DTLS, WIREGUARD (did you mean "
     "SRTP?)"},
    {"EnumLowerCase", Spec("  kcp:\n    profile: v2ray\n"),
     "f.yaml:7: spec.kcp.profile: \"v2ray\" is not one of V2RAY, XRAY (did you mean V2RAY?)"},
    {"EnumUnspecified", Spec("  kcp:\n    congestion_control: UNSPECIFIED\n"),
     "f.yaml:7: spec.kcp.congestion_control: \"UNSPECIFIED\" is not one of BBR, CUBIC, FIXED_RATE"},
    {"EnumNumber", Spec("  kcp:\n    congestion_control: 1\n"),
     "f.yaml:7: spec.kcp.congestion_control: \"1\" is not one of BBR, CUBIC, FIXED_RATE"},
    {"EnumIsBool", "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec:\n  transport: true\n",
     "f.yaml:5: spec.transport: \"true\" is not one of TCP, UDP, KCP, QUIC"},
    {"EnumOfAnother", Spec("  protocol: HTTP\n"),
     "f.yaml:6: spec.protocol: \"HTTP\" is not one of RAW, SOCKS5, HTTP_CONNECT (did you mean HTTP_CONNECT?)"},

    // Booleans: only true and false, so that a text never turns into one.
    {"BoolYes", Spec("  insecure: yes\n"), "f.yaml:6: spec.insecure: \"yes\" is not true or false"},
    {"BoolCapital", Spec("  insecure: True\n"), "f.yaml:6: spec.insecure: \"True\" is not true or false"},
    {"BoolQuoted", Spec("  insecure: \"true\"\n"),
     "f.yaml:6: spec.insecure: \"true\" is not true or false (leave the quotes out)"},
    {"BoolNumber", Spec("  paused: 1\n"), "f.yaml:6: spec.paused: \"1\" is not true or false"},
    {"BoolEmpty", Spec("  paused:\n"),
     "f.yaml:6: spec.paused: has no value (leave the field out, or write \"\" for an empty text)"},

    // Integers.
    {"IntText", Spec("  max_sessions: many\n"), "f.yaml:6: spec.max_sessions: \"many\" is not a whole number"},
    {"IntQuoted", Spec("  max_sessions: \"10\"\n"),
     "f.yaml:6: spec.max_sessions: \"10\" is a text, a number is wanted (leave the quotes out)"},
    {"IntFraction", Spec("  max_sessions: 1.5\n"), "f.yaml:6: spec.max_sessions: \"1.5\" is not a whole number"},
    {"IntNegative", Spec("  max_sessions: -1\n"), "f.yaml:6: spec.max_sessions: -1 is not in [0, 4294967295]"},
    {"IntTooLarge", Spec("  max_sessions: 4294967296\n"),
     "f.yaml:6: spec.max_sessions: 4294967296 is not in [0, 4294967295]"},
    {"IntBeyond64Bits", Spec("  max_sessions: 99999999999999999999\n"),
     "f.yaml:6: spec.max_sessions: \"99999999999999999999\" is not a whole number"},
    {"IntOctal", Spec("  max_sessions: 010\n"), "f.yaml:6: spec.max_sessions: \"010\" is not a whole number"},
    {"IntSuffixWithoutBytes", Spec("  max_sessions: 10Ki\n"),
     "f.yaml:6: spec.max_sessions: \"10Ki\" is not a whole number"},
    {"BytesUnknownSuffix", Spec("  socket:\n    send_buffer_bytes: 10MB\n"),
     "f.yaml:7: spec.socket.send_buffer_bytes: \"10MB\" is not a whole number of bytes, e.g. 65536 or 64Ki"},
    {"BytesOverflow", Spec("  socket:\n    send_buffer_bytes: 18446744073709551615Ki\n"),
     "f.yaml:7: spec.socket.send_buffer_bytes: \"18446744073709551615Ki\" is not a whole number of bytes, e.g. 65536 "
     "or 64Ki"},
    {"BytesSuffixAlone", Spec("  socket:\n    send_buffer_bytes: Ki\n"),
     "f.yaml:7: spec.socket.send_buffer_bytes: \"Ki\" is not a whole number of bytes, e.g. 65536 or 64Ki"},
    {"IntIsList", Spec("  max_sessions: [1]\n"), "f.yaml:6: spec.max_sessions: is a list, a single value is wanted"},
    {"HexAlone", Spec("  socket:\n    mark: 0x\n"), "f.yaml:7: spec.socket.mark: \"0x\" is not a whole number"},

    // Durations.
    {"DurationWithoutUnit", Dialer("  dial_timeout: 10\n"),
     "f.yaml:6: spec.dial_timeout: \"10\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
    {"DurationUnknownUnit", Dialer("  dial_timeout: 10sec\n"),
     "f.yaml:6: spec.dial_timeout: \"10sec\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
    {"DurationNegative", Forward("  tcp_idle_timeout: -1s\n"),
     "f.yaml:6: spec.tcp_idle_timeout: \"-1s\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h"},
    {"DurationIsMapping", Forward("  tcp_idle_timeout: {seconds: 1}\n"),
     "f.yaml:6: spec.tcp_idle_timeout: is a mapping, a single value is wanted"},
    {"DurationTooLong", Forward("  tcp_idle_timeout: 999999999999h\n"),
     "f.yaml:6: spec.tcp_idle_timeout: \"999999999999h\" is not a duration: it is too long"},

    // YAML itself.
    {"UnclosedFlow", "apiVersion: culvert/v1\nmetadata: {name: a\n", "f.yaml:2: YAML: end of map flow not found"},
    {"TabIndent", "apiVersion: culvert/v1\nspec:\n\tbind: a\n", "f.yaml:3: YAML: a tab cannot indent, use spaces"},
    {"UnknownAlias", Spec("  bind: *nowhere\n"),
     "f.yaml:6: YAML: the referenced anchor is not defined (a text that begins with * needs quotes)"},
    {"BadEscape", Spec("  bind: \"\\q\"\n"), "f.yaml:6: YAML: unknown escape character"},
    {"MapInPlainText", Spec("  bind: a: b\n"), "f.yaml:6: YAML: illegal map value"},
    {"StrayBrace", std::string(kGood) + "---\n}\n", "f.yaml:6: YAML: illegal flow end"},
    {"StrayComma", ",", "f.yaml:1: YAML: unexpected text"},
    {"StrayBracket", "]", "f.yaml:1: YAML: illegal flow end"},
    {"UnclosedQuote", Spec("  bind: \"abc\n"), "f.yaml:6: YAML: illegal document indicator in scalar"},
    {"AliasOfItself", "&a [*a ]\n", "f.yaml:1: YAML: an alias stands inside what it names"},
    {"ControlCharacter", Spec("  bind: a\x04\n"), "f.yaml:6: control character 0x04"},
    {"Nul", std::string(kGood) + std::string(1, '\0'), "f.yaml:5: control character 0x00"},
    {"Latin1", Spec("  bind: caf\xe9\n"), "f.yaml:6: not UTF-8 text"},
    {"Utf16", std::string("\xff\xfe\x61\x00", 4), "f.yaml:1: not UTF-8 text"},
    {"DeepFlow", Repeat("[", 3000) + "\n", "f.yaml:1: YAML: nested too deep"},
    {"DeepLists",
     "apiVersion: culvert/v1\nkind: List\nitems: [{apiVersion: culvert/v1, kind: List, items: [" + Repeat("[", 70) +
         Repeat("]", 70) + "]}]\n",
     "f.yaml:3: a document must be a mapping with apiVersion, kind, metadata and spec"},
};

class BadDocument : public testing::TestWithParam<Row> {};

TEST_P(BadDocument, NamesFileLineAndPath) {
  const auto parsed = Parse(GetParam().text, "f.yaml", "/base");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(parsed.status().message());
  EXPECT_EQ(message.substr(0, message.find('\n')), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Rows, BadDocument, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(BadDocuments, AreMoreThanEighty) { EXPECT_GE(std::size(kRows), 80u); }

TEST(BadDocuments, AllFaultsOfATextAreListedUpToTwenty) {
  std::string text = Spec("");
  for (int i = 0; i < 30; ++i) text += "  nonsense" + std::to_string(i) + ": x\n";
  const auto parsed = Parse(text, "f.yaml", "");
  ASSERT_FALSE(parsed.ok());
  const std::string message(parsed.status().message());
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 19);
  EXPECT_NE(message.find("f.yaml:6: spec.nonsense0"), std::string::npos);
  EXPECT_NE(message.find("f.yaml:25: spec.nonsense19"), std::string::npos);
}

TEST(BadDocuments, FaultsOfSeveralDocumentsAreListedTogether) {
  const auto parsed = Parse(Spec("  a1: x\n") + "---\n" + Spec("  b1: x\n"), "f.yaml", "");
  ASSERT_FALSE(parsed.ok());
  const std::string message(parsed.status().message());
  EXPECT_NE(message.find("f.yaml:6: spec.a1"), std::string::npos);
  EXPECT_NE(message.find("f.yaml:13: spec.b1"), std::string::npos);
}

// A seed may stand in the wrong place or shape; no message repeats it.
TEST(BadDocuments, NeverShowASeed) {
  for (const std::string& text : {
           Spec("  kcp:\n    seed: [hunter2]\n"),
           Spec("  kcp:\n    seed: {hunter2: x}\n"),
           Spec("  kcp:\n    seed: !x hunter2\n"),
           Spec("  kcp:\n    seed: *hunter2\n"),
           Spec("  kcp:\n    seed: \"hunter2\n"),
           Spec("  kcp:\n    sede: hunter2\n"),
           Spec("  seed: hunter2\n"),
           Spec("  kcp:\n    seed: hunter2\n    seed: hunter2\n"),
           Spec("  kcp:\n    seed: hunter2: x\n"),
           Spec("  kcp:\n    seed: @hunter2\n"),
           Spec("  kcp:\n    seed: %hunter2\n"),
           Spec("  kcp:\n    seed: `hunter2\n"),
           Spec("  kcp:\n    seed: \"\\hunter2\"\n"),
           Spec("  kcp:\n    seed: &hunter2\n"),
       }) {
    const auto parsed = Parse(text, "f.yaml", "");
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(std::string(parsed.status().message()).find("unter2"), std::string::npos) << parsed.status();
  }
}

TEST(BadDocuments, BillionLaughsEndAtTheBudget) {
  std::string text = "apiVersion: culvert/v1\nkind: List\nitems:\n- &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += "- &a" + std::to_string(i) + " [" + Repeat("*a" + std::to_string(i - 1) + ", ", 9) + "*a" +
            std::to_string(i - 1) + "]\n";
  }
  EXPECT_FALSE(Parse(text, "f.yaml", "").ok());

  // The same through lists of objects, which are walked.
  text = "apiVersion: culvert/v1\nkind: List\nitems:\n- &b0 {apiVersion: culvert/v1, kind: List, items: []}\n";
  for (int i = 1; i < 20; ++i) {
    const std::string alias = "*b" + std::to_string(i - 1);
    text += "- &b" + std::to_string(i) + " {apiVersion: culvert/v1, kind: List, items: [" + Repeat(alias + " , ", 9) +
            alias + " ]}\n";
  }
  const auto parsed = Parse(text, "f.yaml", "");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(std::string(parsed.status().message()).find("aliases stand for more than 100000 values"), std::string::npos)
      << parsed.status();
}

TEST(BadDocuments, AnAliasOfItselfEnds) {
  EXPECT_FALSE(Parse("&a {apiVersion: culvert/v1, kind: List, items: [*a ]}\n", "f.yaml", "").ok());
}

TEST(BadDocuments, TooLargeATextIsRefused) {
  const auto parsed = Parse(std::string((4 << 20) + 1, '#'), "f.yaml", "");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(std::string(parsed.status().message()), "f.yaml: larger than 4 MiB");
}

TEST(BadDocuments, TooManyObjectsAreRefused) {
  std::string text;
  for (int i = 0; i < 10'001; ++i) {
    text += "--- {apiVersion: culvert/v1, kind: Forward, metadata: {name: f" + std::to_string(i) +
            "}, spec: {listener: l}}\n";
  }
  const auto parsed = Parse(text, "f.yaml", "");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(std::string(parsed.status().message()).find("more than 10000 objects"), std::string::npos)
      << parsed.status();
}

}  // namespace
}  // namespace culvert::manifest
