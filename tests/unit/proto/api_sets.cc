#include "tests/unit/proto/api_sets.h"

#include <gtest/gtest.h>

#include <fstream>

namespace culvert::testing {
namespace {

namespace pb = google::protobuf;

constexpr char kPackage[] = "culvert.v1.";

// The element of that name, or one that is nowhere.
template <typename Repeated>
auto& Named(Repeated& all, const std::string& name) {
  for (auto& one : all) {
    if (one.name() == name) return one;
  }
  ADD_FAILURE() << "the API has no " << name;
  static auto* const none = new std::remove_reference_t<decltype(all.at(0))>();
  return *none;
}

// Whichever file holds the element of that name at its top.
template <typename GetAll>
auto& NamedIn(pb::FileDescriptorSet& set, const std::string& name, GetAll all_of) {
  for (pb::FileDescriptorProto& file : *set.mutable_file()) {
    if (file.package() != "culvert.v1") continue;
    for (auto& one : *all_of(file)) {
      if (one.name() == name) return one;
    }
  }
  return Named(*all_of(*set.mutable_file(0)), name);
}

std::string WithoutPackage(const std::string& name) { return name.starts_with(kPackage) ? name.substr(sizeof kPackage - 1) : name; }

}  // namespace

pb::FileDescriptorSet ReadSet(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  pb::FileDescriptorSet set;
  EXPECT_TRUE(in && set.ParseFromIstream(&in) && set.file_size() > 0) << path << " is no descriptor set";
  return set;
}

pb::FileDescriptorProto& FileIn(pb::FileDescriptorSet& set, const std::string& file) { return Named(*set.mutable_file(), file); }

pb::DescriptorProto& MessageIn(pb::FileDescriptorSet& set, const std::string& name) {
  const std::string path = WithoutPackage(name);
  const size_t dot = path.find('.');
  pb::DescriptorProto& top = NamedIn(set, path.substr(0, dot), [](pb::FileDescriptorProto& file) { return file.mutable_message_type(); });
  return dot == std::string::npos ? top : Named(*top.mutable_nested_type(), path.substr(dot + 1));
}

pb::FieldDescriptorProto& FieldIn(pb::FileDescriptorSet& set, const std::string& message, const std::string& field) {
  return Named(*MessageIn(set, message).mutable_field(), field);
}

pb::EnumDescriptorProto& EnumIn(pb::FileDescriptorSet& set, const std::string& name) {
  const std::string path = WithoutPackage(name);
  if (const size_t dot = path.find('.'); dot != std::string::npos) {
    return Named(*MessageIn(set, path.substr(0, dot)).mutable_enum_type(), path.substr(dot + 1));
  }
  return NamedIn(set, path, [](pb::FileDescriptorProto& file) { return file.mutable_enum_type(); });
}

pb::ServiceDescriptorProto& ServiceIn(pb::FileDescriptorSet& set, const std::string& name) {
  return NamedIn(set, WithoutPackage(name), [](pb::FileDescriptorProto& file) { return file.mutable_service(); });
}

pb::MethodDescriptorProto& MethodIn(pb::FileDescriptorSet& set, const std::string& service, const std::string& method) {
  return Named(*ServiceIn(set, service).mutable_method(), method);
}

Built Build(const pb::FileDescriptorSet& set) {
  Built built;
  for (const pb::FileDescriptorProto& file : set.file()) {
    const pb::FileDescriptor* made = built.pool->BuildFile(file);
    EXPECT_NE(made, nullptr) << file.name();
    if (made != nullptr && file.package().starts_with("culvert.")) built.api.push_back(made);
  }
  return built;
}

}  // namespace culvert::testing
