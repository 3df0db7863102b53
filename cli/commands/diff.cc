// culvertctl diff: what apply would change, field by field. The daemon finds it out, so that it is what apply would do.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/changes/apply_call.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/objects/field_path.h"
#include "cli/objects/manifest_files.h"
#include "cli/objects/object_changes.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"

namespace culvert::cli {
namespace {

using Result = v1::ApplyResponse::Result;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kMaxShown = 200;  // of one value; the rest is in -o json

std::string Shown(const std::string& value) {
  const std::string text = Visible(value.substr(0, kMaxShown));
  return value.size() > kMaxShown ? text + "..." : text;
}

// The message that holds the field which `path` names, in a body.
const Message& OwnerOf(const Message& body, const FieldPath& path) {
  const Message* owner = &body;
  for (size_t i = 0; i + 1 < path.steps.size(); ++i) owner = &owner->GetReflection()->GetMessage(*owner, path.steps[i].field);
  return *owner;
}

FieldPath OneStep(const FieldDescriptor* field, std::optional<int> index, std::optional<std::string> key) {
  FieldPath path;
  path.steps.push_back({field, index, std::move(key)});
  return path;
}

std::vector<std::string> Elements(const Message& owner, const FieldDescriptor* field) {
  std::vector<std::string> elements;
  for (int i = 0; i < owner.GetReflection()->FieldSize(owner, field); ++i) {
    elements.push_back(ReadField(owner, OneStep(field, i, std::nullopt)).value_or(""));
  }
  return elements;
}

std::vector<std::string> Keys(const Message& before, const Message& after, const FieldDescriptor* field) {
  std::set<std::string> keys;
  for (const Message* owner : {&before, &after}) {
    for (int i = 0; i < owner->GetReflection()->FieldSize(*owner, field); ++i) {
      const Message& entry = owner->GetReflection()->GetRepeatedMessage(*owner, field, i);
      keys.insert(entry.GetReflection()->GetString(entry, field->message_type()->map_key()));
    }
  }
  return {keys.begin(), keys.end()};
}

// "+c:3 -a:1": what came to a list and what went. Empty: only the order is another, or it is long.
std::string ListChange(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  std::string text;
  const auto add = [&text](char mark, const std::vector<std::string>& these, const std::vector<std::string>& those) {
    for (const std::string& one : these) {
      if (std::count(those.begin(), those.end(), one) == 0)
        absl::StrAppend(&text, text.empty() ? "" : " ", std::string(1, mark), Shown(one));
    }
  };
  add('+', after, before);
  add('-', before, after);
  return text;
}

// "spec.max_sessions: 8 -> 16", a line for each key of a map.
void AddFieldLines(const Message& before, const Message& after, const std::string& path, std::vector<std::string>& lines) {
  const auto parsed = ParseFieldPath(*before.GetDescriptor(), path);
  if (!parsed.ok() || !parsed->field().is_repeated()) {
    lines.push_back(absl::StrFormat("%s: %s -> %s", Visible(path), Shown(ShownAt(before, path)), Shown(ShownAt(after, path))));
    return;
  }
  const FieldDescriptor* field = &parsed->field();
  const Message& old_owner = OwnerOf(before, *parsed);
  const Message& new_owner = OwnerOf(after, *parsed);
  if (field->is_map()) {
    for (const std::string& key : Keys(old_owner, new_owner, field)) {
      const FieldPath entry = OneStep(field, std::nullopt, key);
      const auto old_value = ReadField(old_owner, entry), new_value = ReadField(new_owner, entry);
      if (old_value == new_value) continue;
      lines.push_back(absl::StrFormat("%s.%s: %s -> %s", path, Visible(key), old_value ? Shown(*old_value) : "<unset>",
                                      new_value ? Shown(*new_value) : "<unset>"));
    }
    return;
  }
  const std::string change = ListChange(Elements(old_owner, field), Elements(new_owner, field));
  const std::string whole = Shown(ShownAt(before, path)) + " -> " + Shown(ShownAt(after, path));
  lines.push_back(path + ": " + (change.empty() || old_owner.GetReflection()->FieldSize(old_owner, field) == 0 ? whole : change));
}

struct Row {
  char mark;
  std::string name;
  std::string text;  // empty: the name says it all
};

void AddRows(const Result& result, std::vector<Row>& rows) {
  const std::string name = Visible(result.kind()) + "/" + Visible(result.name());
  const bool is_whole = result.has_before() && result.has_after() && result.before().kind_case() == result.after().kind_case() &&
                        result.before().kind_case() != v1::Object::KIND_NOT_SET;
  switch (result.action()) {
    case v1::ApplyResponse::ACTION_CREATED:
      rows.push_back({'+', name, ""});
      return;
    case v1::ApplyResponse::ACTION_DELETED:
      rows.push_back({'-', name, ""});
      return;
    case v1::ApplyResponse::ACTION_CONFIGURED:
      break;
    default:
      return;
  }
  std::vector<std::string> lines;
  for (const std::string& path : result.changed_paths()) {
    if (is_whole) {
      AddFieldLines(BodyOf(result.before()), BodyOf(result.after()), path, lines);
    } else {
      lines.push_back(Visible(path));
    }
  }
  if (lines.empty()) lines.push_back("(the content of a file that it names)");
  for (std::string& line : lines) rows.push_back({result.disruptive() ? '!' : '~', name, std::move(line)});
  if (result.disruptive()) rows.back().text += "   (closes its sessions)";
}

class Diff : public Command {
 public:
  std::vector<std::string> files;
  ApplyOptions options;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kName, Format::kJson}}; }
  Outcome Validate(const Globals&) override { return CheckFileNames(files, "diff"); }

  Outcome Run(Context& context) override {
    std::vector<manifest::SourceObject> sources;
    if (Outcome failed = LoadManifests(files, sources)) return failed;
    if (Outcome failed = context.client.Connect()) return failed;
    v1::ApplyResponse response;
    if (Outcome failed = CallApply(context.client, sources, options, true, response)) return failed;
    std::vector<Row> rows;
    for (const Result& result : response.results()) AddRows(result, rows);
    if (context.globals.format == Format::kJson) {
      context.streams.out << ToJson(response);
    } else {
      Print(context, rows);
    }
    for (const Result& result : response.results()) {
      PrintWarnings(context, Visible(result.kind()) + "/" + Visible(result.name()), result.warnings());
    }
    if (rows.empty()) return std::nullopt;
    return Failure{ExitCode::kFalse, {}, "", ""};
  }

 private:
  static void Print(Context& context, const std::vector<Row>& rows) {
    size_t width = 0;
    for (const Row& row : rows) width = std::max(width, row.text.empty() ? 0 : DisplayWidth(row.name));
    std::string last;
    for (const Row& row : rows) {
      if (context.globals.format == Format::kName) {
        if (row.name != last) context.streams.out << row.name << "\n";
        last = row.name;
        continue;
      }
      context.streams.out << Painted(row.mark, context.streams.color) << " " << row.name;
      if (!row.text.empty()) context.streams.out << std::string(width - DisplayWidth(row.name) + 2, ' ') << row.text;
      context.streams.out << "\n";
    }
  }

  static std::string Painted(char mark, bool color) {
    const std::string text(1, mark);
    if (!color) return text;
    const char* paint = mark == '+' ? "\x1b[32m" : mark == '~' ? "\x1b[33m" : "\x1b[31m";
    return paint + text + "\x1b[0m";
  }
};

}  // namespace

Verb AddDiff(CLI::App& root) {
  auto command = std::make_unique<Diff>();
  CLI::App* app = AddVerb(root, "diff", "Shows what apply would change. Exit code 0: nothing, 1: something.",
                          "culvertctl diff -f tunnels/\n"
                          "culvertctl diff -f tunnels/ --prune --manager ci     with what would be deleted\n"
                          "culvertctl diff -f - < tunnel.yaml\n"
                          "+ created   - deleted   ~ changed   ! changed, and its sessions are closed");
  app->add_option("-f,--file", command->files, "a file, a folder, or - for standard input; may be repeated")->allow_extra_args(false);
  AddApplyOptions(*app, command->options);
  return {app, std::move(command)};
}

}  // namespace culvert::cli
