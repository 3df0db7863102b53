#include "cli/process/failure.h"

#include "absl/strings/str_format.h"
#include "cli/text/escape.h"
#include "culvert/v1/types.pb.h"
#include "google/rpc/status.pb.h"

namespace culvert::cli {

ServerError ServerError::Decode(const grpc::Status& status) {
  ServerError error;
  error.status = status;
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return error;
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::BadRequest bad_request;
    google::rpc::PreconditionFailure precondition;
    if (any.Is<google::rpc::ErrorInfo>()) {
      any.UnpackTo(&error.info);
    } else if (any.UnpackTo(&bad_request)) {
      error.fields.assign(bad_request.field_violations().begin(), bad_request.field_violations().end());
    } else if (any.UnpackTo(&precondition)) {
      error.preconditions.assign(precondition.violations().begin(), precondition.violations().end());
    }
  }
  return error;
}

bool IsRefusal(const ServerError& error) {
  if (error.status.error_code() != grpc::StatusCode::FAILED_PRECONDITION) return false;
  v1::RefusalReason reason = v1::REFUSAL_REASON_UNSPECIFIED;
  if (!v1::RefusalReason_Parse("REFUSAL_REASON_" + error.info.reason(), &reason)) return false;
  // These two are our side's findings: nobody was there to refuse.
  return reason != v1::REFUSAL_REASON_UNSPECIFIED && reason != v1::REFUSAL_REASON_DIAL_FAILED &&
         reason != v1::REFUSAL_REASON_HEADER_MISMATCH;
}

ExitCode ExitCodeOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return ExitCode::kOk;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
      return ExitCode::kUsage;
    case grpc::StatusCode::NOT_FOUND:
      return ExitCode::kNotFound;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return ExitCode::kDenied;
    case grpc::StatusCode::UNAVAILABLE:
      return ExitCode::kUnreachable;
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
      return ExitCode::kConflict;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ExitCode::kTimeout;
    default:
      return ExitCode::kServer;
  }
}

Failure FromServer(const ServerError& error) {
  Failure failure;
  failure.code = ExitCodeOf(error.status.error_code());
  const std::string reason = error.info.reason().empty() ? "" : " (" + Visible(error.info.reason()) + ")";
  for (const auto& field : error.fields) {
    failure.faults.push_back(absl::StrFormat("%s: %s%s", Visible(field.field()), Visible(field.description()), reason));
  }
  if (failure.faults.empty()) failure.faults.push_back(Visible(error.status.error_message()) + reason);
  failure.detail = absl::StrFormat("gRPC status %d: %s", static_cast<int>(error.status.error_code()),
                                   Visible(error.status.error_message()));
  for (const auto& [key, value] : error.info.metadata()) {
    absl::StrAppendFormat(&failure.detail, "\n%s: %s", Visible(key), Visible(value));
  }
  return failure;
}

void Print(const Failure& failure, bool verbose, Streams& streams) {
  for (const std::string& fault : failure.faults) streams.err << "error: " << fault << "\n";
  if (!failure.next.empty()) streams.err << "next: " << failure.next << "\n";
  if (verbose && !failure.detail.empty()) streams.err << failure.detail << "\n";
}

}  // namespace culvert::cli
