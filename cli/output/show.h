// Resources on standard output, in the format that -o asks for. Thread: confined to the command.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cli/objects/resource.h"
#include "cli/output/tables.h"
#include "cli/target/command_context.h"
#include "cli/text/expression.h"

namespace culvert::cli {

// All formats; each prints resources of any kind.
std::vector<Format> ResourceFormats();

class Show {
 public:
  // `kinds`: of which resources may come, for the names of fields in expressions. `is_one`: the document is one resource, not a List
  // of them. Errors: usage: the expression, with the place of the fault. Nobody is contacted.
  static Outcome Make(const Globals& globals, const std::vector<Kind>& kinds, bool is_one, std::unique_ptr<Show>& out);

  // Everything at once: tables by kind with a blank line between them, or documents.
  Outcome All(Context& context, const std::vector<Group>& groups) const;
  // One of many that follow one another: a document, a name, or what the expression finds in it. REQUIRES: !IsTable().
  Outcome One(Context& context, const Resource& resource) const;

  // Rows below headers: table, wide, custom-columns.
  [[nodiscard]] bool IsTable() const;
  // The columns are those of the expression, whatever the kind.
  [[nodiscard]] bool HasOwnColumns() const { return columns_ != nullptr; }
  [[nodiscard]] Table Headings(Kind kind, const TableOptions& options) const;
  void Add(const Resource& resource, const TableOptions& options, Table& table) const;

 private:
  explicit Show(const Globals& globals, bool is_one) : format_(globals.format), is_one_(is_one) {}
  void Tables(Context& context, const std::vector<Group>& groups) const;
  Outcome Evaluate(Context& context, const Document& document) const;

  const Format format_;
  const bool is_one_;
  std::unique_ptr<Expression> expression_;
  std::unique_ptr<CustomColumns> columns_;
};

// What -o wide and --no-headers and the terminal say about tables.
TableOptions TableOptionsOf(const Context& context, bool with_kind);
Table::Options PrintOptionsOf(const Context& context);

// -o json of one resource: apiVersion and kind in front. Ends with a newline.
std::string ToJson(const Resource& resource);
// The file form, with status.
std::string ToYaml(const Resource& resource);

}  // namespace culvert::cli
