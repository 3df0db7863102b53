// Who makes a call.
// Thread: values; a CallerSource is asked from any.
#pragma once

#include <grpcpp/server_context.h>

#include <string>
#include <utility>

#include "culvert/v1/access.pb.h"
#include "server/access/access_policy.h"

namespace culvert::server {

struct Caller {
  Principals principals;  // empty: nobody knows who it is
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::ControlChannel channel = v1::CONTROL_CHANNEL_UNSPECIFIED;

  // Files that the daemon reads for it (credential_folders.h).
  [[nodiscard]] bool MayNameAnyFile() const { return role == v1::ROLE_ADMIN; }
  // What the log calls it.
  [[nodiscard]] std::string Name() const { return principals.empty() ? "nobody" : principals.front(); }
};

// How the services of one gRPC server learn who calls.
class CallerSource {
 public:
  virtual ~CallerSource() = default;
  virtual Caller CallerOf(const grpc::ServerContextBase& call) const = 0;
};

// A server whose connections are all of one caller: those of the Unix socket (unix_door.h).
class FixedCaller final : public CallerSource {
 public:
  explicit FixedCaller(Caller caller) : caller_(std::move(caller)) {}
  Caller CallerOf(const grpc::ServerContextBase&) const override { return caller_; }

 private:
  const Caller caller_;
};

}  // namespace culvert::server
