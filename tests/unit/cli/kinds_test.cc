#include "cli/kinds.h"

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
}

TEST(ParseReferences, SaysWhatIsWrong) {
  EXPECT_EQ(Parsed({}), "a kind is wanted: listeners, dialers, forwards, sessions");
  EXPECT_EQ(Parsed({"listner"}), "unknown kind \"listner\" (did you mean listeners?)");
  EXPECT_EQ(Parsed({"pods"}), "unknown kind \"pods\" (listeners, dialers, forwards, sessions)");
  EXPECT_EQ(Parsed({"fwd/"}), "\"fwd/\" is not KIND/NAME");
  EXPECT_EQ(Parsed({"fwd/a", "b"}), "\"b\" is not KIND/NAME");
  EXPECT_EQ(Parsed({"fwd", "a/b"}), "\"a/b\" is not a name");
  EXPECT_EQ(Parsed({"lsn,dl", "a"}), "names go with one kind; write KIND/NAME for several");
}

}  // namespace
}  // namespace culvert::cli
