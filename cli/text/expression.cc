// The only file that sees jsoncons, whose templates take their time to compile. Nothing is thrown out of it.
#include "cli/text/expression.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/text/escape.h"
#include "cli/text/text.h"
#include "core/base/check.h"
#include "jsoncons/json.hpp"
#include "jsoncons_ext/jmespath/jmespath.hpp"
#include "jsoncons_ext/jsonpath/jsonpath.hpp"
#include "proto/manifest/schema.h"

namespace culvert::cli {

struct Document::Json {
  jsoncons::ojson value;
};

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Value = jsoncons::ojson;  // in the order of the fields
using CompiledPath = jsoncons::jsonpath::jsonpath_expression<Value>;

absl::Status At(size_t position, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrFormat("character %d: %s", position + 1, problem));
}

// "Expected ..." of the library, as our messages begin.
std::string InOurWords(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_tolower(static_cast<unsigned char>(text[0]));
  return Visible(text);
}

bool IsWide(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 || field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
}

// A 64-bit number, which protobuf's JSON holds as a text.
Value NumberOf(const Value& value) {
  uint64_t natural = 0;
  int64_t whole = 0;
  if (!value.is_string()) return value;
  const std::string text = value.as<std::string>();
  if (absl::SimpleAtoi(text, &natural)) return natural;
  return absl::SimpleAtoi(text, &whole) ? Value(whole) : value;
}

bool IsPlainNumberOrBool(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return false;
    default:
      return !field.is_repeated() && !field.has_presence();
  }
}

void MakeNumbers(Value& json, const Descriptor& type, bool with_zeros);

void MakeNumbers(Value& json, const FieldDescriptor& field, bool with_zeros) {
  if (field.is_map()) {
    const FieldDescriptor& value = *field.message_type()->map_value();
    for (auto& member : json.object_range()) {
      if (IsWide(value)) member.value() = NumberOf(member.value());
    }
    return;
  }
  // What a spec leaves out is not 0, but the default.
  with_zeros = with_zeros && field.name() != "spec";
  const auto make_one = [&field, with_zeros](Value& one) {
    if (IsWide(field)) one = NumberOf(one);
    if (manifest::IsBlock(&field) && one.is_object()) MakeNumbers(one, *field.message_type(), with_zeros);
  };
  if (!field.is_repeated()) return make_one(json);
  for (Value& element : json.array_range()) make_one(element);
}

void MakeNumbers(Value& json, const Descriptor& type, bool with_zeros) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (json.contains(field.json_name())) {
      MakeNumbers(json[field.json_name()], field, with_zeros);
    } else if (with_zeros && IsPlainNumberOrBool(field)) {
      json.insert_or_assign(field.json_name(), field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL ? Value(false) : Value(0));
    }
  }
}

// A text bare, anything else as JSON on one line or, indented, over several.
std::string Bare(const Value& value, bool indented = false) {
  if (value.is_string()) return Visible(value.as<std::string>());
  std::string json;
  if (indented && (value.is_object() || value.is_array())) {
    jsoncons::json_options options;
    options.indent_size(1);
    options.spaces_around_comma(jsoncons::spaces_option::no_spaces);
    options.array_array_line_splits(jsoncons::line_split_kind::multi_line);
    options.object_array_line_splits(jsoncons::line_split_kind::multi_line);
    value.dump_pretty(json, options);
    std::string out;
    // The only line ends are those between members.
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(json, '\n'))) {
      absl::StrAppend(&out, out.empty() ? "" : "\n", Visible(line));
    }
    return out;
  }
  value.dump(json);
  return Visible(json);
}

absl::StatusOr<CompiledPath> Compile(const JsonPath& path, size_t offset) {
  try {
    return jsoncons::jsonpath::make_expression<Value>(path.text);
  } catch (const jsoncons::jsonpath::jsonpath_error& error) {
    const size_t at = std::min(error.column() > 0 ? error.column() - 1 : 0, path.text.size() - 1);
    return At(offset + path.origins[at], InOurWords(error.code().message()));
  }
}

std::vector<Value> Find(const CompiledPath& path, const Value& document) {
  std::vector<Value> found;
  try {
    path.select(document, [&found](const auto&, const Value& value) { found.push_back(value); });
  } catch (const std::exception&) {
    // A filter that does not fit an element matches nothing.
  }
  return found;
}

// --- jsonpath ---------------------------------------------------------------------------------------------------------

struct Part {
  std::string text;                  // as it is, unless there is
  std::optional<CompiledPath> path;  // what is to be found; with
  std::vector<Part> inside;          // for each find
  bool is_range = false;
};

class PathTemplate : public Expression {
 public:
  explicit PathTemplate(std::vector<Part> parts) : parts_(std::move(parts)) {}

