#include "core/tls/failure_text.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "absl/strings/str_format.h"
#include "core/tls/boringssl_types.h"
#include "core/tls/certificate_info.h"

namespace culvert::tls {
namespace {

struct NamedAlert {
  uint8_t number;
  std::string_view name;
};
constexpr NamedAlert kAlerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {22, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
};

constexpr const char* kDamaged = "a TLS record was damaged or forged on its way";

// What happens in practice, in better words than BoringSSL's constants.
struct KnownReason {
  int reason;
  std::string_view text;
};
constexpr KnownReason kReasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "what the peer sent is not TLS"},
    {SSL_R_HTTP_REQUEST, "what the peer sent is not TLS but an HTTP request"},
    {SSL_R_HTTPS_PROXY_REQUEST, "what the peer sent is not TLS but a request to an HTTP proxy"},
    {SSL_R_UNEXPECTED_RECORD, "the peer sent a TLS record that has no place here"},
    {SSL_R_UNEXPECTED_MESSAGE, "the peer sent a TLS message that has no place here"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, kDamaged},
    {SSL_R_ENCRYPTED_LENGTH_TOO_LONG, "what the peer sent is not TLS, or damaged: a record is too long"},
    {SSL_R_DATA_LENGTH_TOO_LONG, "a TLS record is too long"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the peer does not speak TLS 1.3"},
    {SSL_R_UNKNOWN_PROTOCOL, "the peer does not speak TLS 1.3"},
    {SSL_R_TOO_MANY_KEY_UPDATES, "the peer changes its keys over and over without sending data"},
    {SSL_R_TOO_MANY_EMPTY_FRAGMENTS, "the peer sends empty records over and over"},
    {SSL_R_TOO_MANY_WARNING_ALERTS, "the peer sends warnings over and over"},
    {SSL_R_NO_SHARED_GROUP, "there is no common group for the key exchange"},
    {SSL_R_NO_SHARED_CIPHER, "there is no common cipher suite"},
    {SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS, "there is no common signature algorithm"},
    {SSL_R_BAD_SIGNATURE, "the peer does not hold the key of the certificate it shows"},
    {SSL_R_INVALID_ALPN_PROTOCOL, "the peer chose an application protocol (ALPN) that was not offered"},
};

// The head of a record that makes no sense: another protocol at first, damage later.
bool IsBadHead(int reason) {
  return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_ENCRYPTED_LENGTH_TOO_LONG ||
         reason == SSL_R_INVALID_OUTER_RECORD_TYPE;
}

std::string ReasonText(uint32_t error) {
  if (error == 0) return "no reason given";
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    for (const KnownReason& known : kReasons) {
      if (known.reason == ERR_GET_REASON(error)) return std::string(known.text);
    }
  }
  const char* name = ERR_reason_error_string(error);
  if (name == nullptr) return absl::StrFormat("error %u", error);
  std::string text = name;  // CONSTANT_STYLE
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return c == '_' ? ' ' : static_cast<char>(std::tolower(c)); });
  return Printable(text);
}

// Empties this thread's queue. What TLS says of a failure explains more than what the cipher below says ("bad
// decrypt"). The first of it is the cause, the rest its echo.
uint32_t TakeError() {
  const uint32_t first = ERR_get_error();
  uint32_t error = first;
  while (error != 0 && ERR_GET_LIB(error) != ERR_LIB_SSL) error = ERR_get_error();
  ERR_clear_error();
  return error != 0 ? error : first;
}

}  // namespace

std::string AlertName(uint8_t alert) {
  const auto* known = std::find_if(std::begin(kAlerts), std::end(kAlerts),
                                   [alert](const NamedAlert& named) { return named.number == alert; });
  return absl::StrFormat("%s (%d)", std::string(known == std::end(kAlerts) ? "unknown" : known->name), alert);
}

std::string TakeErrorText() { return ReasonText(TakeError()); }

Failure TakeFailure(const std::string& alpn, bool is_connected) {
  const uint32_t error = TakeError();
  const int reason = ERR_GET_REASON(error);
  if (is_connected && ERR_GET_LIB(error) == ERR_LIB_SSL && IsBadHead(reason)) return {TlsFailure::kProtocol, kDamaged};
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
    return {TlsFailure::kPeerRejected, "the peer showed no certificate"};
  if (ERR_GET_LIB(error) != ERR_LIB_SSL || reason < SSL_AD_REASON_OFFSET)
    return {TlsFailure::kProtocol, ReasonText(error)};
  const auto alert = static_cast<uint8_t>(reason - SSL_AD_REASON_OFFSET);
  if (alert == SSL_AD_PROTOCOL_VERSION)
    return {TlsFailure::kProtocol, "the peer does not speak TLS 1.3: it answered with alert " + AlertName(alert)};
  if (alert == SSL_AD_NO_APPLICATION_PROTOCOL) {
    return {TlsFailure::kAlert,
            absl::StrFormat("the peer refused: alert %s: no common application protocol (ALPN); ours: %s",
                            AlertName(alert), alpn.empty() ? "none" : alpn)};
  }
  return {TlsFailure::kAlert, "the peer refused: alert " + AlertName(alert)};
}

}  // namespace culvert::tls
