// culvertctl explain: what the fields of a file mean, from the API's own definition; asks no daemon.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/help/schema_docs.h"
#include "cli/objects/kind_types.h"
#include "cli/text/escape.h"
#include "cli/text/printer.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::string TypeOf(const FieldDescriptor* field) {
  if (field->is_map()) return "map of texts";
  std::string type;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      type = manifest::IsDuration(field)    ? "duration"
             : manifest::IsTimestamp(field) ? "time"
                                            : field->message_type()->name();
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      type = "text";
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      type = "true or false";
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      type = absl::StrJoin(manifest::ShortNames(field->enum_type()), "|");
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      type = "number";
      break;
    default:
      type = "whole number";
  }
  return field->is_repeated() ? "list of " + type : type;
}

std::string Bound(const FieldDescriptor* field, int64_t bound) {
  return manifest::IsDuration(field)
             ? manifest::FormatDuration(google::protobuf::util::TimeUtil::MillisecondsToDuration(bound))
             : absl::StrCat(bound);
}

// "required, immutable, default 1232, 576 to 1460"
std::string RulesOf(const FieldDescriptor* field) {
  const v1::FieldRules& rules = manifest::RulesOf(field);
  std::vector<std::string> parts;
  if (rules.required()) parts.push_back("required");
  if (rules.immutable()) parts.push_back("immutable");
  if (rules.output_only()) parts.push_back("set by the daemon");
  if (rules.secret()) parts.push_back("secret, never printed");
  if (!rules.default_text().empty()) parts.push_back("default " + rules.default_text());
  if (rules.min() != 0 || rules.max() != 0) {
    parts.push_back(Bound(field, rules.min()) + " to " + Bound(field, rules.max()));
  }
  if (!rules.reference().empty()) parts.push_back("name of a " + rules.reference());
  switch (rules.format()) {
    case v1::FieldRules::FORMAT_BIND:
      parts.push_back("ADDRESS:PORT");
      break;
    case v1::FieldRules::FORMAT_HOST_PORT:
      parts.push_back("HOST:PORT");
      break;
    case v1::FieldRules::FORMAT_ADDRESS:
      parts.push_back("an IP address");
      break;
    case v1::FieldRules::FORMAT_FILE:
      parts.push_back("a file, relative to the one it stands in");
      break;
    default:
      break;
  }
  if (!rules.pattern().empty()) parts.push_back("matches " + rules.pattern());
  return absl::StrJoin(parts, ", ");
}

class Explain : public Command {
 public:
  std::string path;

  Outcome Validate(const Globals&) override {
    if (path.empty()) return Usage("a kind or field is wanted", "culvertctl explain dialer.spec.kcp");
    std::vector<std::string> names = absl::StrSplit(path, '.');
    const auto kind = ParseKind(names[0]);
    if (!kind.ok()) return Usage(std::string(kind.status().message()));
    message_ = &DescriptorOf(*kind);
    shown_path_ = Singular(*kind);
    for (size_t i = 1; i < names.size(); ++i) {
      if (message_ == nullptr) return Usage(shown_path_ + " has no fields of its own");
      field_ = manifest::FindField(message_, names[i]);
      if (field_ == nullptr) {
        return Usage(absl::StrFormat("%s has no field \"%s\"%s", shown_path_, Visible(names[i].substr(0, 64)),
                                     manifest::DidYouMean(names[i], manifest::FieldNames(message_))));
      }
      absl::StrAppend(&shown_path_, ".", field_->name());
      message_ = manifest::IsBlock(field_) ? field_->message_type() : nullptr;
    }
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    std::ostream& out = context.streams.out;
    const SchemaDocs docs;
    if (field_ == nullptr) {
      out << "KIND   " << message_->name() << "\n";
      PrintComment(out, docs.CommentOf(message_));
    } else {
      const std::string rules = RulesOf(field_);
      out << "FIELD  " << shown_path_ << " <" << TypeOf(field_) << ">" << (rules.empty() ? "" : "   " + rules) << "\n";
      PrintComment(out, docs.CommentOf(field_));
      if (message_ != nullptr) PrintComment(out, docs.CommentOf(message_));
      if (field_->enum_type() != nullptr) PrintValues(context, docs);
    }
    if (message_ != nullptr) PrintFields(context, docs);
    return std::nullopt;
  }

 private:
  static void PrintComment(std::ostream& out, const std::string& comment) {
    const std::vector<std::string> lines = absl::StrSplit(comment, '\n', absl::SkipEmpty());
    for (const std::string& line : lines) out << "  " << line << "\n";
  }

  void PrintValues(Context& context, const SchemaDocs& docs) const {
    Table table({"VALUE", "MEANING"});
    for (int i = 0; i < field_->enum_type()->value_count(); ++i) {
      const auto* value = field_->enum_type()->value(i);
      if (value->number() != 0) table.Add({manifest::ShortName(value), FirstLine(docs.CommentOf(value))});
    }
    context.streams.out << "\n";
    table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
  }

  void PrintFields(Context& context, const SchemaDocs& docs) const {
    Table table({"FIELD", "TYPE", "RULES", "MEANING"});
    for (int i = 0; i < message_->field_count(); ++i) {
      const FieldDescriptor* field = message_->field(i);
      const std::string rules = RulesOf(field);
      table.Add({field->name(), TypeOf(field), rules.empty() ? "-" : rules, FirstLine(docs.CommentOf(field))});
    }
    context.streams.out << "\n";
    table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
  }

  static std::string FirstLine(const std::string& comment) {
    const std::string line = comment.substr(0, comment.find('\n'));
    return line.empty() ? "-" : line;
  }

  const Descriptor* message_ = nullptr;     // whose fields are shown; nullptr: a plain field
  const FieldDescriptor* field_ = nullptr;  // nullptr: a kind
  std::string shown_path_;
};

}  // namespace

Verb AddExplain(CLI::App& root) {
  auto command = std::make_unique<Explain>();
  CLI::App* app =
      AddVerb(root, "explain", "Explains a kind or a field of it: type, rules, default, meaning. Asks no daemon.",
              "culvertctl explain listener\n"
              "culvertctl explain dialer.spec.kcp\n"
              "culvertctl explain forward.spec.tcp_idle_timeout");
  app->add_option("path", command->path, "KIND or KIND.FIELD.FIELD");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
