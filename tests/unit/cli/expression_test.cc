// -o jsonpath, jmespath and custom-columns on documents, without a daemon.
#include "cli/text/expression.h"

#include "cli/text/json.h"
#include "culvert/v1/forward.pb.h"
#include "culvert/v1/listener.pb.h"
#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

v1::Listener MakeListener(const std::string& name, uint64_t rx_bytes) {
  v1::Listener listener;
  listener.mutable_metadata()->set_name(name);
  (*listener.mutable_metadata()->mutable_labels())["example.com/tier"] = "edge";
  listener.mutable_metadata()->set_generation(4);
  listener.mutable_status()->set_state(v1::STATE_ACTIVE);
  listener.mutable_status()->add_bound_addresses("0.0.0.0:4000");
  listener.mutable_status()->add_bound_addresses("[::]:4000");
  listener.mutable_status()->mutable_counters()->set_rx_bytes(rx_bytes);
  for (const auto& [type, status] : {std::pair{"Ready", v1::Condition::STATUS_TRUE}, {"Bound", v1::Condition::STATUS_FALSE}}) {
    v1::Condition& condition = *listener.mutable_status()->add_conditions();
    condition.set_type(type);
    condition.set_status(status);
  }
  return listener;
}

Document One() {
  const v1::Listener listener = MakeListener("a", 18446744073709551615u);
  return {ObservedToJsonLine(listener), *listener.GetDescriptor()};
}

Document Two() {
  const v1::Listener other = MakeListener("b", 7);
  return Document::List({One(), {ObservedToJsonLine(other), *other.GetDescriptor()}});
}

std::string JsonPathOf(const std::string& text) {
  const auto parsed = ParseJsonPathTemplate(text, Shape::Document({v1::Listener::descriptor()}, false));
  return parsed.ok() ? (*parsed)->Print(One()).value() : std::string(parsed.status().message());
}
std::string ListPathOf(const std::string& text) {
  const auto parsed = ParseJsonPathTemplate(text, Shape::Document({v1::Listener::descriptor(), v1::Forward::descriptor()}, true));
  return parsed.ok() ? (*parsed)->Print(Two()).value() : std::string(parsed.status().message());
}

TEST(JsonPath, FindsWhatKubectlFinds) {
  for (const char* path : {"{.status.boundAddresses[0]}", "$.status.boundAddresses[0]", ".status.boundAddresses[0]", "status.boundAddresses[0]",
                           "{$.status.boundAddresses[0]}", "{@.status.bound_addresses[0]}", "{ .status['boundAddresses'][0] }"}) {
    EXPECT_EQ(JsonPathOf(path), "0.0.0.0:4000\n") << path;
  }
  EXPECT_EQ(JsonPathOf("{.status.boundAddresses[*]}"), "0.0.0.0:4000 [::]:4000\n");
  EXPECT_EQ(JsonPathOf("{.status.boundAddresses}"), "[\"0.0.0.0:4000\",\"[::]:4000\"]\n");
  EXPECT_EQ(JsonPathOf("{.status.boundAddresses[-1:]}"), "[::]:4000\n");
  EXPECT_EQ(JsonPathOf("{.kind}/{.metadata.name} is {.status.state}!"), "Listener/a is STATE_ACTIVE!\n");
  EXPECT_EQ(JsonPathOf("{.status.conditions[?(@.type==\"Bound\")].status}"), "STATUS_FALSE\n");
  EXPECT_EQ(JsonPathOf("{.metadata.labels.example\\.com/tier}"), "edge\n");
  EXPECT_EQ(JsonPathOf("{.metadata.labels['example.com/tier']}"), "edge\n");
  EXPECT_EQ(JsonPathOf("{..type}"), "Ready Bound\n");
  EXPECT_EQ(JsonPathOf("{.metadata.name}{\"\\t}\\n\"}"), "a\t}\n");
  EXPECT_EQ(JsonPathOf("no braces at all {.metadata.name}"), "no braces at all a\n");
  EXPECT_EQ(JsonPathOf("{.metadata.labels.missing}"), "");
}

TEST(JsonPath, GoesThroughLists) {
  EXPECT_EQ(ListPathOf("{.items[*].metadata.name}"), "a b\n");
  EXPECT_EQ(ListPathOf("{range .items[*]}{.metadata.name}={.status.counters.rxBytes}{\"\\n\"}{end}"), "a=18446744073709551615\nb=7\n");
  EXPECT_EQ(ListPathOf("{range .items[*]}{range .status.conditions[*]}{.type},{end};{end}"), "Ready,Bound,;Ready,Bound,;\n");
  EXPECT_EQ(ListPathOf("{.items[?(@.status.counters.rxBytes < 10)].metadata.name}"), "b\n");
  EXPECT_EQ(ListPathOf("{.items[*].spec.destination}"), "");  // a field of a forward
}

TEST(JsonPath, NumbersAreBareAndZerosAreThere) {
  EXPECT_EQ(JsonPathOf("{.metadata.generation}"), "4\n");
  EXPECT_EQ(JsonPathOf("{.status.counters.rxBytes} {.status.counters.txBytes}"), "18446744073709551615 0\n");
}

