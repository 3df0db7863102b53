#include "server/access/stock_gate.h"

#include <string_view>

#include "server/access/admission.h"
#include "server/access/tls_callers.h"
#include "server/status_mapping.h"

namespace culvert::server {

grpc::Status StockGate::Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata*, OutputMetadata*) {
  constexpr std::string_view kOurs = "/culvert.v1.";
  const auto path = metadata.find(":path");
  std::string method = path != metadata.end() ? std::string(path->second.data(), path->second.size()) : "";
  if (method.starts_with(kOurs)) return grpc::Status::OK;
  if (method.starts_with('/')) method.erase(0, 1);
  const Caller caller = CallerFrom(context, *book_.policy());
  absl::Status status = JudgeStockCall(caller, method);
  if (status.ok()) return grpc::Status::OK;
  on_refused_(method, caller, status);
  return ToGrpcStatus(status);
}

}  // namespace culvert::server
