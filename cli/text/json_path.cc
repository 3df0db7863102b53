#include "cli/text/json_path.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/text/escape.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

bool IsNameByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || static_cast<signed char>(c) < 0;
}

Shape Open() { return {.is_open = true}; }

// What a field's values hold; of a list that of its elements, as a step into it comes next.
Shape ShapeOf(const FieldDescriptor& field) {
  if (!manifest::IsBlock(&field)) return Open();
  return {.types = {field.message_type()}};
}

class Parser {
 public:
  Parser(std::string_view path, Shape shape, size_t offset) : path_(path), offset_(offset) { out_.shape = std::move(shape); }

  absl::StatusOr<JsonPath> Run() {
    SkipBlanks();
    const size_t begin = at_;
    Emit("$", at_);
    if (at_ < path_.size() && (path_[at_] == '$' || path_[at_] == '@')) ++at_;
    // "status.state": the first name may do without its dot.
    const bool bare = at_ == begin && at_ < path_.size() && IsNameByte(path_[at_]);
    if (bare) {
      if (absl::Status failed = TakeName(); !failed.ok()) return failed;
    }
    while (at_ < path_.size()) {
      if (absl::Status failed = TakeStep(); !failed.ok()) return failed;
    }
    return std::move(out_);
  }

 private:
  absl::Status Wrong(size_t at, std::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrFormat("character %d: %s", offset_ + at + 1, problem));
  }
  void Emit(std::string_view text, size_t origin) {
    out_.text += text;
    out_.origins.insert(out_.origins.end(), text.size(), origin);
  }
  void SkipBlanks() {
    while (at_ < path_.size() && path_[at_] == ' ') ++at_;
  }

  absl::Status TakeStep() {
    if (path_[at_] == ' ') {
      const size_t blank = at_;
      SkipBlanks();
      return at_ == path_.size() ? absl::OkStatus() : Wrong(blank, "a blank stands inside a path");
    }
    if (path_[at_] == '[') return TakeBrackets();
    if (path_[at_] != '.') return Wrong(at_, absl::StrFormat("\"%s\" stands where . or [ is expected", Visible(path_.substr(at_, 1))));
    ++at_;
    if (at_ == path_.size()) return out_.text == "$" ? absl::OkStatus() : Wrong(at_ - 1, "a name is expected behind the dot");
    if (path_[at_] == '.') {
      Emit("..", at_++);
      out_.shape = Open();
      if (at_ == path_.size()) return Wrong(at_ - 1, "a name is expected behind the dots");
      if (path_[at_] == '[') return absl::OkStatus();
    }
    if (path_[at_] == '*') {
      Emit(out_.text.ends_with("..") ? "*" : ".*", at_++);
      out_.shape = Open();
      return absl::OkStatus();
    }
    return TakeName();
  }

  absl::Status TakeName() {
    const size_t begin = at_;
    std::string name;
    while (at_ < path_.size() && (IsNameByte(path_[at_]) || path_[at_] == '\\' || path_[at_] == '/')) {
      if (path_[at_] == '\\' && ++at_ == path_.size()) break;
      name += path_[at_++];
    }
    if (name.empty()) return Wrong(begin, "a name is expected");
    const absl::StatusOr<std::string> canonical = Follow(name, begin);
    if (!canonical.ok()) return canonical.status();
    Emit("['", begin);
    for (const char c : *canonical) Emit(c == '\'' || c == '\\' ? std::string{'\\', c} : std::string(1, c), begin);
    Emit("']", begin);
    return absl::OkStatus();
  }

  // As they are, up to the one that closes; quotes hide brackets.
  absl::Status TakeBrackets() {
    const size_t begin = at_;
    int depth = 0;
    char quote = 0;
    for (; at_ < path_.size(); ++at_) {
      const char c = path_[at_];
      Emit(path_.substr(at_, 1), at_);
      if (quote != 0) {
        if (c == '\\' && at_ + 1 < path_.size()) {
          ++at_;
          Emit(path_.substr(at_, 1), at_);
        } else if (c == quote) {
          quote = 0;
        }
        continue;
      }
      if (c == '\'' || c == '"') quote = c;
      if (c == '[') ++depth;
      if (c != ']' || --depth > 0) continue;
      ++at_;
      const std::string_view inside = path_.substr(begin + 1, at_ - begin - 2);
      // A name in quotes leads into a field; numbers, filters and * stay among the elements of a list.
      if (inside.find_first_of("'\"") < 1) out_.shape = Open();
      return absl::OkStatus();
    }
    return Wrong(begin, quote != 0 ? "this bracket is not closed: a quote in it is open" : "this bracket is not closed");
  }

  // The name as the JSON has it; the shape becomes that of what is behind it.
  absl::StatusOr<std::string> Follow(const std::string& name, size_t at) {
    if (out_.shape.is_open) return name;
    const Shape here = std::exchange(out_.shape, Open());
    if (here.is_document && (name == "apiVersion" || name == "kind")) return name;
    if (here.is_list) {
      if (name == "items") {
        out_.shape = Shape::Document(here.types, false);
        return name;
      }
      return Wrong(at, absl::StrFormat("a list has no field \"%s\"%s", Visible(name.substr(0, 64)),
                                       NextIn(here.types, name) ? ": its elements do, under .items[*]" : " (apiVersion, kind, items)"));
    }
    const std::optional<std::string> canonical = NextIn(here.types, name);
    if (canonical) {
      out_.shape = std::move(next_);
      return *canonical;
    }
    std::vector<std::string> known;
    std::string owners;
    for (const Descriptor* type : here.types) {
      for (int i = 0; i < type->field_count(); ++i) known.push_back(type->field(i)->json_name());
      absl::StrAppend(&owners, owners.empty() ? "" : ", ", type->name());
    }
    return Wrong(at, absl::StrFormat("%s has no field \"%s\"%s", owners, Visible(name.substr(0, 64)), manifest::DidYouMean(name, known)));
  }

  // The field's name where one of the types has it; next_ is then what it holds.
  std::optional<std::string> NextIn(const std::vector<const Descriptor*>& types, const std::string& name) {
    std::optional<std::string> found;
    next_ = {};
    for (const Descriptor* type : types) {
      const FieldDescriptor* field = manifest::FindField(type, name);
      if (field == nullptr) continue;
      found = field->json_name();
      Shape shape = ShapeOf(*field);
      next_.is_open = next_.is_open || shape.is_open;
      for (const Descriptor* inner : shape.types) {
        if (std::find(next_.types.begin(), next_.types.end(), inner) == next_.types.end()) next_.types.push_back(inner);
      }
    }
    return found;
  }

  const std::string_view path_;
  const size_t offset_;
  size_t at_ = 0;
  JsonPath out_;
  Shape next_;
};

}  // namespace

absl::StatusOr<JsonPath> ParseJsonPath(std::string_view path, const Shape& shape, size_t offset) {
  return Parser(path, shape, offset).Run();
}

}  // namespace culvert::cli
