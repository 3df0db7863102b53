// culvertctl set: fields of one object, by path.
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/changes/declared.h"
#include "cli/changes/disruption.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/objects/assignment.h"
#include "cli/objects/lists.h"
#include "cli/objects/object_changes.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {
namespace {

class Set : public Command {
 public:
  std::vector<std::string> words;

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kName, Format::kYaml, Format::kJson}, .dry_run = {DryRun::kServer}};
  }

  Outcome Validate(const Globals&) override {
    constexpr const char* kExample = "culvertctl set dialer/edge max_sessions=16 quic.idle_timeout=60s";
    // The object is what comes before the first assignment: KIND/NAME or KIND NAME.
    const size_t names = words.empty() || words[0].find('/') != std::string::npos ? 1 : 2;
    if (words.size() <= names) return Usage("an object and at least one path=value are wanted", kExample);
    const auto references = ParseReferences({words.begin(), words.begin() + static_cast<std::ptrdiff_t>(names)});
    if (!references.ok()) return Usage(std::string(references.status().message()), kExample);
    reference_ = references->front();
    if (!IsDeclared(reference_.kind) || references->size() != 1 || reference_.name.empty()) {
      return Usage("only a listener, dialer or forward has fields to set", kExample);
    }
    // Paths and values are tried on an object with nothing in it, before anybody is asked.
    v1::Object trial = EmptyObject(reference_.kind);
    for (size_t i = names; i < words.size(); ++i) {
      auto assignment = ParseAssignment(words[i]);
      if (!assignment.ok()) return Usage(std::string(assignment.status().message()), kExample);
      const auto path = FindAssigned(trial, assignment->path);
      if (!path.ok()) return WrongField(path.status());
      const bool is_element = path->steps.back().index.has_value();  // which ones there are, only the daemon knows
      if (const absl::Status tried = is_element ? absl::OkStatus() : Assign(*assignment, CurrentFolder(), trial); !tried.ok()) {
        return WrongField(tried);
      }
      if (!assignment->value && manifest::RulesOf(&path->field()).secret()) cleared_secrets_.push_back(path->Mask());
      assignments_.push_back(*std::move(assignment));
    }
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    const std::string name = Visible(ToString(reference_));
    if (Outcome failed = BeginMutation(context, {.question = "change " + name})) return failed;
    Changed changed;
    bool is_outdated = false;
    Outcome failed = Try(context, changed, is_outdated);
    // Somebody else was faster: what they set stays, and ours goes on top of it.
    if (failed && is_outdated) failed = Try(context, changed, is_outdated);
    if (failed) return failed;
    PrintWarnings(context, name, changed.warnings);
    Report(context, name, changed.object);
    return std::nullopt;
  }

 private:
  Outcome WrongField(const absl::Status& status) const {
    return Usage(std::string(status.message()), absl::StrFormat("culvertctl explain %s.spec", Singular(reference_.kind)));
  }

  Outcome Try(Context& context, Changed& changed, bool& is_outdated) {
    v1::Object before;
    if (Outcome failed = GetObject(context.client, reference_, before)) return failed;
    v1::Object after = before;
    for (const Assignment& assignment : assignments_) {
      if (const absl::Status status = Assign(assignment, CurrentFolder(), after); !status.ok()) return WrongField(status);
    }
    paths_ = ChangedPaths(BodyOf(before), BodyOf(after));
    // What the daemon keeps to itself cannot be compared.
    paths_.insert(paths_.end(), cleared_secrets_.begin(), cleared_secrets_.end());
    if (paths_.empty()) {
      changed.object = std::move(before);
      return std::nullopt;
    }
    if (!std::exchange(is_warned_, true)) WarnOfClosing(context, before, after, paths_);
    v1::Object patch = EmptyObject(reference_.kind);
    CopyPaths(BodyOf(after), paths_, MutableBodyOf(patch));
    MutableMetadataOf(patch).set_name(reference_.name);
    MutableMetadataOf(patch).set_etag(manifest::MetadataOf(before).etag());
    return UpdateObject(context.client, patch, paths_, context.globals.dry_run == DryRun::kServer, changed, &is_outdated);
  }

  void Report(Context& context, const std::string& name, const v1::Object& object) const {
    std::ostream& out = context.streams.out;
    if (context.globals.format == Format::kName) {
      out << name << "\n";
    } else if (context.globals.format == Format::kYaml) {
      out << manifest::ToYaml(object, true);
    } else if (context.globals.format == Format::kJson) {
      out << ObjectToJson(object);
    } else if (paths_.empty()) {
      out << name << " unchanged\n";
    } else {
      const auto brief = [](std::string* text, const std::string& path) { text->append(BriefPath(path)); };
      out << name << " configured (" << absl::StrJoin(paths_, ", ", brief)
          << (context.globals.dry_run == DryRun::kServer ? ") (dry run)\n" : ")\n");
    }
  }

  Reference reference_{};
  std::vector<Assignment> assignments_;
  std::vector<std::string> cleared_secrets_;
  std::vector<std::string> paths_;  // that the last attempt changed
  bool is_warned_ = false;          // of what the change closes
};

}  // namespace

Verb AddSet(CLI::App& root) {
  auto command = std::make_unique<Set>();
  CLI::App* app = AddVerb(root, "set", "Changes fields of one object by path; what else it holds stays.",
                          "culvertctl set dialer/edge max_sessions=16 quic.idle_timeout=60s\n"
                          "culvertctl set dl/edge targets=a.example:443,b.example:443\n"
                          "culvertctl set lsn/quic-in paused=true labels.tier=edge\n"
                          "culvertctl set fwd/pg destination-                     clears it\n"
                          "culvertctl set dl/edge kcp.seed=@seed.txt              a secret, from a file\n"
                          "culvertctl explain dialer.spec                         which fields there are");
  app->add_option("what", command->words, "KIND/NAME path=value...; path= and path- clear");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
