#include "proto/manifest/yaml_tree.h"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "proto/manifest/utf8.h"
#include "yaml-cpp/depthguard.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/yaml.h"

namespace culvert::manifest {
namespace {

// Ends yaml-cpp's parsing from inside its callbacks, the only way out of them.
struct Refusal : std::exception {
  Refusal(int at_line, std::string why) : line(at_line), message(std::move(why)) {}
  int line;
  std::string message;
};

int LineOf(const YAML::Mark& mark) { return mark.is_null() || mark.line < 0 ? 1 : mark.line + 1; }

// yaml-cpp puts words of the text behind some of its messages; a seed could be among them.
std::string Explain(const YAML::Exception& error) {
  const std::string unknown_anchor = YAML::ErrorMsg::UNKNOWN_ANCHOR;
  if (absl::StartsWith(error.msg, unknown_anchor)) return unknown_anchor + " (a text that begins with * needs quotes)";
  if (dynamic_cast<const YAML::DeepRecursion*>(&error) != nullptr) return "nested too deep";
  return error.msg.substr(0, error.msg.find(": "));
}

struct Place {
  int line;           // at most the last one that has text: yaml-cpp notices some faults only behind the end
  bool tab_indented;  // the commonest reason for errors that name something else
};

Place FindLine(std::string_view text, int wanted) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  int line = 1;
  for (size_t end = text.find('\n'); line < wanted && end != std::string_view::npos; end = text.find('\n')) {
    text.remove_prefix(end + 1);
    ++line;
  }
  const size_t first = text.find_first_not_of(" \r");
  return {line, first != std::string_view::npos && text[first] == '\t'};
}

// yaml-cpp turns the escapes \N and \_ (U+0085 and U+00A0) into one byte each, which is no UTF-8.
std::string WithWholeLetters(const std::string& value, int line) {
  constexpr char kLead = '\xc2';
  std::string text;
  for (size_t at = 0; at < value.size();) {
    const size_t length = DecodeUtf8(std::string_view(value).substr(at)).length;
    if (length == 0 && value[at] != '\x85' && value[at] != '\xa0') throw Refusal(line, "is not UTF-8");
    if (length == 0) text += kLead;
    text.append(value, at, std::max<size_t>(length, 1));
    at += std::max<size_t>(length, 1);
  }
  return text;
}

// The lines of a text by their numbers.
class Lines {
 public:
  explicit Lines(std::string_view text) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      lines_.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  // The line of the last word before the one that `mark` stands at.
  int BeforeWord(const YAML::Mark& mark) {
    if (mark.line == asked_) return told_;  // nested lists can ask for one place many times
    asked_ = mark.line;
    auto line = std::min(static_cast<size_t>(LineOf(mark)), lines_.size());
    const size_t first = lines_[line - 1].find_first_not_of(" \t\r");
    const bool begins_line = first == std::string_view::npos || mark.column <= static_cast<int>(first);
    if (begins_line && line > 1) {
      do --line;
      while (line > 1 && IsIdle(lines_[line - 1]));
    }
    told_ = static_cast<int>(line);
    return told_;
  }

 private:
  static bool IsIdle(std::string_view line) {
    const size_t first = line.find_first_not_of(" \t\r");
    return first == std::string_view::npos || line[first] == '#';
  }

  std::vector<std::string_view> lines_;
  int asked_ = -1;
  int told_ = 1;
};

}  // namespace

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(YamlTree& tree, std::string_view text) : tree_(tree), text_(text) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp does not step over a token that cannot begin a document; the next one then begins at the same place.
    if (started_ && mark.pos == start_) throw Refusal(LineOf(mark), "unexpected text");
    started_ = true;
    start_ = mark.pos;
    anchors_.clear();
    has_root_ = false;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode* node = Add(YamlNode::Kind::kNull, mark, "", anchor);
    // A missing element has the place of the token after it; the dash says better where to look.
    if (!open_.empty() && open_.back().node->kind == YamlNode::Kind::kList && !mark.is_null()) {
      if (!lines_) lines_.emplace(text_);
      node->line = lines_->BeforeWord(mark);
    }
    Finish(node);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end() || !found->second->complete) {
      throw Refusal(LineOf(mark), "an alias stands inside what it names");
    }
    Attach(found->second, LineOf(mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode* node = Add(YamlNode::Kind::kText, mark, tag, anchor);
    node->text = WithWholeLetters(value, LineOf(mark));
    Finish(node);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open_.push_back({Add(YamlNode::Kind::kList, mark, tag, anchor)});
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open_.push_back({Add(YamlNode::Kind::kMap, mark, tag, anchor)});
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Open {
    YamlNode* node;
    const YamlNode* key = nullptr;  // kMap: waits for its value
  };

  YamlNode* Add(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (tree_.nodes_.size() >= YamlTree::kMaxBuiltNodes) {
      throw Refusal(LineOf(mark), absl::StrFormat("more than %d values", YamlTree::kMaxBuiltNodes));
    }
    YamlNode& node = tree_.nodes_.emplace_back();
    node.kind = kind;
    node.line = LineOf(mark);
    // yaml-cpp marks plain scalars "?" and quoted ones "!".
    const bool is_text_tag = kind == YamlNode::Kind::kText && tag == "tag:yaml.org,2002:str";
    node.quoted = kind == YamlNode::Kind::kText && (tag == "!" || is_text_tag);
    node.tagged = !tag.empty() && tag != "?" && tag != "!" && !is_text_tag;
    if (anchor != YAML::NullAnchor) anchors_[anchor] = &node;
    return &node;
  }
  void Close() {
    YamlNode* node = open_.back().node;
    open_.pop_back();
    Finish(node);
  }
  void Finish(YamlNode* node) {
    node->complete = true;
    Attach(node, node->line);
  }
  // A missing value has the place of the token after it; its key says better where to look.
  void Attach(YamlNode* node, int line) {
    if (node->kind == YamlNode::Kind::kNull && !open_.empty() && open_.back().key != nullptr) {
      node->line = open_.back().key->line;
    }
    if (open_.empty()) {
      if (has_root_) throw Refusal(line, "unexpected text");
      has_root_ = true;
      return tree_.documents_.push_back(node);
    }
    Open& parent = open_.back();
    if (parent.node->kind == YamlNode::Kind::kList) {
      parent.node->elements.push_back(node);
    } else if (parent.key == nullptr) {
      parent.key = node;
    } else {
      parent.node->entries.emplace_back(std::exchange(parent.key, nullptr), node);
    }
  }

  YamlTree& tree_;
  const std::string_view text_;
  std::optional<Lines> lines_;  // made when asked for
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode*> anchors_;
  bool started_ = false;
  bool has_root_ = false;
  int start_ = 0;
};

absl::StatusOr<YamlTree> YamlTree::Read(std::string_view text) {
  YamlTree tree;
  const auto refuse = [text](int line, const std::string& why) {
    const Place place = FindLine(text, line);
    return absl::InvalidArgumentError(
        absl::StrFormat("%d: YAML: %s", place.line, place.tab_indented ? "a tab cannot indent, use spaces" : why));
  };
  try {
    // The end marker turns a quote that is never closed, which yaml-cpp lets pass at the end of a text, into an error.
    std::istringstream stream(std::string(text) + "\n...\n");
    YAML::Parser parser(stream);
    TreeBuilder builder(tree, text);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return refuse(refusal.line, refusal.message);
  } catch (const YAML::Exception& error) {
    return refuse(LineOf(error.mark), Explain(error));
  } catch (const std::exception&) {
    return refuse(1, "cannot be read");
  }
  return tree;
}

}  // namespace culvert::manifest
