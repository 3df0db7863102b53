#include "server/page.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "server/error_builder.h"

namespace culvert::server {
namespace {

std::vector<std::string> Keys(size_t count) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < count; ++i) keys.push_back("key-" + std::to_string(i));
  std::sort(keys.begin(), keys.end());
  return keys;
}

class PageTest : public testing::Test {
 protected:
  absl::StatusOr<PageRange> Find(int32_t size, const std::string& token, const std::string& arguments = "listeners") {
    return FindPage(tokens_, size, token, arguments, keys_.size(), [this](size_t i) -> const std::string& { return keys_[i]; });
  }
  SeededRandom random_{1};
  PageTokens tokens_{random_};
  std::vector<std::string> keys_ = Keys(250);
};

TEST_F(PageTest, WalksAllItemsOnce) {
  std::vector<std::string> seen;
  std::string token;
  do {
    const auto page = Find(33, token);
    ASSERT_TRUE(page.ok());
    for (size_t i = page->begin; i < page->end; ++i) seen.push_back(keys_[i]);
    token = page->next_token;
  } while (!token.empty());
  EXPECT_EQ(seen, keys_);
}

TEST_F(PageTest, GoesOnAfterAKeyThatIsGone) {
  const std::string token = Find(10, "")->next_token;
  const std::string next = keys_[10];
  keys_.erase(keys_.begin() + 9);
  EXPECT_EQ(keys_[Find(10, token)->begin], next);
}

TEST_F(PageTest, SizesAreCoercedAndChecked) {
  EXPECT_EQ(Find(0, "")->end, 100u);
  keys_ = Keys(3000);
  EXPECT_EQ(Find(5000, "")->end, 1000u);
  EXPECT_EQ(ReasonOf(Find(-1, "").status()), "INVALID_FIELD");
}

TEST_F(PageTest, AnExactLastPageHasNoToken) {
  keys_ = Keys(100);
  EXPECT_EQ(Find(100, "")->next_token, "");
}

TEST_F(PageTest, RefusesTokensThatAreNotOurs) {
  for (const char* token : {"x", "!!!", "AAAA", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"}) {
    EXPECT_FALSE(Find(10, token).ok()) << token;
  }
  EXPECT_EQ(ReasonOf(Find(10, std::string(5000, 'A')).status()), "PAGE_TOKEN_INVALID");
}

TEST_F(PageTest, RefusesEveryChangedToken) {
  const std::string token = Find(10, "")->next_token;
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto page = Find(10, changed);
    // The last character may carry bits that mean nothing.
    if (page.ok()) {
      EXPECT_EQ(i, token.size() - 1);
    }
  }
}

TEST_F(PageTest, ATokenBelongsToItsArguments) {
  const std::string token = Find(10, "", "sessions\na\n")->next_token;
  EXPECT_EQ(ReasonOf(Find(10, token, "sessions\nb\n").status()), "PAGE_TOKEN_INVALID");
}

TEST_F(PageTest, ATokenOfAnEarlierRunHasExpired) {
  SeededRandom other_random(2);
  const PageTokens other(other_random);
  EXPECT_EQ(ReasonOf(Find(10, other.Make("key-1", "listeners")).status()), "PAGE_TOKEN_EXPIRED");
}

}  // namespace
}  // namespace culvert::server
