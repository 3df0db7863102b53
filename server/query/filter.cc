#include "server/query/filter.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "server/error_builder.h"
#include "server/query/literal.h"

namespace culvert::server {

struct Filter::Node {
  enum class Kind : uint8_t { kAll, kAny, kNot, kComparison };
  Kind kind = Kind::kComparison;
  std::vector<Node> children;  // all but kComparison
  FieldPath path;              // kComparison, like the rest
  Comparison comparison = Comparison::kEqual;
  Literal literal;

  bool Holds(const google::protobuf::Message& message) const {
    const auto holds = [&message](const Node& child) { return child.Holds(message); };
    switch (kind) {
      case Kind::kAll: return std::ranges::all_of(children, holds);
      case Kind::kAny: return std::ranges::any_of(children, holds);
      case Kind::kNot: return !children.front().Holds(message);
      case Kind::kComparison: break;
    }
    return literal.Holds(path, comparison, message);
  }
};

namespace {

using Node = Filter::Node;
using google::protobuf::Descriptor;

struct Fault {
  size_t position = 0;
  std::string problem;
};

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }
bool IsNameByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-' || c == '/'; }

// By recursive descent, one function for each line of the grammar. The first fault ends it.
class Parser {
 public:
  Parser(std::string_view text, const Descriptor& type) : text_(text), type_(type) {}

  // nullopt: see fault().
  std::optional<Node> Run() {
    std::optional<Node> node = ParseFilter();
    if (node && !AtEnd()) return Fail(at_, text_[at_] == ')' ? "a parenthesis closes that none opened" : "AND, OR or the end is expected");
    return node;
  }
  const Fault& fault() const { return fault_; }

 private:
  std::nullopt_t Fail(size_t position, std::string problem) {
    fault_ = {position, std::move(problem)};
    return std::nullopt;
  }
  bool AtEnd() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    return at_ == text_.size();
  }
  // The word that begins here: AND, OR, NOT are words only when something else follows them.
  bool TakeWord(std::string_view word) {
    if (AtEnd() || !text_.substr(at_).starts_with(word)) return false;
    const size_t end = at_ + word.size();
    if (end < text_.size() && !IsSpace(text_[end]) && text_[end] != '(' && text_[end] != ')') return false;
    at_ = end;
    return true;
  }

  std::optional<Node> ParseFilter() {
    std::optional<Node> first = ParseTerm();
    if (!first) return std::nullopt;
    std::string_view joined_by;
    Node node;
    while (true) {
      const bool at_end = AtEnd();
      const size_t place = at_;
      const std::string_view word = at_end ? "" : TakeWord("AND") ? "AND" : TakeWord("OR") ? "OR" : "";
      if (word.empty()) break;
      if (!joined_by.empty() && word != joined_by) {
        return Fail(place, "AND and OR side by side: parentheses must say which belongs together");
      }
      std::optional<Node> next = ParseTerm();
      if (!next) return std::nullopt;
      if (joined_by.empty()) node.children.push_back(*std::move(first));
      joined_by = word;
      node.children.push_back(*std::move(next));
    }
    if (joined_by.empty()) return first;
    node.kind = joined_by == "AND" ? Node::Kind::kAll : Node::Kind::kAny;
    return node;
  }

  std::optional<Node> ParseTerm() {
    if (TakeWord("NOT")) {
      if (++depth_ > kMaxFilterDepth) return Fail(at_, "too many levels");
      std::optional<Node> inside = ParseTerm();
      --depth_;
      if (!inside) return std::nullopt;
      Node node;
      node.kind = Node::Kind::kNot;
      node.children.push_back(*std::move(inside));
      return node;
    }
    if (AtEnd()) return Fail(at_, "a comparison is expected, such as state=ACTIVE");
    if (text_[at_] != '(') return ParseComparison();
    const size_t opened = at_++;
    if (++depth_ > kMaxFilterDepth) return Fail(opened, "too many levels of parentheses");
    std::optional<Node> inside = ParseFilter();
    --depth_;
    if (!inside) return std::nullopt;
    if (AtEnd()) return Fail(opened, "this parenthesis is not closed");
    if (text_[at_] != ')') return Fail(at_, "AND, OR or a closing parenthesis is expected");
    ++at_;
    return inside;
  }

