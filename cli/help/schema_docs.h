// The comments of the API's definition, which the compiled descriptors do not carry: a descriptor set with source
// information is built into the program. Thread: confined to its owner.
#pragma once

#include <memory>
#include <string>

#include "google/protobuf/descriptor.h"

namespace culvert::cli {

class SchemaDocs {
 public:
  SchemaDocs();
  ~SchemaDocs();

  // The comment before or behind the definition, lines as written; empty when there is none. Takes the compiled
  // descriptors.
  std::string CommentOf(const google::protobuf::Descriptor* message) const;
  std::string CommentOf(const google::protobuf::FieldDescriptor* field) const;
  std::string CommentOf(const google::protobuf::EnumValueDescriptor* value) const;

 private:
  std::unique_ptr<google::protobuf::DescriptorPool> pool_;
};

}  // namespace culvert::cli
