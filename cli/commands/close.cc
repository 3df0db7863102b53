// culvertctl close: ends sessions, streams and UDP flows.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "culvert/v1/session.grpc.pb.h"

namespace culvert::cli {
namespace {

class Close : public Command {
 public:
  std::vector<std::string> words;
  bool graceful = false;
  std::string reason;

  Outcome Validate(const Globals&) override {
    // A lone word without a slash is a session's unless it names a kind: they are what is closed most.
    if (words.size() == 1 && !absl::StrContains(words[0], '/') && !ParseKind(words[0]).ok()) {
      references_.push_back({Kind::kSession, words[0]});
      return std::nullopt;
    }
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl close ses/NAME");
    for (const Reference& reference : *parsed) {
      if (reference.kind == Kind::kEvent) return Usage(kOnly);
      if (IsDeclared(reference.kind)) return Usage(kOnly, "culvertctl delete " + Visible(ToString(reference)));
      if (reference.name.empty()) {
        return Usage(absl::StrFormat("a name is wanted: %s/NAME", Singular(reference.kind)),
                     absl::StrFormat("culvertctl get %s", Plural(reference.kind)));
      }
      if (graceful && reference.kind == Kind::kUdpFlow)
        return Usage("--graceful: a flow of datagrams has nothing to deliver; it is for sessions and streams");
    }
    references_ = *std::move(parsed);
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    Outcome first_failure;
    for (const Reference& reference : references_) {
      Outcome failed = CloseOne(context, reference);
      if (!failed) {
        context.streams.out << Visible(ToString(reference)) << (graceful ? " closing\n" : " closed\n");
      } else if (!first_failure) {
        first_failure = std::move(failed);
      } else {
        Print(*failed, context.globals.verbose, context.streams);
      }
    }
    return first_failure;
  }

 private:
  static constexpr const char* kOnly = "only sessions, streams and UDP flows are closed";

  Outcome CloseOne(Context& context, const Reference& reference) const {
    using Service = v1::SessionService;
    if (reference.kind == Kind::kUdpFlow) {
      v1::CloseUdpFlowRequest request;
      request.set_name(ResourceName(reference));
      request.set_reason(reason);
      v1::CloseUdpFlowResponse response;
      return context.client.Call<Service>(&Service::Stub::CloseUdpFlow, request, &response);
    }
    if (reference.kind == Kind::kStream) {
      v1::CloseStreamRequest request;
      request.set_name(ResourceName(reference));
      request.set_graceful(graceful);
      request.set_reason(reason);
      v1::CloseStreamResponse response;
      return context.client.Call<Service>(&Service::Stub::CloseStream, request, &response);
    }
    v1::CloseSessionRequest request;
    request.set_name(reference.name);
    request.set_graceful(graceful);
    request.set_reason(reason);
    v1::CloseSessionResponse response;
    return context.client.Call<Service>(&Service::Stub::CloseSession, request, &response);
  }

  std::vector<Reference> references_;
};

}  // namespace

Verb AddClose(CLI::App& root) {
  auto command = std::make_unique<Close>();
  CLI::App* app = AddVerb(root, "close", "Closes sessions, streams and UDP flows.",
                          "culvertctl close ses/k3f9q2\n"
                          "culvertctl close ses/k3f9q2 --graceful --reason maintenance\n"
                          "culvertctl close str/k3f9q2/4               one stream, not its session\n"
                          "culvertctl close udp/12");
  app->add_option("what", command->words, "KIND/NAME..., KIND NAME..., or the NAME of one session");
  app->add_flag("--graceful", command->graceful, "deliver what is queued first; sessions and streams");
  app->add_option("--reason", command->reason, "for the daemon's log");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
