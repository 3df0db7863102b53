// Descriptor sets of the API that tests read and damage.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <string>
#include <vector>

namespace culvert::testing {

// The set in a file. Empty, and a failure of the test, when it cannot be read.
google::protobuf::FileDescriptorSet ReadSet(const std::string& path);
// Of the set, by full name ("culvert.v1.Session", "culvert.v1.Event.Type"). A failure of the test and an empty one when it is not there.
google::protobuf::FileDescriptorProto& FileIn(google::protobuf::FileDescriptorSet& set, const std::string& file);
google::protobuf::DescriptorProto& MessageIn(google::protobuf::FileDescriptorSet& set, const std::string& name);
google::protobuf::FieldDescriptorProto& FieldIn(google::protobuf::FileDescriptorSet& set, const std::string& message,
                                                const std::string& field);
google::protobuf::EnumDescriptorProto& EnumIn(google::protobuf::FileDescriptorSet& set, const std::string& name);
google::protobuf::ServiceDescriptorProto& ServiceIn(google::protobuf::FileDescriptorSet& set, const std::string& name);
google::protobuf::MethodDescriptorProto& MethodIn(google::protobuf::FileDescriptorSet& set, const std::string& service,
                                                  const std::string& method);

// A set made into descriptors, which end with this.
struct Built {
  std::unique_ptr<google::protobuf::DescriptorPool> pool = std::make_unique<google::protobuf::DescriptorPool>();
  std::vector<const google::protobuf::FileDescriptor*> api;  // those of culvert
};
Built Build(const google::protobuf::FileDescriptorSet& set);

// Takes the element out of a repeated field that has this name.
template <typename Repeated>
void Erase(Repeated& all, const std::string& name) {
  for (int i = 0; i < all.size(); ++i) {
    if (all.Get(i).name() != name) continue;
    all.DeleteSubrange(i, 1);
    return;
  }
}

}  // namespace culvert::testing
