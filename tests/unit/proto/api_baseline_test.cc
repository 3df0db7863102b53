// The API of this build against the one that clients may rely on.
#include <gmock/gmock.h>

#include <google/protobuf/text_format.h>

#include <functional>
#include <iostream>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "culvert/v1/options.pb.h"
#include "tests/unit/proto/api_changes.h"
#include "tests/unit/proto/api_sets.h"

namespace culvert::testing {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ApiBaseline, NothingThatClientsRelyOnHasChanged) {
  const Built baseline = Build(ReadSet(API_BASELINE));
  ASSERT_GE(baseline.api.size(), 11u);
  const ApiChanges changes = CompareApis(baseline.api, *DescriptorPool::generated_pool());
  EXPECT_THAT(changes.breaking, IsEmpty())
      << "\nThis breaks programs that were built with the API as it was:\n  " << absl::StrJoin(changes.breaking, "\n  ")
      << "\nKeep what is there and add beside it, reserving what is not used any more. If breaking them is meant: run proto/renew-baseline,"
         "\ncommit what it wrote, and say in the commit who is broken and why.\n";
  if (!changes.additions.empty()) {
    std::cout << "new since the baseline, and free to change until proto/renew-baseline is run:\n  "
              << absl::StrJoin(changes.additions, "\n  ") << "\n";
  }
}

// Whatever this build was compiled of is looked at, and not only what the linker happened to take.
TEST(ApiBaseline, EveryFileIsCompiledIn) {
  const FileDescriptorSet set = ReadSet(API_DESCRIPTORS);
  for (const auto& file : set.file()) {
    EXPECT_NE(DescriptorPool::generated_pool()->FindFileByName(file.name()), nullptr) << file.name();
  }
}

// What is said of one change that clients would notice.
std::vector<std::string> BrokenBy(const std::function<void(FileDescriptorSet&)>& change) {
  FileDescriptorSet set = ReadSet(API_DESCRIPTORS);
  const Built before = Build(set);
  change(set);
  const Built now = Build(set);
  return CompareApis(before.api, *now.pool).breaking;
}

TEST(ApiChanges, TheSameIsNoChange) {
  EXPECT_THAT(BrokenBy([](FileDescriptorSet&) {}), IsEmpty());
}

TEST(ApiChanges, AdditionsBreakNobodyAndAreListed) {
  FileDescriptorSet set = ReadSet(API_DESCRIPTORS);
  const Built before = Build(set);
  FieldDescriptorProto& field = *MessageIn(set, "Stream").add_field();
  field.set_name("mood");
  field.set_number(99);
  field.set_type(FieldDescriptorProto::TYPE_STRING);
  field.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
  auto& value = *EnumIn(set, "Event.Type").add_value();
  value.set_name("TYPE_NOVEL");
  value.set_number(3);
  const Built now = Build(set);
  const ApiChanges changes = CompareApis(before.api, *now.pool);
  EXPECT_THAT(changes.breaking, IsEmpty());
  EXPECT_THAT(changes.additions, ElementsAre("culvert.v1.Stream.mood", "culvert.v1.Event.TYPE_NOVEL"));
}

// A set with a word in place of another wherever it stands, references included.
void Replace(FileDescriptorSet& set, const std::string& word, const std::string& other) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(set, &text);
  FileDescriptorSet changed;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(absl::StrReplaceAll(text, {{word, other}}), &changed));
  set = changed;
}