TEST(JsonPath, SaysWhereItIsWrong) {
  EXPECT_EQ(JsonPathOf("{.status.boundAdresses}"), "character 10: ListenerStatus has no field \"boundAdresses\" (did you mean boundAddresses?)");
  EXPECT_EQ(JsonPathOf(".stauts"), "character 2: Listener has no field \"stauts\" (did you mean status?)");
  EXPECT_EQ(JsonPathOf("{.status"), "character 1: this brace is not closed");
  EXPECT_EQ(JsonPathOf("{.status.boundAddresses[0}"), "character 24: this bracket is not closed");
  EXPECT_EQ(JsonPathOf("{.status..}"), "character 10: a name is expected behind the dots");
  EXPECT_EQ(JsonPathOf("{.status.}"), "character 9: a name is expected behind the dot");
  EXPECT_EQ(JsonPathOf("{.status state}"), "character 9: a blank stands inside a path");
  EXPECT_EQ(JsonPathOf("{.status|x}"), "character 9: \"|\" stands where . or [ is expected");
  EXPECT_EQ(JsonPathOf("a {}"), "character 3: a path is expected between the braces");
  EXPECT_EQ(JsonPathOf("{end}"), "character 1: {end} ends no range");
  EXPECT_EQ(JsonPathOf("x{range .status.conditions[*]}"), "character 2: this range has no {end}");
  EXPECT_EQ(JsonPathOf("{range .status.conditions[*]}{.typ}{end}"), "character 32: Condition has no field \"typ\" (did you mean type?)");
  EXPECT_EQ(ListPathOf("{.metadata.name}"), "character 3: a list has no field \"metadata\": its elements do, under .items[*]");
  EXPECT_EQ(ListPathOf("{.item}"), "character 3: a list has no field \"item\" (apiVersion, kind, items)");
  // What only the evaluator knows.
  const std::string filter = JsonPathOf("{.status.conditions[?(@.type==]}");
  EXPECT_EQ(filter.find("character 3"), 0u) << filter;
}

std::string JmesPathOf(const std::string& text) {
  const auto parsed = ParseJmesPath(text);
  if (!parsed.ok()) return std::string(parsed.status().message());
  const auto printed = (*parsed)->Print(Two());
  return printed.ok() ? *printed : std::string(printed.status().message());
}

TEST(JmesPath, PrintsItsResult) {
  EXPECT_EQ(JmesPathOf("items[0].metadata.name"), "a\n");
  EXPECT_EQ(JmesPathOf("length(items)"), "2\n");
  EXPECT_EQ(JmesPathOf("items[?status.counters.rxBytes < `10`].metadata.name | [0]"), "b\n");
  EXPECT_EQ(JmesPathOf("items[].metadata.generation"), "[\n 4,\n 4\n]\n");
  EXPECT_EQ(JmesPathOf("nothing"), "null\n");
}

TEST(JmesPath, SaysWhereItIsWrong) {
  EXPECT_EQ(JmesPathOf("items[0").find("character "), 0u) << JmesPathOf("items[0");
  EXPECT_EQ(JmesPathOf("").find("character 1: "), 0u) << JmesPathOf("");
  EXPECT_EQ(JmesPathOf("frobnicate(items)").find("character "), 0u) << JmesPathOf("frobnicate(items)");
  EXPECT_FALSE((*ParseJmesPath("abs(kind)"))->Print(One()).ok());
}

std::string RowOf(const std::string& text) {
  const auto parsed = CustomColumns::Parse(text, Shape::Document({v1::Listener::descriptor(), v1::Forward::descriptor()}, false));
  if (!parsed.ok()) return std::string(parsed.status().message());
  std::string out;
  for (const std::string& header : (*parsed)->headers()) out += header + "|";
  for (const std::string& cell : (*parsed)->Row(One())) out += cell + "|";
  return out;
}

TEST(CustomColumns, HaveACellForEachPath) {
  EXPECT_EQ(RowOf("NAME:.metadata.name,VIA:.spec.dialer"), "NAME|VIA|a|<none>|");
  EXPECT_EQ(RowOf("AT:{.status.boundAddresses[*]},RX:status.counters.rxBytes"), "AT|RX|0.0.0.0:4000,[::]:4000|18446744073709551615|");
  EXPECT_EQ(RowOf("A:.status.boundAddresses[0,1],B:.kind"), "A|B|0.0.0.0:4000,[::]:4000|Listener|");
}

TEST(CustomColumns, SayWhereTheyAreWrong) {
  EXPECT_EQ(RowOf("NAME"), "character 1: \"NAME\" is not HEADER:PATH");
  EXPECT_EQ(RowOf("NAME:.metadata.name,"), "character 21: \"\" is not HEADER:PATH");
  EXPECT_EQ(RowOf("NAME:.metadata.name,:.kind"), "character 21: \":.kind\" is not HEADER:PATH");
  EXPECT_EQ(RowOf("A:.kind,NAME:.metadata.nam"), "character 24: Metadata has no field \"nam\" (did you mean name?)");
}

TEST(Expressions, MakeTextsOfDocumentsPrintable) {
  v1::Listener listener = MakeListener("\x1b[2J\n\u202e", 0);
  const Document document(ObservedToJsonLine(listener), *listener.GetDescriptor());
  const auto path = ParseJsonPathTemplate("{.metadata.name}{\"\\n\"}{.metadata}", Shape::Document({v1::Listener::descriptor()}, false));
  const std::string out = (*path)->Print(document).value();
  EXPECT_EQ(out.find("\\x1b[2J\\n\\u202e\n"), 0u) << out;
  EXPECT_EQ(out.find('\x1b'), std::string::npos);
}

TEST(Document, SurvivesWhatAreNoNumbers) {
  // A 64-bit field in JSON is a text; what is none of a number stays what it is.
  const Document document(R"({"metadata":{"generation":"x"}})", *v1::Listener::descriptor());
  const auto path = ParseJsonPathTemplate("{.metadata.generation}", Shape::Document({v1::Listener::descriptor()}, false));
  EXPECT_EQ((*path)->Print(document).value(), "x\n");
}

}  // namespace
}  // namespace culvert::cli
