#include "cli/output/show.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/objects/kind_types.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

std::string ToJsonLine(const Resource& resource) {
  const auto* object = std::get_if<v1::Object>(&resource);
  return object ? ObjectToJsonLine(*object) : ObservedToJsonLine(MessageOf(resource));
}

Document DocumentOf(const Resource& resource) { return {ToJsonLine(resource), *MessageOf(resource).GetDescriptor()}; }

}  // namespace

std::string ToJson(const Resource& resource) {
  const auto* object = std::get_if<v1::Object>(&resource);
  return object ? ObjectToJson(*object) : ObservedToJson(MessageOf(resource));
}

std::string ToYaml(const Resource& resource) {
  if (const auto* object = std::get_if<v1::Object>(&resource)) return manifest::ToYaml(*object, true);
  const google::protobuf::Message& message = MessageOf(resource);
  return absl::StrCat("apiVersion: culvert/v1\nkind: ", message.GetDescriptor()->name(), "\n",
                      manifest::EmitFields(message, 0, {true}));
}

std::vector<Format> ResourceFormats() {
  return {Format::kTable, Format::kWide,     Format::kJson,     Format::kJsonLines,    Format::kYaml,
          Format::kName,  Format::kJsonPath, Format::kJmesPath, Format::kCustomColumns};
}

TableOptions TableOptionsOf(const Context& context, bool with_kind) {
  return {.wide = context.globals.format == Format::kWide, .with_kind = with_kind, .now_seconds = context.streams.now_seconds()};
}

Table::Options PrintOptionsOf(const Context& context) {
  return {.with_headers = !context.globals.no_headers, .color = context.streams.color, .columns = context.streams.columns};
}

Outcome Show::Make(const Globals& globals, const std::vector<Kind>& kinds, bool is_one, std::unique_ptr<Show>& out) {
  std::unique_ptr<Show> show(new Show(globals, is_one));
  std::vector<const google::protobuf::Descriptor*> types;
  for (const Kind kind : kinds) types.push_back(&DescriptorOf(kind));
  absl::Status status;
  const auto take = [&status](auto parsed, auto& member) {
    status = parsed.status();
    if (parsed.ok()) member = *std::move(parsed);
  };
  std::string example;
  if (globals.format == Format::kJsonPath) {
    take(ParseJsonPathTemplate(globals.expression, Shape::Document(types, !is_one)), show->expression_);
    example = is_one ? "-o jsonpath='{.metadata.name}'" : "-o jsonpath='{.items[*].metadata.name}'";
  } else if (globals.format == Format::kJmesPath) {
    take(ParseJmesPath(globals.expression), show->expression_);
    example = is_one ? "-o jmespath=metadata.name" : "-o jmespath='items[].metadata.name'";
  } else if (globals.format == Format::kCustomColumns) {
    take(CustomColumns::Parse(globals.expression, Shape::Document(types, false)), show->columns_);
    example = "-o custom-columns=NAME:.metadata.name";
  }
  if (!status.ok()) {
    return Usage(absl::StrCat("-o ", globals.output.substr(0, globals.output.find('=')), ": ", std::string(status.message())),
                 "as in " + example);
  }
  out = std::move(show);
  return std::nullopt;
}

bool Show::IsTable() const {
  return format_ == Format::kTable || format_ == Format::kWide || format_ == Format::kCustomColumns;
}

Table Show::Headings(Kind kind, const TableOptions& options) const {
  return columns_ ? Table(columns_->headers()) : HeadingsOf(kind, options);
}

void Show::Add(const Resource& resource, const TableOptions& options, Table& table) const {
  if (!columns_) return AddRow(resource, options, table);
  std::vector<Cell> row;
  for (std::string& cell : columns_->Row(DocumentOf(resource))) row.emplace_back(std::move(cell));
  table.Add(std::move(row));
}

Outcome Show::One(Context& context, const Resource& resource) const {
  std::ostream& out = context.streams.out;
  switch (format_) {
    case Format::kName:
      out << DisplayName(resource) << "\n";
      return std::nullopt;
    case Format::kJson:
      out << ToJson(resource);
      return std::nullopt;
    case Format::kYaml:
      out << ToYaml(resource);
      return std::nullopt;
    case Format::kJsonPath:
    case Format::kJmesPath:
      return Evaluate(context, DocumentOf(resource));
    default:
      out << ToJsonLine(resource) << "\n";
      return std::nullopt;
  }
}

Outcome Show::All(Context& context, const std::vector<Group>& groups) const {
  if (IsTable()) {
    Tables(context, groups);
    return std::nullopt;
  }
  std::vector<const Resource*> all;
  for (const Group& group : groups) {
    for (const Resource& resource : group.items) all.push_back(&resource);
  }
  // What was named and is missing leaves no document; a list is one even when it is empty.
  if (is_one_) return all.empty() ? std::nullopt : One(context, *all[0]);
  if (format_ == Format::kJson) {
    std::vector<std::string> items;
    for (const Resource* resource : all) items.push_back(ToJson(*resource));
    context.streams.out << ListToJson(items);
    return std::nullopt;
  }
  if (expression_) {
    std::vector<Document> items;
    for (const Resource* resource : all) items.push_back(DocumentOf(*resource));
    return Evaluate(context, Document::List(items));
  }
  bool is_first = true;
  for (const Resource* resource : all) {
    if (format_ == Format::kYaml && !std::exchange(is_first, false)) context.streams.out << "---\n";
    One(context, *resource);
  }
  return std::nullopt;
}

Outcome Show::Evaluate(Context& context, const Document& document) const {
  const absl::StatusOr<std::string> printed = expression_->Print(document);
  if (!printed.ok()) return Usage(absl::StrCat("-o jmespath: ", std::string(printed.status().message())));
  context.streams.out << *printed;
  return std::nullopt;
}

void Show::Tables(Context& context, const std::vector<Group>& groups) const {
  const TableOptions options = TableOptionsOf(context, groups.size() > 1);
  bool is_first = true;
  // The columns are the same for every kind: one table.
  if (columns_) {
    Table table(columns_->headers());
    for (const Group& group : groups) {
      for (const Resource& resource : group.items) Add(resource, options, table);
    }
    return table.Print(context.streams.out, PrintOptionsOf(context));
  }
  for (const Group& group : groups) {
    if (group.items.empty()) continue;
    if (!std::exchange(is_first, false)) context.streams.out << "\n";
    TableOf(group, options).Print(context.streams.out, PrintOptionsOf(context));
  }
}

}  // namespace culvert::cli
