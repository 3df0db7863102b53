// culvertctl wait: until objects are as wanted, also those that do not exist yet and those of a daemon that does not answer yet.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/objects/kind_types.h"
#include "cli/text/escape.h"
#include "cli/watch/waiter.h"
#include "culvert/v1/daemon.pb.h"
#include "re2/re2.h"

namespace culvert::cli {
namespace {

using Clock = std::chrono::steady_clock;

class Wait : public Command {
 public:
  std::vector<std::string> words;
  std::string for_text = "condition=Ready";
  std::string timeout_text = "30s";

  Outcome Validate(const Globals&) override {
    constexpr const char* kExample = "culvertctl wait dl/edge --for condition=Ready --timeout 30s";
    if (Outcome failed = ParseTimeout(timeout_text, timeout_)) return failed;
    is_daemon_ = words.size() == 1 && words[0] == "daemon";
    // It is ready when it answers.
    const bool is_ready = is_daemon_ && (for_text == "ready" || for_text == "condition=Ready" || for_text == "create");
    const bool is_drained = is_daemon_ && for_text == "drained";
    auto wanted = WaitFor::Parse(is_ready ? "create" : is_drained ? ".drain.phase=PHASE_DRAINED" : for_text);
    if (!wanted.ok()) return Usage(std::string(wanted.status().message()), kExample);
    wanted_ = *std::move(wanted);
    if (is_daemon_) return FitDaemon();
    auto references = ParseReferences(words);
    if (!references.ok()) return Usage(std::string(references.status().message()), kExample);
    references_ = *std::move(references);
    for (const Reference& reference : references_) {
      if (Outcome failed = Check(reference)) return failed;
    }
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    const auto begin = Clock::now();
    const auto say = [&](const std::string& name) {
      if (context.globals.quiet) return;
      const double took = std::chrono::duration<double>(Clock::now() - begin).count();
      const bool is_event = wanted_.what == WaitFor::What::kCreation || wanted_.what == WaitFor::What::kDeletion;
      context.streams.out << name << " " << (is_daemon_ && is_event ? "ready" : wanted_.ToString()) << (is_event ? "" : " met")
                          << absl::StrFormat(" after %.1fs\n", took) << std::flush;
    };
    if (!is_daemon_) {
      return WaitForAll(context, references_, wanted_, timeout_, [&](const Reference& reference) { say(Visible(ToString(reference))); });
    }
    if (Outcome failed = WaitForDaemon(context, wanted_, timeout_)) return failed;
    say("daemon");
    return std::nullopt;
  }

 private:
  Outcome FitDaemon() {
    if (wanted_.what == WaitFor::What::kDeletion) return Usage("--for delete: a daemon is waited for, not its end");
    const absl::Status status = wanted_.Fit(*v1::Daemon::descriptor());
    return status.ok() ? std::nullopt : Usage(std::string(status.message()), "culvertctl wait daemon --for ready");
  }

  Outcome Check(const Reference& reference) {
    if (!CanBeWaitedFor(reference.kind))
      return Usage(absl::StrFormat("%s cannot be waited for", Plural(reference.kind)), "listeners, dialers, forwards and sessions can");
    if (reference.name.empty())
      return Usage("a name is wanted: KIND/NAME or KIND NAME", absl::StrFormat("culvertctl get %s", Plural(reference.kind)));
    // One that no object can have would be waited for in vain.
    static const re2::RE2 kName("[a-z]([a-z0-9-]{0,61}[a-z0-9])?"), kSession("[A-Za-z0-9_-]{1,64}");
    if (!re2::RE2::FullMatch(reference.name, reference.kind == Kind::kSession ? kSession : kName)) {
      return Usage(absl::StrFormat("\"%s\" is no name of a %s", Visible(reference.name.substr(0, 64)), Singular(reference.kind)),
                   absl::StrFormat("culvertctl get %s", Plural(reference.kind)));
    }
    WaitFor fitted = wanted_;
    if (const absl::Status status = fitted.Fit(DescriptorOf(reference.kind)); !status.ok()) {
      return Usage(std::string(status.message()), absl::StrFormat("culvertctl explain %s", Singular(reference.kind)));
    }
    if (wanted_.what == WaitFor::What::kExpression) {
      wanted_ = fitted;
    } else if (!(fitted.name == wanted_.name && fitted.value == wanted_.value)) {
      // "state" is a session's own, but stands in the status of what is declared.
      const bool is_mixed = std::any_of(references_.begin(), references_.end(), [&](const Reference& one) {
        return (one.kind == Kind::kSession) != (reference.kind == Kind::kSession);
      });
      if (is_mixed) return Usage("sessions and declared objects are waited for apart");
      wanted_ = fitted;
    }
    return std::nullopt;
  }

  std::vector<Reference> references_;
  WaitFor wanted_;
  Duration timeout_{};
  bool is_daemon_ = false;
};

}  // namespace

Verb AddWait(CLI::App& root) {
  auto command = std::make_unique<Wait>();
  CLI::App* app = AddVerb(root, "wait", "Waits until objects are as wanted; they need not exist yet, nor the daemon.",
                          "culvertctl wait dl/edge --for condition=Ready --timeout 30s\n"
                          "culvertctl wait lsn/quic-in fwd/pg --for create\n"
                          "culvertctl wait fwd/old --for delete\n"
                          "culvertctl wait dl/edge --for condition=PeerReachable=False\n"
                          "culvertctl wait dl/edge --for state=ACTIVE\n"
                          "culvertctl wait lsn/in --for jsonpath='{.status.boundAddresses[0]}'        it is there\n"
                          "culvertctl wait dl/edge --for jsonpath='{.status.conditions[?(@.type==\"Ready\")].status}'=True\n"
                          "culvertctl wait daemon --for ready --timeout 60s\n"
                          "culvertctl wait daemon --for drained --timeout 60s");
  app->add_option("what", command->words, "KIND/NAME..., KIND NAME..., or daemon");
  app->add_option(
      "--for", command->for_text,
      "condition=TYPE[=False], create, delete, state=STATE, .FIELD.PATH[=VALUE] or jsonpath={PATH}[=VALUE]; without =VALUE: it is there and not empty; daemon: ready, drained");
  app->add_option("--timeout", command->timeout_text, "how long (30s); 0s looks once; exit 7 with what was seen last. It ends at once where nothing is left to wait for: with 6 where "
                  "something is about to be deleted or FAILED, with 3 where a session has ended; a dialer that is FAILED is dialed again, and waited for");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
