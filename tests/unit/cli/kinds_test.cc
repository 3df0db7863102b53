#include "cli/objects/kinds.h"

#include <tuple>

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

std::string Parsed(const std::vector<std::string>& words) {
  const auto references = ParseReferences(words);
  if (!references.ok()) return std::string(references.status().message());
  std::string out;
  for (const Reference& reference : *references) out += ToString(reference) + " ";
  return out;
}

TEST(ParseReferences, TakesAllForms) {
  EXPECT_EQ(Parsed({"listeners"}), "listener/ ");
  EXPECT_EQ(Parsed({"LSN"}), "listener/ ");
  EXPECT_EQ(Parsed({"dl", "a", "b"}), "dialer/a dialer/b ");
  EXPECT_EQ(Parsed({"fwd/pg", "ses/k3"}), "forward/pg session/k3 ");
  EXPECT_EQ(Parsed({"lsn,fwd"}), "listener/ forward/ ");
  EXPECT_EQ(Parsed({"all"}), "listener/ dialer/ forward/ ");
  EXPECT_EQ(Parsed({"streams,UDP,ev"}), "stream/ udpflow/ event/ ");
  EXPECT_EQ(Parsed({"udpflow", "12"}), "udpflow/12 ");
}

TEST(ParseReferences, TakesNamesOfStreamsBriefOrNot) {
  EXPECT_EQ(Parsed({"str/k3/4"}), "stream/k3/4 ");
  EXPECT_EQ(Parsed({"str", "k3/4", "sessions/k3/streams/5", "k3/streams/6"}), "stream/k3/4 stream/k3/5 stream/k3/6 ");
  EXPECT_EQ(Parsed({"sessions/k3/streams/4", "sessions/k3", "udpFlows/7"}), "stream/k3/4 session/k3 udpflow/7 ");
}

TEST(Names, AreBriefForPeopleAndLongForTheDaemon) {
  const std::tuple<Kind, std::string, std::string> rows[] = {
      {Kind::kStream, "k3/4", "sessions/k3/streams/4"},
      {Kind::kUdpFlow, "12", "udpFlows/12"},
      {Kind::kListener, "a", "a"},
  };
  for (const auto& [kind, brief, resource] : rows) {
    EXPECT_EQ(BriefName(kind, resource), brief);
    EXPECT_EQ(ResourceName({kind, brief}), resource);
  }
  EXPECT_EQ(BriefName(Kind::kSession, "sessions/k3"), "k3");
  // What is of no known form is left alone.
  EXPECT_EQ(BriefName(Kind::kStream, "something"), "something");
  EXPECT_EQ(ResourceName({Kind::kStream, "something"}), "something");
}

TEST(ParseReferences, SaysWhatIsWrong) {
  EXPECT_EQ(Parsed({}), "a kind is wanted: listeners, dialers, forwards, sessions, streams, udpflows, events");
  EXPECT_EQ(Parsed({"listner"}), "unknown kind \"listner\" (did you mean listeners?)");
  EXPECT_EQ(Parsed({"pods"}), "unknown kind \"pods\" (listeners, dialers, forwards, sessions, streams, udpflows, events)");
  EXPECT_EQ(Parsed({"fwd/"}), "\"fwd/\" is not KIND/NAME");
  EXPECT_EQ(Parsed({"fwd/a", "b"}), "\"b\" is not KIND/NAME");
  EXPECT_EQ(Parsed({"fwd", "a/b"}), "\"a/b\" is not a name");
  EXPECT_EQ(Parsed({"lsn,dl", "a"}), "names go with one kind; write KIND/NAME for several");
}

}  // namespace
}  // namespace culvert::cli
