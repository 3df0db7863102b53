#include "cli/convert/json_view.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"
#include "proto/manifest/text.h"

namespace culvert::cli {
namespace {

using manifest::YamlNode;

// JSON is YAML once comments are blanks, which keeps lines where they were, and tabs are no indentation.
std::string WithoutComments(std::string_view text) {
  std::string out(text);
  if (absl::StartsWith(out, "\xef\xbb\xbf")) out.replace(0, 3, "   ");
  bool in_text = false;
  for (size_t i = 0; i < out.size(); ++i) {
    if (in_text) {
      if (out[i] == '\\') {
        ++i;
      } else if (out[i] == '"') {
        in_text = false;
      }
      continue;
    }
    const std::string_view rest = std::string_view(out).substr(i, 2);
    if (out[i] == '"') {
      in_text = true;
    } else if (out[i] == '\t' || out[i] == '\r') {
      out[i] = ' ';
    } else if (out[i] == '#' || rest == "//") {
      while (i < out.size() && out[i] != '\n') out[i++] = ' ';
    } else if (rest == "/*") {
      const size_t end = std::min(out.find("*/", i + 2), out.size() - 2) + 2;
      for (; i < end; ++i) {
        if (out[i] != '\n') out[i] = ' ';
      }
      --i;
    }
  }
  return out;
}

}  // namespace

JsonView JsonView::operator[](const std::string& key) const {
  JsonView found;
  if (!is_object()) return found;
  for (const auto& [name, value] : node_->entries) {
    if (absl::EqualsIgnoreCase(name->text, key)) found = JsonView(value);
  }
  return found;
}

std::string JsonView::text() const { return node_ != nullptr && node_->kind == YamlNode::Kind::kText ? node_->text : ""; }

std::optional<int64_t> JsonView::number() const {
  int64_t value = 0;
  if (!absl::SimpleAtoi(text(), &value)) return std::nullopt;
  return value;
}

std::vector<JsonView> JsonView::elements() const {
  std::vector<JsonView> all;
  if (is_list()) {
    for (const YamlNode* element : node_->elements) all.emplace_back(element);
  } else if (*this) {
    all.push_back(*this);
  }
  return all;
}

std::vector<std::string> JsonView::texts() const {
  std::vector<std::string> all;
  if (!is_list()) {
    const std::vector<std::string> parts = absl::StrSplit(text(), ',', absl::SkipWhitespace());
    for (const std::string& part : parts) all.emplace_back(absl::StripAsciiWhitespace(part));
    return all;
  }
  for (const JsonView& element : elements()) all.push_back(element.text());
  return all;
}

std::vector<std::pair<std::string, JsonView>> JsonView::fields() const {
  std::vector<std::pair<std::string, JsonView>> all;
  if (!is_object()) return all;
  for (const auto& [name, value] : node_->entries) all.emplace_back(name->text, JsonView(value));
  return all;
}

absl::StatusOr<JsonDocument> JsonDocument::Read(std::string_view text, const std::string& file) {
  const std::string clean = WithoutComments(text);
  CULVERT_RETURN_IF_ERROR(manifest::CheckText(clean, file));
  auto tree = manifest::YamlTree::Read(clean);
  if (!tree.ok()) return absl::InvalidArgumentError(absl::StrFormat("%s:%s", file, std::string(tree.status().message())));
  if (tree->documents().size() != 1 || !JsonView(tree->documents().front()).is_object()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s:1: a configuration of v2ray is wanted: one JSON object", file));
  }
  return JsonDocument(*std::move(tree));
}

}  // namespace culvert::cli
