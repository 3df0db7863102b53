// Pages of sorted lists. A token names the last key of the page before and the arguments it belongs to, sealed with a key of
// this run: it cannot be made up, changed, or used with other arguments.
// Form: base64url of run id (8 bytes), seal (8), hash of the arguments (8), last key.
// Thread: immutable after construction; may be shared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/random.h"
#include "core/crypto/keyed_hash.h"

namespace culvert::server {

inline constexpr int kDefaultPageSize = 100;
inline constexpr int kMaxPageSize = 1000;

class PageTokens {
 public:
  explicit PageTokens(RandomSource& random) : hash_(random), run_id_(random.NextU64()) {}

  // `arguments`: the method and its filters, in any unambiguous form.
  std::string Make(const std::string& last_key, const std::string& arguments) const;
  // The last key; empty for an empty token. Errors: INVALID_ARGUMENT with PAGE_TOKEN_INVALID, or PAGE_TOKEN_EXPIRED for a
  // token of an earlier run.
  absl::StatusOr<std::string> Open(const std::string& token, const std::string& arguments) const;

 private:
  std::string Seal(const std::string& arguments, const std::string& last_key) const;

  const KeyedHash hash_;
  const uint64_t run_id_;
};

// The size a page gets: 0 is the default, more than the most is the most. Errors: INVALID_ARGUMENT below 0.
absl::StatusOr<int> PageSize(int32_t requested);

// Which of `count` sorted items make up a page.
struct PageRange {
  size_t begin = 0;
  size_t end = 0;
  std::string next_token;  // empty: the last page
};
// `key_of(i)` is the key of item i; keys rise.
template <typename KeyOf>
absl::StatusOr<PageRange> FindPage(const PageTokens& tokens, int32_t page_size, const std::string& token,
                                   const std::string& arguments, size_t count, const KeyOf& key_of) {
  const absl::StatusOr<int> size = PageSize(page_size);
  if (!size.ok()) return size.status();
  const absl::StatusOr<std::string> after = tokens.Open(token, arguments);
  if (!after.ok()) return after.status();
  PageRange range;
  if (!token.empty()) {
    const auto indices = std::views::iota(size_t{0}, count);
    range.begin = static_cast<size_t>(std::ranges::partition_point(indices, [&](size_t i) { return key_of(i) <= *after; }) - indices.begin());
  }
  range.end = range.begin + static_cast<size_t>(*size) < count ? range.begin + static_cast<size_t>(*size) : count;
  if (range.end < count) range.next_token = tokens.Make(key_of(range.end - 1), arguments);
  return range;
}

}  // namespace culvert::server
