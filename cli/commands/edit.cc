// culvertctl edit: one object in the user's editor.
//
// The text is the object as a file holds it, without status and secrets. What differs from it when the editor ends is what changes:
// fields that were not shown stay as they are. What is wrong with the text, or somebody else's change meanwhile, leads back to the editor
// with the reason on top, on a terminal; elsewhere the text is kept in its file and the reason is the failure.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/changes/declared.h"
#include "cli/changes/disruption.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/objects/assignment.h"
#include "cli/objects/lists.h"
#include "cli/objects/object_changes.h"
#include "cli/process/editor.h"
#include "cli/text/escape.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/rules.h"

namespace culvert::cli {
namespace {

constexpr const char* kFileName = "edited object";

// The text without the comments at its beginning, which are ours.
std::string WithoutHeader(const std::string& text) {
  size_t at = 0;
  while (at < text.size() && (text[at] == '#' || text[at] == '\n')) {
    const size_t end = text.find('\n', at);
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return text.substr(at);
}

bool IsBlank(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    const size_t at = line.find_first_not_of(" \t\r");
    if (at != std::string::npos && line[at] != '#') return false;
  }
  return true;
}

std::string AsComments(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) absl::StrAppend(&out, line.empty() ? "#" : "# ", line, "\n");
  return out;
}

size_t CountLines(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

class Edit : public Command {
 public:
  std::vector<std::string> words;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kName}}; }

  Outcome Validate(const Globals&) override {
    const auto references = ParseReferences(words);
    if (!references.ok()) return Usage(std::string(references.status().message()), kExample);
    if (references->size() != 1 || references->front().name.empty()) return Usage("one object is wanted: KIND/NAME", kExample);
    reference_ = references->front();
    return IsDeclared(reference_.kind) ? std::nullopt : Usage("only listeners, dialers and forwards are edited", kExample);
  }

  Outcome Run(Context& context) override {
    const std::string name = Visible(ToString(reference_));
    if (Outcome failed = BeginMutation(context, {.question = "edit " + name})) return failed;
    if (Outcome failed = Read(context)) return failed;
    auto file = EditedFile::Create(std::string(Singular(reference_.kind)) + "-" + reference_.name + ".yaml", context.environment);
    if (!file.ok()) return Fail(ExitCode::kServer, std::string(file.status().message()));
    std::string text = manifest::ToYaml(base_);
    std::string shown = text;                // what is in the editor, without its header
    std::vector<std::string> reasons;        // why it is opened again
    Outcome last;                            // what the failure is, if nothing better comes of it
    while (true) {
      if (const absl::Status status = file->Write(Header(reasons) + text); !status.ok()) {
        return Fail(ExitCode::kServer, std::string(status.message()));
      }
      auto edited = file->Edit(context.environment);
      if (!edited.ok()) {
        Outcome failed = Fail(ExitCode::kServer, std::string(edited.status().message()), "VISUAL or EDITOR says which editor to use");
        return last ? Kept(*file, std::move(failed)) : failed;  // in the first round there is nothing of theirs yet
      }
      text = WithoutHeader(*edited);
      if (IsBlank(text) || (text == shown && !is_merged_)) return Cancelled(context, *file, std::move(last));
      shown = text;
      is_merged_ = false;
      v1::Object wanted;
      reasons.clear();
      last = Parse(text, wanted, CountLines(edited->substr(0, edited->size() - text.size())));
      const bool is_readable = !last;
      if (is_readable) {
        const std::vector<std::string> paths = ChangedPaths(BodyOf(base_), BodyOf(wanted));
        if (paths.empty()) return Cancelled(context, *file, std::nullopt);
        last = Save(context, wanted, paths, text, reasons);
        if (!last) return std::nullopt;
      }
      const bool is_hopeless = last->code == ExitCode::kUnreachable || last->code == ExitCode::kDenied || last->code == ExitCode::kNotFound;
      if (!context.streams.in_is_terminal || context.globals.no_input || is_hopeless) return Kept(*file, std::move(last));
      // With the reasons on top every line stands elsewhere, and they should name it where it will be seen.
      if (!is_readable) last = Parse(text, wanted, CountLines(Header(last->faults)));
      if (reasons.empty()) reasons = last->faults;
    }
  }

 private:
  static constexpr const char* kExample = "culvertctl edit dl/edge";

  // The object as the daemon has it now, and what of it a file would hold.
  Outcome Read(Context& context) {
    v1::Object object;
    if (Outcome failed = GetObject(context.client, reference_, object)) return failed;
    etag_ = manifest::MetadataOf(object).etag();
    // Not as strictly as what is written now: a daemon may keep what we would not take.
    const auto parsed = manifest::Parse(manifest::ToYaml(object), kFileName, CurrentFolder());
    if (!parsed.ok() || parsed->size() != 1) return Fail(ExitCode::kServer, Visible(ToString(reference_)) + " cannot be written as a file");
    base_ = parsed->front().object;
    current_ = std::move(object);
    return std::nullopt;
  }

  // `line`: how many lines stand above the text in the editor.
  Outcome Parse(const std::string& text, v1::Object& out, size_t line) const {
    const auto parsed = manifest::Parse(std::string(line, '\n') + text, kFileName, CurrentFolder());
    if (!parsed.ok()) {
      return Failure{ExitCode::kUsage, absl::StrSplit(std::string(parsed.status().message()), '\n'), "", ""};
    }
    if (parsed->size() != 1) return Usage(absl::StrFormat("%s: one object is wanted, these are %d", kFileName, parsed->size()));
    const manifest::SourceObject& source = parsed->front();
    if (manifest::DisplayName(source.object) != ToString(reference_)) {
      return Usage(source.Where("metadata.name") + ": kind and name stay as they are: " + Visible(ToString(reference_)));
    }
    Failure failure{ExitCode::kUsage, {}, "", ""};
    for (const manifest::Violation& violation : manifest::CheckRules(BodyOf(source.object))) {
      failure.faults.push_back(source.Where(violation.path) + ": " + violation.path + ": " + violation.message);
    }
    if (!failure.faults.empty()) return failure;
    out = source.object;
    return std::nullopt;
  }

  // On a conflict `text` becomes our changes on top of what is there now, and `reasons` show both.
  Outcome Save(Context& context, const v1::Object& wanted, const std::vector<std::string>& paths, std::string& text,
               std::vector<std::string>& reasons) {
    v1::Object patch = EmptyObject(reference_.kind);
    CopyPaths(BodyOf(wanted), paths, MutableBodyOf(patch));
    MutableMetadataOf(patch).set_name(reference_.name);
    MutableMetadataOf(patch).set_etag(etag_);
    WarnOfClosing(context, current_, wanted, paths);
    Changed changed;
    bool is_outdated = false;
    const std::string name = Visible(ToString(reference_));
    Outcome failed = UpdateObject(context.client, patch, paths, false, changed, &is_outdated);
    if (!failed) {
      PrintWarnings(context, name, changed.warnings);
      context.streams.out << name;
      if (context.globals.format != Format::kName) {
        const auto brief = [](std::string* out, const std::string& path) { out->append(BriefPath(path)); };
        context.streams.out << " configured (" << absl::StrJoin(paths, ", ", brief) << ")";
      }
      context.streams.out << "\n";
      return std::nullopt;
    }
    if (!is_outdated) return failed;
    const v1::Object before = base_;
    if (Outcome unread = Read(context)) return unread;
    reasons = {name + " was changed by somebody else meanwhile. Below are your changes on top of theirs;", "save it to make it so."};
    for (const std::string& path : ChangedPaths(BodyOf(before), BodyOf(base_))) {
      reasons.push_back(
          absl::StrFormat("theirs: %s: %s -> %s", path, Visible(ShownAt(BodyOf(before), path)), Visible(ShownAt(BodyOf(base_), path))));
    }
    for (const std::string& path : paths) {
      reasons.push_back(
          absl::StrFormat("yours:  %s: %s -> %s", path, Visible(ShownAt(BodyOf(before), path)), Visible(ShownAt(BodyOf(wanted), path))));
    }
    v1::Object merged = base_;
    CopyPaths(BodyOf(wanted), paths, MutableBodyOf(merged));
    text = manifest::ToYaml(merged);
    is_merged_ = true;  // saved as it is, it is a change all the same
    return failed;
  }

  std::string Header(const std::vector<std::string>& reasons) const {
    std::vector<std::string> lines = {
        "Edit " + Visible(ToString(reference_)) + " and save it. Comments here on top are left out; an empty file cancels.",
        "Secrets are not shown, and stay as they are."};
    if (!reasons.empty()) lines.emplace_back("");
    lines.insert(lines.end(), reasons.begin(), reasons.end());
    return AsComments(lines) + "#\n";
  }

  static Outcome Cancelled(Context& context, EditedFile& file, Outcome last) {
    if (last) {
      last->faults.insert(last->faults.begin(), "edit cancelled, nothing was changed");
      return Kept(file, std::move(last));
    }
    if (!context.globals.quiet) context.streams.err << "edit cancelled\n";
    return std::nullopt;
  }

  static Outcome Kept(EditedFile& file, Outcome failed) {
    file.Keep();
    failed->next = "your text is kept in " + Visible(file.path());
    return failed;
  }

  Reference reference_{};
  v1::Object base_;   // as the daemon has it and a file would hold it
  v1::Object current_;  // the same with its status
  std::string etag_;  // of it
  bool is_merged_ = false;
};

}  // namespace

Verb AddEdit(CLI::App& root) {
  auto command = std::make_unique<Edit>();
  CLI::App* app = AddVerb(root, "edit", "Opens one object in $VISUAL or $EDITOR and applies what was changed.",
                          "culvertctl edit fwd/pg\n"
                          "EDITOR=nano culvertctl edit dialer edge");
  app->add_option("what", command->words, "KIND/NAME or KIND NAME");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