  std::optional<Node> ParseComparison() {
    if (++terms_ > kMaxFilterTerms) return Fail(at_, "more than " + std::to_string(kMaxFilterTerms) + " comparisons");
    const size_t name_at = at_;
    while (at_ < text_.size() && (IsNameByte(text_[at_]) || text_[at_] == '"')) {
      if (text_[at_++] != '"') continue;
      const size_t close = text_.find('"', at_);  // the key of a map
      if (close == std::string_view::npos) return Fail(at_ - 1, "this quote is not closed");
      at_ = close + 1;
    }
    const std::string_view name = text_.substr(name_at, at_ - name_at);
    if (name.empty()) return Fail(name_at, "a field name is expected");
    absl::StatusOr<FieldPath> path = FindField(type_, name);
    if (!path.ok()) return Fail(name_at, std::string(path.status().message()));

    Node node;
    node.path = *std::move(path);
    if (!TakeComparison(node.comparison)) return Fail(at_, "one of = != < <= > >= : is expected");
    if (AtEnd()) return Fail(at_, "a value is expected");
    const size_t value_at = at_;
    bool quoted = false;
    const std::optional<std::string> value = TakeValue(quoted);
    if (!value) return std::nullopt;
    absl::StatusOr<Literal> literal = Literal::Make(node.path, node.comparison, *value, quoted);
    if (!literal.ok()) return Fail(value_at, std::string(literal.status().message()));
    node.literal = *std::move(literal);
    return node;
  }

  bool TakeComparison(Comparison& comparison) {
    if (AtEnd()) return false;
    constexpr std::pair<std::string_view, Comparison> kOperators[] = {
        {"!=", Comparison::kUnequal}, {"<=", Comparison::kAtMost}, {">=", Comparison::kAtLeast}, {"=", Comparison::kEqual},
        {"<", Comparison::kLess},     {">", Comparison::kGreater}, {":", Comparison::kHas}};
    for (const auto& [text, meaning] : kOperators) {
      if (!text_.substr(at_).starts_with(text)) continue;
      at_ += text.size();
      comparison = meaning;
      return true;
    }
    return false;
  }

  std::optional<std::string> TakeValue(bool& quoted) {
    std::string value;
    quoted = text_[at_] == '"';
    if (!quoted) {
      while (at_ < text_.size() && !IsSpace(text_[at_]) && text_[at_] != '(' && text_[at_] != ')') value += text_[at_++];
      if (value.empty()) return Fail(at_, "a value is expected");
      return value;
    }
    const size_t opened = at_++;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      value += text_[at_++];
    }
    if (at_ == text_.size()) return Fail(opened, "this quote is not closed");
    ++at_;
    return value;
  }

  const std::string_view text_;
  const Descriptor& type_;
  size_t at_ = 0;
  size_t depth_ = 0;
  size_t terms_ = 0;
  Fault fault_;
};

// What a terminal must not get is replaced byte by byte, so that the caret stays below its place.
std::string Printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return out;
}

absl::Status InvalidFilter(std::string_view text, const Fault& fault) {
  constexpr size_t kShown = 60;  // to either side of the place
  const size_t begin = fault.position > kShown ? fault.position - kShown : 0;
  const std::string shown = Printable(text.substr(begin, 2 * kShown));
  const std::string problem = "filter: " + fault.problem;
  return ErrorBuilder(absl::StatusCode::kInvalidArgument, "INVALID_FILTER", problem)
      .Below("  " + shown + "\n  " + std::string(fault.position - begin, ' ') + "^")
      .Metadata("field", "filter")
      .Metadata("position", std::to_string(fault.position))
      .Field("filter", fault.problem + " (at byte " + std::to_string(fault.position) + ")")
      .Build();
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(const std::string& text, const Descriptor& type) {
  Filter filter;
  if (text.size() > kMaxFilterBytes) {
    return InvalidFilter("", {0, "longer than " + std::to_string(kMaxFilterBytes) + " bytes"});
  }
  if (std::ranges::all_of(text, IsSpace)) return filter;
  Parser parser(text, type);
  std::optional<Node> root = parser.Run();
  if (!root) return InvalidFilter(text, parser.fault());
  filter.root_ = std::make_shared<const Node>(*std::move(root));
  return filter;
}

bool Filter::Matches(const google::protobuf::Message& message) const { return root_ == nullptr || root_->Holds(message); }

}  // namespace culvert::server
