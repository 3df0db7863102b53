// culvertctl close: ends sessions.
#include <utility>

#include "absl/strings/match.h"
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
    // A lone word without a slash is an id unless it names a kind: sessions are all that can be closed.
    if (words.size() == 1 && !absl::StrContains(words[0], '/') && !ParseKind(words[0]).ok()) {
      references_.push_back({Kind::kSession, words[0]});
      return std::nullopt;
    }
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl close ses/NAME");
    for (const Reference& reference : *parsed) {
      if (reference.kind != Kind::kSession)
        return Usage("only sessions are closed", "culvertctl delete " + Visible(ToString(reference)));
      if (reference.name.empty()) return Usage("a name is wanted: ses/NAME", "culvertctl get sessions");
    }
    references_ = *std::move(parsed);
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    Outcome first_failure;
    for (const Reference& reference : references_) {
      v1::CloseSessionRequest request;
      request.set_name(reference.name);
      request.set_graceful(graceful);
      request.set_reason(reason);
      v1::CloseSessionResponse response;
      Outcome failed =
          context.client.Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, request, &response);
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
  std::vector<Reference> references_;
};

}  // namespace

Verb AddClose(CLI::App& root) {
  auto command = std::make_unique<Close>();
  CLI::App* app = AddVerb(root, "close", "Closes sessions.",
                          "culvertctl close ses/k3f9q2\n"
                          "culvertctl close ses/k3f9q2 --graceful --reason maintenance");
  app->add_option("what", command->words, "ses/NAME..., ses NAME..., or one NAME");
  app->add_flag("--graceful", command->graceful, "deliver what is queued first");
  app->add_option("--reason", command->reason, "for the daemon's log");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