TEST(ApiChanges, WhatIsGone) {
  EXPECT_THAT(BrokenBy([](auto& set) { Erase(*MessageIn(set, "Stream").mutable_field(), "idle_time"); }),
              ElementsAre("culvert.v1.Stream.idle_time: is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) { Erase(*FileIn(set, "culvert/v1/access.proto").mutable_message_type(), "AccessPolicy"); }),
              ElementsAre("culvert.v1.AccessPolicy: is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) { Erase(*EnumIn(set, "RefusalReason").mutable_value(), "REFUSAL_REASON_INTERNAL"); }),
              ElementsAre("culvert.v1.REFUSAL_REASON_INTERNAL: is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) { Erase(*ServiceIn(set, "AccessService").mutable_method(), "WhoAmI"); }),
              ElementsAre("culvert.v1.AccessService.WhoAmI: is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) { Erase(*FileIn(set, "culvert/v1/access.proto").mutable_service(), "AccessService"); }),
              ElementsAre("culvert.v1.AccessService: is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) { Erase(*set.mutable_file(), "culvert/v1/stream.proto"); }),
              ElementsAre("culvert/v1/stream.proto: the file is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) { MessageIn(set, "Counters").clear_reserved_range(); }),
              ElementsAre("culvert.v1.Counters: the number 6 is not reserved any more"));
}

TEST(ApiChanges, WhatHasAnotherName) {
  EXPECT_THAT(BrokenBy([](auto& set) { FieldIn(set, "Stream", "idle_time").set_name("silence"); }),
              ElementsAre("culvert.v1.Stream.idle_time: is called silence (Stream's field 11)"));
  EXPECT_THAT(BrokenBy([](auto& set) { Replace(set, "\"KCP_PROFILE_XRAY\"", "\"KCP_PROFILE_BARE\""); }),
              ElementsAre("culvert.v1.KCP_PROFILE_XRAY: is called KCP_PROFILE_BARE"));
  EXPECT_THAT(BrokenBy([](auto& set) { Replace(set, "WorkerStatus", "ThreadStatus"); }),
              ElementsAre("culvert.v1.Daemon.workers: its type was repeated culvert.v1.WorkerStatus and is repeated culvert.v1.ThreadStatus",
                          "culvert.v1.WorkerStatus: is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) { Replace(set, "LimitedBy", "HeldBy"); }),
              ElementsAre("culvert.v1.PathStats.limited_by: its type was culvert.v1.PathStats.LimitedBy and is culvert.v1.PathStats.HeldBy",
                          "culvert.v1.PathStats.LimitedBy: is gone"));
  EXPECT_THAT(BrokenBy([](auto& set) {
                auto& from = *FileIn(set, "culvert/v1/access.proto").mutable_message_type();
                *FileIn(set, "culvert/v1/options.proto").add_message_type() = MessageIn(set, "WhoAmIRequest");
                Erase(from, "WhoAmIRequest");
              }),
              ElementsAre("culvert.v1.WhoAmIRequest: was in culvert/v1/access.proto and is in culvert/v1/options.proto"));
}

TEST(ApiChanges, FieldsThatAreOthersOnTheWire) {
  const auto broken = [](const std::string& message, const std::string& field, const std::function<void(FieldDescriptorProto&)>& change) {
    return BrokenBy([&](FileDescriptorSet& set) { change(FieldIn(set, message, field)); });
  };
  EXPECT_THAT(broken("Stream", "idle_time", [](auto& field) { field.set_number(77); }),
              ElementsAre("culvert.v1.Stream.idle_time: its number was 11 and is 77"));
  EXPECT_THAT(broken("Stream", "worker", [](auto& field) { field.set_type(FieldDescriptorProto::TYPE_SINT32); }),
              ElementsAre("culvert.v1.Stream.worker: its type was uint32 and is sint32"));
  EXPECT_THAT(broken("Stream", "worker", [](auto& field) { field.set_label(FieldDescriptorProto::LABEL_REPEATED); }),
              ElementsAre("culvert.v1.Stream.worker: its type was uint32 and is repeated uint32"));
  EXPECT_THAT(broken("Stream", "worker", [](auto& field) { field.set_json_name("thread"); }),
              ElementsAre("culvert.v1.Stream.worker: its name in JSON was worker and is thread"));
  EXPECT_THAT(broken("Object", "forward", [](auto& field) { field.clear_oneof_index(); }),
              ElementsAre("culvert.v1.Object.forward: its oneof was oneof kind and is no oneof"));
  EXPECT_THAT(BrokenBy([](auto& set) {
                FieldDescriptorProto& seed = FieldIn(set, "KcpSpec", "seed");
                seed.clear_proto3_optional();
                seed.clear_oneof_index();
                MessageIn(set, "KcpSpec").clear_oneof_decl();
              }),
              ElementsAre("culvert.v1.KcpSpec.seed: its presence was explicit and is implicit"));
  EXPECT_THAT(BrokenBy([](auto& set) { FieldIn(set, "Metadata.LabelsEntry", "value").set_type(FieldDescriptorProto::TYPE_BYTES); }),
              ElementsAre("culvert.v1.Metadata.LabelsEntry.value: its type was string and is bytes"));
  EXPECT_THAT(BrokenBy([](auto& set) { EnumIn(set, "Event.Type").mutable_value(2)->set_number(5); }),
              ElementsAre("culvert.v1.Event.TYPE_WARNING: its number was 2 and is 5"));
}

TEST(ApiChanges, MethodsThatAreCalledInAnotherWay) {
  const auto broken = [](const std::function<void(google::protobuf::MethodDescriptorProto&)>& change) {
    return BrokenBy([&](FileDescriptorSet& set) { change(MethodIn(set, "SessionService", "CloseStream")); });
  };
  const std::string was =
      "culvert.v1.SessionService.CloseStream: was (culvert.v1.CloseStreamRequest) returns (culvert.v1.CloseStreamResponse) and is ";
  EXPECT_THAT(broken([](auto& method) { method.set_input_type(".culvert.v1.CloseUdpFlowRequest"); }),
              ElementsAre(was + "(culvert.v1.CloseUdpFlowRequest) returns (culvert.v1.CloseStreamResponse)"));
  EXPECT_THAT(broken([](auto& method) { method.set_output_type(".culvert.v1.Stream"); }),
              ElementsAre(was + "(culvert.v1.CloseStreamRequest) returns (culvert.v1.Stream)"));
  EXPECT_THAT(broken([](auto& method) { method.set_server_streaming(true); }),
              ElementsAre(was + "(culvert.v1.CloseStreamRequest) returns (stream culvert.v1.CloseStreamResponse)"));
  EXPECT_THAT(broken([](auto& method) { method.set_client_streaming(true); }),
              ElementsAre(was + "(stream culvert.v1.CloseStreamRequest) returns (culvert.v1.CloseStreamResponse)"));
  const auto rule = [](auto& method) { return method.mutable_options()->MutableExtension(v1::method_rules); };
  EXPECT_THAT(broken([&](auto& method) { rule(method)->set_role(v1::ROLE_VIEWER); }),
              ElementsAre("culvert.v1.SessionService.CloseStream: needed ROLE_OPERATOR and needs ROLE_VIEWER"));
  EXPECT_THAT(broken([&](auto& method) { rule(method)->set_role(v1::ROLE_ADMIN); }),
              ElementsAre("culvert.v1.SessionService.CloseStream: needed ROLE_OPERATOR and needs ROLE_ADMIN"));
  EXPECT_THAT(broken([&](auto& method) { rule(method)->set_audited(false); }),
              ElementsAre("culvert.v1.SessionService.CloseStream: is not audited any more"));
}

}  // namespace
}  // namespace culvert::testing
