// The daemon as a command sees it: connects on first use, gives every call a deadline, turns what goes wrong into a
// Failure. Thread: confined to the command; once connected, calls may be made from any.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/process/failure.h"
#include "cli/process/globals.h"
#include "cli/target/address.h"
#include "cli/target/target.h"
#include "cli/target/tls_material.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace culvert::cli {

class Client {
 public:
  // The target is looked for when it is first needed: what is wrong with it is no matter to who asks no daemon.
  Client(const Globals& globals, const Environment& environment);

  // A socket is waited for up to the patience; of TCP the first call finds out whether anybody is there. Later calls answer at once.
  Outcome Connect();
  void set_patience(Duration patience) { patience_ = patience; }
  // REQUIRES: Connect() went well.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Calls one unary method with the deadline of --request-timeout:
  //   client.Call<v1::ListenerService>(&v1::ListenerService::Stub::GetListener, request, &response)
  // `longer`: for calls that are asked to take their time; below 0 for what is a part of something.
  template <typename Service, typename Request, typename Response>
  Outcome Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
               const Request& request, Response* response, Duration longer = Duration::zero()) {
    if (Outcome failed = Connect()) return failed;
    const grpc::Status status = RawCall<Service>(method, request, response, longer);
    if (status.ok()) return std::nullopt;
    return Explain(status);
  }
  // The same, for those who look at the status themselves. REQUIRES: Connect() went well.
  template <typename Service, typename Request, typename Response>
  grpc::Status RawCall(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request, Response* response, Duration longer = Duration::zero()) {
    grpc::ClientContext context;
    SetDeadline(context, globals_.request_timeout + longer);
    const std::unique_ptr<typename Service::Stub> stub = Service::NewStub(channel_);
    return (stub.get()->*method)(&context, request, response);
  }

  // Whom it talks to: "unix:/run/culvertd/control.sock". REQUIRES: Connect() went well.
  std::string address() const { return path_.empty() ? target_.host_port : "unix:" + path_; }

  // --request-timeout, for calls that are not unary.
  Duration request_timeout() const { return globals_.request_timeout; }

  const Target& target() const { return target_; }  // empty where there is none

  // The failure for a status that is not OK, with advice where there is some.
  Failure Explain(const grpc::Status& status) const;
  static void SetDeadline(grpc::ClientContext& context, Duration timeout);

 private:
  Outcome ConnectUnix();
  Outcome ConnectTcp();

  const Globals& globals_;
  const Environment& environment_;
  Duration patience_ = kSocketPatience;
  Target target_;
  Outcome no_target_;    // why there is none
  std::string path_;     // of a Unix socket
  TlsMaterial tls_;      // of TCP
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace culvert::cli
