// ErrorBuilder: the only way the control plane makes an error. A canonical code, exactly one ErrorInfo{reason, domain
// "culvert", metadata}, and at most one detail of each other kind, carried as payloads of an absl::Status until
// status_mapping turns it into what gRPC sends.
// Texts are made of what callers sent. What is no UTF-8 (a value that was cut), what a terminal would act on and what could forge a
// line becomes question marks: clients could not even parse the one, and print the others.
// Limits: the details and the message stay below kMaxErrorBytes together, because they travel as HTTP/2 trailers, for which a
// client grants 8 KiB by default: what does not fit is left out and counted in metadata "omitted".
// Thread: a builder is a local value.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/time.h"
#include "google/rpc/error_details.pb.h"
#include "server/object_kind.h"
#include "server/violation.h"

namespace culvert::server {

inline constexpr char kErrorDomain[] = "culvert";
inline constexpr size_t kMaxErrorBytes = 4096;
inline constexpr size_t kMaxErrorMessageBytes = 1024;

class ErrorBuilder {
 public:
  // `reason` is UPPER_SNAKE_CASE and stable; `message` is one line for people.
  ErrorBuilder(absl::StatusCode code, std::string reason, std::string message);

  // More lines of the message, of our own making. Before anything else.
  ErrorBuilder& Below(const std::string& lines);

  ErrorBuilder& Metadata(const std::string& key, std::string value);
  ErrorBuilder& Field(std::string path, std::string description);                                // BadRequest
  ErrorBuilder& Precondition(std::string type, std::string subject, std::string description);    // PreconditionFailure
  ErrorBuilder& Resource(std::string type, std::string name, std::string description);           // ResourceInfo
  ErrorBuilder& Quota(std::string subject, std::string description);                             // QuotaFailure
  ErrorBuilder& RetryAfter(Duration delay);                                                      // RetryInfo
  absl::Status Build();

 private:
  // Whether `size` more bytes fit; counts what does not.
  bool Fits(size_t size);

  absl::StatusCode code_;
  std::string message_;
  google::rpc::ErrorInfo info_;
  google::rpc::BadRequest bad_request_;
  google::rpc::PreconditionFailure precondition_;
  google::rpc::ResourceInfo resource_;
  google::rpc::QuotaFailure quota_;
  google::rpc::RetryInfo retry_;
  size_t used_bytes_ = 0;
  int omitted_ = 0;
};

// The errors every service shares.
absl::Status InvalidFields(const Violations& violations);  // INVALID_ARGUMENT; REQUIRES: not empty
absl::Status InvalidField(std::string path, std::string description);
absl::Status NotFound(const ObjectKey& key);
absl::Status SessionNotFound(const std::string& name);
// `kind`: "stream", "udpFlow".
absl::Status ObservedNotFound(const std::string& kind, const std::string& name);
absl::Status AlreadyExists(const ObjectKey& key);
absl::Status EtagMismatch(const ObjectKey& key, const std::string& current_etag);
absl::Status ManagedByOther(const std::vector<ObjectKey>& keys, const std::string& manager);
absl::Status ResourceInUse(const ObjectKey& key, const std::vector<ObjectKey>& referrers);
absl::Status LimitExceeded(const std::string& subject, size_t limit);
// What is declared cannot be stored now. `code`: RESOURCE_EXHAUSTED, FAILED_PRECONDITION, DATA_LOSS or INTERNAL; `description`: what
// the system said, with the file it is about.
absl::Status StateNotWritable(absl::StatusCode code, const std::string& path, const std::string& description);
absl::Status DaemonStopping();
// FAILED_PRECONDITION: trying again helps only when the drain is cancelled.
absl::Status DaemonDraining();
absl::Status ControlOverloaded();
absl::Status CallTimedOut();                                     // what it asked for may still happen
absl::Status RequestUnderWay(const std::string& request_id);    // the same request is being done
absl::Status InternalError(std::string what);  // our bug: the text is logged, the caller learns the code only

// The reason of an error's ErrorInfo; empty when it has none.
std::string ReasonOf(const absl::Status& status);
// The payload of type T (google::rpc::BadRequest, ...) of an error; the default value when there is none.
template <typename T>
T DetailOf(const absl::Status& status) {
  T detail;
  if (auto payload = status.GetPayload("type.googleapis.com/" + std::string(T::descriptor()->full_name()))) {
    detail.ParseFromString(std::string(*payload));
  }
  return detail;
}

}  // namespace culvert::server
