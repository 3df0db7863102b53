#include "cli/help/schema_docs.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "google/protobuf/descriptor.pb.h"

// Made by cli/embed.cmake from the protos.
extern const unsigned char kCulvertDescriptorSet[];
extern const size_t kCulvertDescriptorSetBytes;

namespace culvert::cli {
namespace {

template <typename Descriptor>
std::string Comment(const Descriptor* descriptor) {
  google::protobuf::SourceLocation location;
  if (descriptor == nullptr || !descriptor->GetSourceLocation(&location)) return "";
  std::string text = location.leading_comments.empty() ? location.trailing_comments : location.leading_comments;
  if (!location.leading_comments.empty() && !location.trailing_comments.empty()) text += location.trailing_comments;
  std::string out;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipWhitespace());
  for (const std::string& line : lines)
    out += (out.empty() ? "" : "\n") + std::string(absl::StripAsciiWhitespace(line));
  return out;
}

}  // namespace

SchemaDocs::SchemaDocs() : pool_(std::make_unique<google::protobuf::DescriptorPool>()) {
  google::protobuf::FileDescriptorSet set;
  CULVERT_CHECK(set.ParseFromArray(kCulvertDescriptorSet, static_cast<int>(kCulvertDescriptorSetBytes)));
  for (const auto& file : set.file()) CULVERT_CHECK(pool_->BuildFile(file) != nullptr);
}

SchemaDocs::~SchemaDocs() = default;

std::string SchemaDocs::CommentOf(const google::protobuf::Descriptor* message) const {
  return Comment(pool_->FindMessageTypeByName(message->full_name()));
}
std::string SchemaDocs::CommentOf(const google::protobuf::FieldDescriptor* field) const {
  return Comment(pool_->FindFieldByName(field->full_name()));
}
std::string SchemaDocs::CommentOf(const google::protobuf::EnumValueDescriptor* value) const {
  return Comment(pool_->FindEnumValueByName(value->full_name()));
}

}  // namespace culvert::cli
