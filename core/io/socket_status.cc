#include "core/io/socket_status.h"

#include <cctype>
#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace culvert::io {
namespace {

struct Meaning {
  absl::StatusCode code;
  const char* reason;  // nullptr: none
};

Meaning MeaningOf(int error_number) {
  switch (error_number) {
    case EADDRINUSE:
      return {absl::StatusCode::kFailedPrecondition, "ADDRESS_IN_USE"};
    case EACCES:
    case EPERM:
      return {absl::StatusCode::kFailedPrecondition, "BIND_NOT_PERMITTED"};
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return {absl::StatusCode::kFailedPrecondition, "ADDRESS_NOT_AVAILABLE"};
    case ENODEV:
      return {absl::StatusCode::kFailedPrecondition, "INTERFACE_NOT_FOUND"};
    case ECONNREFUSED:
      return {absl::StatusCode::kUnavailable, "CONNECT_REFUSED"};
    case ETIMEDOUT:
      return {absl::StatusCode::kUnavailable, "CONNECT_TIMEOUT"};
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return {absl::StatusCode::kUnavailable, "UNREACHABLE"};
    case EMFILE:
    case ENFILE:
      return {absl::StatusCode::kResourceExhausted, "TOO_MANY_FILES"};
    case ENOBUFS:
    case ENOMEM:
      return {absl::StatusCode::kResourceExhausted, nullptr};
    default:
      return {absl::StatusCode::kInternal, nullptr};
  }
}

}  // namespace

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

std::string ErrorText(int error_number) {
  std::string text = std::generic_category().message(error_number);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

absl::Status SocketStatus(const std::string& action, int error_number) {
  const Meaning meaning = MeaningOf(error_number);
  absl::Status status(meaning.code, absl::StrCat(action, ": ", ErrorText(error_number)));
  if (meaning.reason != nullptr) status.SetPayload(kReasonPayload, absl::Cord(meaning.reason));
  return status;
}

}  // namespace culvert::io
