#include "core/frontdoor/users.h"

#include <gtest/gtest.h>

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;

std::shared_ptr<const UserTable> Users(std::string_view text, uint64_t seed = 1) {
  SeededRandom random(seed);
  auto users = UserTable::Parse(text, random);
  EXPECT_TRUE(users.ok()) << users.status();
  return *users;
}

std::string ErrorOf(std::string_view text) {
  SeededRandom random(1);
  const auto users = UserTable::Parse(text, random);
  if (users.ok()) return "";
  EXPECT_EQ(users.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(users.status().message());
}

TEST(UserTable, AdmitsWhoIsInIt) {
  const auto users = Users("# people\nann:secret\r\n\nbob:with:colon \n#carl:x\nd\u00fc:p\u00e4");
  EXPECT_EQ(users->size(), 3u);
  EXPECT_TRUE(users->Admits("ann", "secret"));
  EXPECT_TRUE(users->Admits("bob", "with:colon "));
  EXPECT_TRUE(users->Admits("d\u00fc", "p\u00e4"));
  EXPECT_FALSE(users->Admits("ann", "Secret"));
  EXPECT_FALSE(users->Admits("ann", "secret\r"));
  EXPECT_FALSE(users->Admits("ann", "secre"));
  EXPECT_FALSE(users->Admits("ann", ""));
  EXPECT_FALSE(users->Admits("", "secret"));
  EXPECT_FALSE(users->Admits("", ""));
  EXPECT_FALSE(users->Admits("Ann", "secret"));
  EXPECT_FALSE(users->Admits("anns", "ecret"));
  EXPECT_FALSE(users->Admits("an", "nsecret"));
  EXPECT_FALSE(users->Admits("#carl", "x"));
  EXPECT_FALSE(users->Admits("nobody", "secret"));
  EXPECT_FALSE(users->Admits("ann", std::string(300, 's')));
  EXPECT_FALSE(users->Admits(std::string(300, 'n'), "s"));
}

TEST(UserTable, TakesTheLongestNamesAndPasswords) {
  const std::string name(255, 'n');
  const std::string password(255, 'p');
  const auto users = Users(name + ":" + password);
  EXPECT_TRUE(users->Admits(name, password));
  EXPECT_FALSE(users->Admits(name, password.substr(1)));
  EXPECT_EQ(ErrorOf(name + "n:p"), "line 1: a name has 1 to 255 bytes");
  EXPECT_EQ(ErrorOf("n:" + password + "p"), "line 1: a password has 1 to 255 bytes");
}

TEST(UserTable, AnEmptyTextAdmitsNobody) {
  EXPECT_EQ(Users("")->size(), 0u);
  EXPECT_FALSE(Users("\n# only this\n")->Admits("a", "b"));
}

TEST(UserTable, ErrorsNameTheLineAndNoPassword) {
  EXPECT_EQ(ErrorOf("ann:x\n\n# y\nsecret\n"), "line 4: is not NAME:PASSWORD");
  EXPECT_EQ(ErrorOf(":secret"), "line 1: a name has 1 to 255 bytes");
  EXPECT_EQ(ErrorOf("ann:"), "line 1: a password has 1 to 255 bytes");
  EXPECT_EQ(ErrorOf("ann:\r\n"), "line 1: a password has 1 to 255 bytes");
  EXPECT_EQ(ErrorOf("ann:x\nbob:y\nann:secret"), "line 3: this name has a password already");
  EXPECT_EQ(ErrorOf("ann:sec\tret"), "line 1: is not UTF-8 without control characters");
  EXPECT_EQ(ErrorOf("ann:sec\0ret"s), "line 1: is not UTF-8 without control characters");
  EXPECT_EQ(ErrorOf("\xff:secret"), "line 1: is not UTF-8 without control characters");
}

TEST(UserTable, HasABound) {
  std::string text;
  for (size_t i = 0; i < UserTable::kMaxUsers; ++i) text += "user" + std::to_string(i) + ":x\n";
  EXPECT_EQ(Users(text)->size(), UserTable::kMaxUsers);
  EXPECT_EQ(ErrorOf(text + "one-more:x"), "line 10001: more than 10000 users");
}

TEST(UserTable, TheFingerprintTellsWhetherTheFileChanged) {
  const uint64_t print = Users("ann:x\nbob:y", 1)->fingerprint();
  EXPECT_EQ(Users("ann:x\nbob:y", 2)->fingerprint(), print) << "other salts";
  EXPECT_EQ(Users("# moved\nbob:y\r\nann:x\n", 3)->fingerprint(), print);
  EXPECT_NE(Users("ann:x\nbob:z")->fingerprint(), print);
  EXPECT_NE(Users("ann:x\nbo:by")->fingerprint(), print);
  EXPECT_NE(Users("ann:y\nbob:x")->fingerprint(), print);
  EXPECT_NE(Users("ann:x")->fingerprint(), print);
}

}  // namespace
}  // namespace culvert::frontdoor
