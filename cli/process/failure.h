// What a command that did not succeed tells its user and its caller: an exit code, one line per fault, at most one line
// of advice. Exit codes are part of the interface of culvertctl and never change their meaning. Thread: any; values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/process/streams.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/support/status.h"

namespace culvert::cli {

enum class ExitCode {
  kOk = 0,
  kFalse = 1,  // asked and answered: no
  kUsage = 2,  // the command line, a file or a value is wrong
  kNotFound = 3,
  kDenied = 4,
  kUnreachable = 5,
  kConflict = 6,  // a precondition does not hold
  kTimeout = 7,
  kServer = 8,  // anything else that the daemon reports
  kInterrupted = 130,
};

struct Failure {
  ExitCode code = ExitCode::kServer;
  std::vector<std::string> faults;  // each becomes "error: FAULT"
  std::string next;                 // "next: ..."; empty: nothing to advise
  std::string detail;               // shown with -v
};

// nullopt: it went well.
using Outcome = std::optional<Failure>;

inline Outcome Fail(ExitCode code, std::string fault, std::string next = "") {
  return Failure{code, {std::move(fault)}, std::move(next), ""};
}
inline Outcome Usage(std::string fault, std::string next = "") { return Fail(ExitCode::kUsage, fault, next); }

// An error of the daemon with its details, as far as it sent any (google.rpc.Status in the trailers).
struct ServerError {
  grpc::Status status;
  google::rpc::ErrorInfo info;
  std::vector<google::rpc::BadRequest::FieldViolation> fields;
  std::vector<google::rpc::PreconditionFailure::Violation> preconditions;

  static ServerError Decode(const grpc::Status& status);
};

// The far side of a tunnel said no, in the words of RefusalReason; not: the tunnel did not come about.
bool IsRefusal(const ServerError& error);

ExitCode ExitCodeOf(grpc::StatusCode code);

// "MESSAGE (REASON)", one line per field violation when there are any. Texts of the daemon are made printable.
Failure FromServer(const ServerError& error);
inline Failure FromServer(const grpc::Status& status) { return FromServer(ServerError::Decode(status)); }

// Prints the failure to the error stream; `verbose` adds the detail.
void Print(const Failure& failure, bool verbose, Streams& streams);

}  // namespace culvert::cli