  absl::StatusOr<std::string> Print(const Document& document) const override {
    std::string out;
    PrintParts(parts_, document.json().value, out);
    if (!out.empty() && out.back() != '\n') out += '\n';
    return out;
  }

 private:
  static void PrintParts(const std::vector<Part>& parts, const Value& value, std::string& out) {
    for (const Part& part : parts) {
      out += part.text;
      if (!part.path) continue;
      bool is_first = true;
      for (const Value& found : Find(*part.path, value)) {
        if (part.is_range) {
          PrintParts(part.inside, found, out);
        } else {
          absl::StrAppend(&out, std::exchange(is_first, false) ? "" : " ", Bare(found));
        }
      }
    }
  }

  const std::vector<Part> parts_;
};

class TemplateParser {
 public:
  explicit TemplateParser(const std::string& text) : text_(text) {}

  absl::StatusOr<std::vector<Part>> Run(const Shape& shape) {
    std::vector<Part> parts;
    if (absl::Status failed = TakeParts(shape, 0, parts); !failed.ok()) return failed;
    return parts;
  }

 private:
  // Up to the end, or to the {end} of the range that began before `range_at`.
  absl::Status TakeParts(const Shape& shape, size_t range_at, std::vector<Part>& parts) {
    while (at_ < text_.size()) {
      const size_t brace = text_.find('{', at_);
      const std::string plain = text_.substr(at_, brace == std::string::npos ? brace : brace - at_);
      if (!plain.empty()) parts.push_back({.text = plain});
      if (brace == std::string::npos) {
        at_ = text_.size();
        break;
      }
      const size_t close = CloseOf(brace);
      if (close == std::string::npos) return At(brace, "this brace is not closed");
      at_ = close + 1;
      const std::string_view inside = std::string_view(text_).substr(brace + 1, close - brace - 1);
      const std::string_view stripped = Trimmed(inside);
      if (stripped == "end") {
        if (range_at == 0) return At(brace, "{end} ends no range");
        return absl::OkStatus();
      }
      if (absl::Status failed = TakeBraces(inside, stripped, brace, shape, parts); !failed.ok()) return failed;
    }
    return range_at == 0 ? absl::OkStatus() : At(range_at - 1, "this range has no {end}");
  }

  absl::Status TakeBraces(std::string_view inside, std::string_view stripped, size_t brace, const Shape& shape, std::vector<Part>& parts) {
    if (stripped.empty()) return At(brace, "a path is expected between the braces");
    if (stripped.front() == '"' || stripped.front() == '\'') {
      parts.push_back({.text = Unescaped(stripped.substr(1, stripped.size() - 2))});
      return absl::OkStatus();
    }
    size_t offset = brace + 1;
    const bool is_range = stripped.starts_with("range ");
    if (is_range) {
      const size_t skipped = inside.find("range ") + std::string_view("range ").size();
      inside.remove_prefix(skipped);
      offset += skipped;
    }
    absl::StatusOr<JsonPath> path = ParseJsonPath(inside, shape, offset);
    if (!path.ok()) return path.status();
    absl::StatusOr<CompiledPath> compiled = Compile(*path, offset);
    if (!compiled.ok()) return compiled.status();
    Part part;
    part.path = *std::move(compiled);
    part.is_range = is_range;
    if (is_range) {
      if (++depth_ > kMaxDepth) return At(brace, "too many ranges inside one another");
      if (absl::Status failed = TakeParts(path->shape, brace + 1, part.inside); !failed.ok()) return failed;
      --depth_;
    }
    parts.push_back(std::move(part));
    return absl::OkStatus();
  }

  // Where the brace at `open` is closed: quotes hide braces.
  size_t CloseOf(size_t open) const {
    char quote = 0;
    for (size_t i = open + 1; i < text_.size(); ++i) {
      const char c = text_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        if (c == quote) quote = 0;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == '}') {
        return i;
      }
    }
    return std::string::npos;
  }

  static std::string Unescaped(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 == text.size()) {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
    }
    return out;
  }

  static constexpr int kMaxDepth = 16;
  const std::string& text_;
  size_t at_ = 0;
  int depth_ = 0;
};

// --- jmespath ---------------------------------------------------------------------------------------------------------

class Jmes : public Expression {
 public:
  explicit Jmes(jsoncons::jmespath::jmespath_expression<Value> compiled) : compiled_(std::move(compiled)) {}

  absl::StatusOr<std::string> Print(const Document& document) const override {
    std::error_code error;
    try {
      const Value found = compiled_.evaluate(document.json().value, error);
      if (!error) return Bare(found, true) + "\n";
      return absl::InvalidArgumentError(InOurWords(error.message()));
    } catch (const std::exception& thrown) {
      return absl::InvalidArgumentError(InOurWords(thrown.what()));
    }
  }

