#include "server/page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "core/crypto/secret.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

constexpr size_t kWordBytes = 8;
constexpr size_t kMaxTokenBytes = 1024;

std::string Word(uint64_t value) {
  std::string bytes(kWordBytes, '\0');
  auto* out = reinterpret_cast<uint8_t*>(bytes.data());
  StoreBigEndian32(out, static_cast<uint32_t>(value >> 32));
  StoreBigEndian32(out + 4, static_cast<uint32_t>(value));
  return bytes;
}

absl::Status Refuse(const char* reason, const char* description) {
  return ErrorBuilder(absl::StatusCode::kInvalidArgument, reason, std::string("page_token: ") + description)
      .Metadata("field", "page_token")
      .Field("page_token", description)
      .Build();
}

}  // namespace

std::string PageTokens::Seal(const std::string& arguments, const std::string& last_key) const {
  const std::string arguments_hash = Word(hash_(AsBytes(arguments)));
  return Word(hash_(AsBytes(arguments_hash + last_key))) + arguments_hash;
}

std::string PageTokens::Make(const std::string& last_key, const std::string& arguments) const {
  return absl::WebSafeBase64Escape(Word(run_id_) + Seal(arguments, last_key) + last_key);
}

absl::StatusOr<std::string> PageTokens::Open(const std::string& token, const std::string& arguments) const {
  if (token.empty()) return std::string();
  std::string bytes;
  if (token.size() > kMaxTokenBytes || !absl::WebSafeBase64Unescape(token, &bytes) || bytes.size() < 3 * kWordBytes) {
    return Refuse("PAGE_TOKEN_INVALID", "is not a token of ours");
  }
  if (bytes.substr(0, kWordBytes) != Word(run_id_)) {
    return Refuse("PAGE_TOKEN_EXPIRED", "is of an earlier run of the daemon: begin again at the first page");
  }
  const std::string last_key = bytes.substr(3 * kWordBytes);
  const std::string seal = bytes.substr(kWordBytes, 2 * kWordBytes);
  if (!ConstantTimeEqual(AsBytes(seal), AsBytes(Seal(arguments, last_key)))) {
    return Refuse("PAGE_TOKEN_INVALID", "is damaged, or belongs to a call with other arguments");
  }
  return last_key;
}

absl::StatusOr<int> PageSize(int32_t requested) {
  if (requested < 0) return InvalidField("page_size", absl::StrFormat("%d is below 0", requested));
  if (requested == 0) return kDefaultPageSize;
  return requested < kMaxPageSize ? requested : kMaxPageSize;
}

}  // namespace culvert::server
