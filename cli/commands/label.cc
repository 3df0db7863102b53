// culvertctl label and annotate: keys and values beside the spec, of one object or many.
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "cli/changes/declared.h"
#include "cli/changes/mutation.h"
#include "cli/changes/selection.h"
#include "cli/command.h"
#include "cli/objects/lists.h"
#include "cli/objects/object_changes.h"
#include "cli/text/escape.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

using Texts = google::protobuf::Map<std::string, std::string>;

// "tier" of "tier=edge" and "tier-".
struct TextEdit {
  std::string key;
  std::optional<std::string> value;  // nullopt: take it away
};

class Label : public Command {
 public:
  explicit Label(bool is_annotation) : is_annotation_(is_annotation) {}

  std::vector<std::string> words;
  bool overwrite = false;
  bool all = false;

  [[nodiscard]] Takes takes() const override {
    return {.formats = {Format::kTable, Format::kName}, .filter = true, .selector = true, .dry_run = {DryRun::kServer}};
  }

  Outcome Validate(const Globals& globals) override {
    const std::string example = std::string("culvertctl ") + verb() + " lsn/quic-in tier=edge";
    std::vector<std::string> names;
    for (const std::string& word : words) {
      const size_t equals = word.find('=');
      const bool is_removal = equals == std::string::npos && word.size() > 1 && word.back() == '-';
      if (equals == std::string::npos && !is_removal) {
        if (!edits_.empty()) return Usage(absl::StrFormat("\"%s\" is not key=value or key-", Visible(word.substr(0, 64))), example);
        names.push_back(word);
        continue;
      }
      if (equals == 0) return Usage(absl::StrFormat("\"%s\" has no key", Visible(word.substr(0, 64))), example);
      edits_.push_back(is_removal ? TextEdit{word.substr(0, word.size() - 1), std::nullopt}
                                  : TextEdit{word.substr(0, equals), word.substr(equals + 1)});
    }
    if (edits_.empty()) return Usage("key=value or key- is wanted", example);
    for (size_t i = 0; i < edits_.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (edits_[i].key == edits_[j].key) return Usage(absl::StrFormat("\"%s\" stands twice", Visible(edits_[i].key)), example);
      }
    }
    return selection_.Parse(names, globals, all, verb());
  }

  Outcome Run(Context& context) override {
    std::vector<Reference> references;
    if (Outcome failed = selection_.Find(context, references)) return failed;
    if (Outcome failed = BeginMutation(context, {.question = std::string(verb()) + " these objects", .count = references.size()}))
      return failed;
    Outcome first_failure;
    for (const Reference& reference : references) {
      Outcome failed = ChangeOne(context, reference);
      if (!failed) continue;
      if (failed->code == ExitCode::kUnreachable || failed->code == ExitCode::kDenied) return failed;
      if (first_failure) {
        Print(*failed, context.globals.verbose, context.streams);
      } else {
        first_failure = std::move(failed);
      }
    }
    return first_failure;
  }

 private:
  const char* verb() const { return is_annotation_ ? "annotate" : "label"; }
  const char* noun() const { return is_annotation_ ? "annotation" : "label"; }

  Texts& TextsOf(v1::Object& object) const {
    v1::Metadata& metadata = MutableMetadataOf(object);
    return is_annotation_ ? *metadata.mutable_annotations() : *metadata.mutable_labels();
  }

  Outcome ChangeOne(Context& context, const Reference& reference) const {
    const std::string name = Visible(ToString(reference));
    bool is_changed = false, is_outdated = false;
    Changed changed;
    Outcome failed = Try(context, reference, changed, is_changed, is_outdated);
    if (failed && is_outdated) failed = Try(context, reference, changed, is_changed, is_outdated);
    if (failed) return failed;
    PrintWarnings(context, name, changed.warnings);
    const bool is_dry = context.globals.dry_run != DryRun::kNo;
    context.streams.out << name;
    if (context.globals.format != Format::kName) {
      context.streams.out << (!is_changed ? " unchanged" : is_annotation_ ? " annotated" : " labeled") << (is_dry ? " (dry run)" : "");
    }
    context.streams.out << "\n";
    return std::nullopt;
  }

  Outcome Try(Context& context, const Reference& reference, Changed& changed, bool& is_changed, bool& is_outdated) const {
    v1::Object object;
    if (Outcome failed = GetObject(context.client, reference, object)) return failed;
    Texts& texts = TextsOf(object);
    is_changed = false;
    for (const TextEdit& edit : edits_) {
      const auto found = texts.find(edit.key);
      if (!edit.value) {
        is_changed |= texts.erase(edit.key) > 0;
        continue;
      }
      if (found != texts.end() && found->second == *edit.value) continue;
      if (found != texts.end() && !overwrite) {
        return Fail(
            ExitCode::kConflict,
            absl::StrFormat("%s has the %s %s=%s already", Visible(ToString(reference)), noun(), Visible(edit.key), Visible(found->second)),
            "--overwrite replaces it");
      }
      texts[edit.key] = *edit.value;
      is_changed = true;
    }
    if (!is_changed) return std::nullopt;
    const std::vector<std::string> paths = {is_annotation_ ? "metadata.annotations" : "metadata.labels"};
    v1::Object patch = EmptyObject(reference.kind);
    TextsOf(patch) = texts;
    MutableMetadataOf(patch).set_name(reference.name);
    MutableMetadataOf(patch).set_etag(manifest::MetadataOf(object).etag());
    return UpdateObject(context.client, patch, paths, context.globals.dry_run == DryRun::kServer, changed, &is_outdated);
  }

  const bool is_annotation_;
  Selection selection_;
  std::vector<TextEdit> edits_;
};

Verb Add(CLI::App& root, bool is_annotation, const char* name, const char* description, const char* examples) {
  auto command = std::make_unique<Label>(is_annotation);
  CLI::App* app = AddVerb(root, name, description, examples);
  app->add_option("what", command->words, "KIND/NAME... or KIND NAME..., then key=value and key-");
  app->add_flag("--overwrite", command->overwrite, "replace a value that is there");
  app->add_flag("--all", command->all, "all objects of the kinds named");
  return {app, std::move(command)};
}

}  // namespace

Verb AddLabel(CLI::App& root) {
  return Add(root, false, "label", "Sets and takes away labels, which selectors choose by.",
             "culvertctl label lsn/quic-in tier=edge\n"
             "culvertctl label lsn/quic-in dl/edge tier=core --overwrite\n"
             "culvertctl label fwd/pg tier-                       takes it away\n"
             "culvertctl label listeners --all site=a\n"
             "culvertctl label dialers -l tier=edge site=a");
}

Verb AddAnnotate(CLI::App& root) {
  return Add(root, true, "annotate", "Sets and takes away annotations: texts for tools, which the daemon does not interpret.",
             "culvertctl annotate fwd/pg owner=\"team db\"\n"
             "culvertctl annotate fwd/pg owner-\n"
             "culvertctl annotate all --all checked=2026-12-01 --overwrite");
}

}  // namespace culvert::cli
