// What -o jsonpath=, jmespath= and custom-columns= say, and the documents they are asked of. A document is the JSON of -o json, in
// which numbers are numbers, also those of 64 bits, and numbers and booleans outside of a spec are there when they are 0 or false.
//
// jsonpath, as kubectl has it: a path, or a text with paths in braces. What stands around braces is printed as it is; what a path
// finds is separated by spaces, texts bare, objects as JSON. {"\n"} is a text with escapes, {range PATH}...{end} goes through what a
// path finds. custom-columns=HEADER:PATH,HEADER:PATH is a table, with <none> where a path finds nothing. jmespath prints its one
// result: a text bare, anything else as JSON.
// Texts of documents come out printable (escape.h), texts of the expression as they were written.
// Thread: any; values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/text/json_path.h"
#include "google/protobuf/message.h"

namespace culvert::cli {

class Document {
 public:
  // `json`: of a message of `type`, with or without apiVersion and kind.
  Document(const std::string& json, const google::protobuf::Descriptor& type);
  static Document List(const std::vector<Document>& items);
  ~Document();
  Document(const Document&);
  Document& operator=(const Document&) = delete;

  struct Json;
  const Json& json() const { return *json_; }

 private:
  Document();
  std::unique_ptr<Json> json_;
};

class Expression {
 public:
  virtual ~Expression() = default;
  // Ends with a newline unless it is empty. Errors: INVALID_ARGUMENT: it does not fit the document (a JMESPath function of something
  // else).
  [[nodiscard]] virtual absl::StatusOr<std::string> Print(const Document& document) const = 0;
};

// Errors: INVALID_ARGUMENT, "character N: ..." counted from 1.
absl::StatusOr<std::unique_ptr<Expression>> ParseJsonPathTemplate(const std::string& text, const Shape& shape);
absl::StatusOr<std::unique_ptr<Expression>> ParseJmesPath(const std::string& text);

class CustomColumns {
 public:
  // `shape`: of one resource. Errors: as above.
  static absl::StatusOr<std::unique_ptr<CustomColumns>> Parse(const std::string& text, const Shape& shape);
  virtual ~CustomColumns() = default;

  [[nodiscard]] const std::vector<std::string>& headers() const { return headers_; }
  // As many cells; several finds of one path are joined by commas.
  [[nodiscard]] virtual std::vector<std::string> Row(const Document& document) const = 0;

 protected:
  std::vector<std::string> headers_;
};

}  // namespace culvert::cli