 private:
  const jsoncons::jmespath::jmespath_expression<Value> compiled_;
};

// --- custom-columns ---------------------------------------------------------------------------------------------------

class Columns : public CustomColumns {
 public:
  void Add(std::string header, CompiledPath path) {
    headers_.push_back(std::move(header));
    paths_.push_back(std::move(path));
  }
  std::vector<std::string> Row(const Document& document) const override {
    std::vector<std::string> cells;
    for (const CompiledPath& path : paths_) {
      std::string cell;
      for (const Value& found : Find(path, document.json().value)) absl::StrAppend(&cell, cell.empty() ? "" : ",", Bare(found));
      cells.push_back(cell.empty() ? "<none>" : cell);
    }
    return cells;
  }

 private:
  std::vector<CompiledPath> paths_;
};

// Where the column that begins at `begin` ends: at a comma that is in no brackets, quotes or braces.
size_t EndOfColumn(const std::string& text, size_t begin) {
  char quote = 0;
  int depth = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') ++i;
      if (c == quote) quote = 0;
      continue;
    }
    if (c == '\'' || c == '"') quote = c;
    if (c == '[' || c == '(' || c == '{') ++depth;
    if (c == ']' || c == ')' || c == '}') --depth;
    if (c == ',' && depth <= 0) return i;
  }
  return text.size();
}

}  // namespace

Document::Document() : json_(std::make_unique<Json>()) {}
Document::Document(const std::string& json, const Descriptor& type) : Document() {
  std::error_code error;
  jsoncons::json_decoder<Value> decoder;
  jsoncons::json_string_reader reader(json, decoder);
  reader.read(error);
  CULVERT_CHECK(!error && decoder.is_valid());  // protobuf made it
  json_->value = decoder.get_result();
  MakeNumbers(json_->value, type, true);
}
Document::~Document() = default;
Document::Document(const Document& other) : json_(std::make_unique<Json>(*other.json_)) {}

Document Document::List(const std::vector<Document>& items) {
  Document list;
  Value elements(jsoncons::json_array_arg);
  for (const Document& item : items) elements.push_back(item.json().value);
  list.json_->value = Value(jsoncons::json_object_arg);
  list.json_->value.insert_or_assign("apiVersion", "culvert/v1");
  list.json_->value.insert_or_assign("kind", "List");
  list.json_->value.insert_or_assign("items", std::move(elements));
  return list;
}

absl::StatusOr<std::unique_ptr<Expression>> ParseJsonPathTemplate(const std::string& text, const Shape& shape) {
  if (text.find('{') == std::string::npos) {
    absl::StatusOr<JsonPath> path = ParseJsonPath(text, shape);
    if (!path.ok()) return path.status();
    absl::StatusOr<CompiledPath> compiled = Compile(*path, 0);
    if (!compiled.ok()) return compiled.status();
    std::vector<Part> parts(1);
    parts[0].path = *std::move(compiled);
    return std::make_unique<PathTemplate>(std::move(parts));
  }
  absl::StatusOr<std::vector<Part>> parts = TemplateParser(text).Run(shape);
  if (!parts.ok()) return parts.status();
  return std::make_unique<PathTemplate>(*std::move(parts));
}

absl::StatusOr<std::unique_ptr<Expression>> ParseJmesPath(const std::string& text) {
  try {
    return std::make_unique<Jmes>(jsoncons::jmespath::make_expression<Value>(text));
  } catch (const jsoncons::jmespath::jmespath_error& error) {
    return At(error.column() > 0 ? error.column() - 1 : 0, InOurWords(error.code().message()));
  }
}

absl::StatusOr<std::unique_ptr<CustomColumns>> CustomColumns::Parse(const std::string& text, const Shape& shape) {
  auto columns = std::make_unique<Columns>();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = EndOfColumn(text, begin);
    const std::string column = text.substr(begin, end - begin);
    const size_t colon = column.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == column.size()) {
      return At(begin, absl::StrFormat("\"%s\" is not HEADER:PATH", Visible(column.substr(0, 64))));
    }
    std::string path = column.substr(colon + 1);
    size_t offset = begin + colon + 1;
    if (path.size() >= 2 && path.front() == '{' && path.back() == '}') {
      path = path.substr(1, path.size() - 2);
      ++offset;
    }
    absl::StatusOr<JsonPath> parsed = ParseJsonPath(path, shape, offset);
    if (!parsed.ok()) return parsed.status();
    absl::StatusOr<CompiledPath> compiled = Compile(*parsed, offset);
    if (!compiled.ok()) return compiled.status();
    columns->Add(Visible(column.substr(0, colon)), *std::move(compiled));
    begin = end + 1;
  }
  return columns;
}

}  // namespace culvert::cli
