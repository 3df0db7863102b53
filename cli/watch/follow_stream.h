// What verbs do that read a stream of the daemon: on and on until it ends, the user interrupts it, or nobody takes the output any more.
// Thread: confined to main; an interrupt only cancels the call.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "cli/process/interrupt.h"
#include "cli/target/command_context.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"

namespace culvert::cli {

// `open(channel, call)`: the reader. `take(message)`: false ends it well. `limit`: how long all of it may take, and it may end by itself;
// nullopt: its end is a failure, and it has no deadline.
template <typename Response, typename Open, typename Take>
Outcome FollowStream(Context& context, std::optional<Duration> limit, Open&& open, Take&& take) {
  if (Outcome failed = context.client.Connect()) return failed;
  grpc::ClientContext call;
  // What has no natural end gets a week, which is one all the same.
  Client::SetDeadline(call, limit.value_or(std::chrono::hours(24 * 7)));
  const InterruptScope interrupt([&call] { call.TryCancel(); });
  const auto reader = open(context.client.channel(), &call);
  Response message;
  bool goes_on = true;
  while (goes_on && context.streams.out && reader->Read(&message)) goes_on = take(message);
  const bool is_ours = !goes_on || !context.streams.out;
  if (is_ours) call.TryCancel();
  const grpc::Status status = reader->Finish();
  if (interrupt.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
  if (is_ours) return std::nullopt;  // of an output that is gone main tells
  if (!status.ok()) return context.client.Explain(status);
  if (!limit) return Fail(ExitCode::kUnreachable, "culvertd ended the stream");
  return std::nullopt;
}

}  // namespace culvert::cli
