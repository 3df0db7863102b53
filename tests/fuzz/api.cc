// Every method of the API, called through gRPC within the process by somebody with some role:
//
//   role, { method, requests }       a request is built field by field (messages.h); an odd role byte sends raw bytes now and then.
//
// What a call is answered with must be sound whatever was asked, and what is refused or only tried must leave everything as it was.
#include <algorithm>
#include <memory>

#include "core/base/check.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/observe.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/access/methods.h"
#include "server/error_builder.h"
#include "tests/fuzz/api_world.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;

constexpr size_t kMaxCalls = 24;
constexpr size_t kMaxLearned = 32;
constexpr size_t kMaxErrorBytes = 8192;  // what a gRPC client takes as metadata by default

std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const google::protobuf::ServiceDescriptor* service : server::ApiServices()) {
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

std::unique_ptr<Message> NewMessage(const Descriptor& type) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

bool IsDeclared(const Descriptor& type) {
  return &type == v1::Listener::descriptor() || &type == v1::Dialer::descriptor() || &type == v1::Forward::descriptor();
}

// Paths of a request that carries one object begin in the object (control-api: errors are those of the object as it is written).
bool NamesField(const Descriptor& request, const std::string& path) {
  if (FieldExists(request, path)) return true;
  for (int i = 0; i < request.field_count(); ++i) {
    const FieldDescriptor& field = *request.field(i);
    const bool has_object = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated() && IsDeclared(*field.message_type());
    if (has_object && FieldExists(*field.message_type(), path)) return true;
  }
  // objects[N] is one of three kinds of object.
  if (&request != v1::ApplyRequest::descriptor() || !path.starts_with("objects[")) return false;
  const size_t close = path.find("].");
  if (close == std::string::npos) return false;
  const std::string rest = path.substr(close + 2);
  return FieldExists(*v1::Listener::descriptor(), rest) || FieldExists(*v1::Dialer::descriptor(), rest) ||
         FieldExists(*v1::Forward::descriptor(), rest);
}

bool IsReason(const std::string& reason) {
  return !reason.empty() && std::ranges::all_of(reason, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
}

void CheckError(const grpc::Status& status, const MethodDescriptor& method) {
  const int code = status.error_code();
  const std::string about = method.full_name() + ": " + std::to_string(code) + " " + status.error_message();
  Require(code > 0 && code <= grpc::UNAUTHENTICATED, "no canonical code", about);
  const bool is_bug = code == grpc::UNKNOWN || code == grpc::UNIMPLEMENTED || code == grpc::INTERNAL || code == grpc::DEADLINE_EXCEEDED;
  Require(!is_bug, "not an answer of ours", about);
  Require(status.error_message().size() + status.error_details().size() <= kMaxErrorBytes, "longer than a client takes", about);
  Require(status.error_details().find(kCanary) == std::string::npos, "a secret", about);
  google::rpc::Status details;
  // Texts that are no UTF-8 do not parse.
  const bool is_sound = details.ParseFromString(status.error_details()) && details.code() == code && details.message() == status.error_message();
  Require(is_sound, "details that do not fit", about);
  const bool may_have_lines = details.message().starts_with("filter: ");
  Require(IsCleanText(details.message(), may_have_lines), "a message that is no clean text", about);
  int infos = 0;
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.Is<google::rpc::ErrorInfo>()) infos += detail.UnpackTo(&info) ? 1 : 0;
    if (detail.Is<google::rpc::BadRequest>()) Require(detail.UnpackTo(&bad_request), "a detail that does not parse", about);
  }
  Require(infos == 1 && info.domain() == "culvert" && IsReason(info.reason()), "not one ErrorInfo of ours", about);
  const bool is_of_fields = info.reason() == "INVALID_FIELD" || info.reason() == "FIELD_IMMUTABLE" || info.reason() == "INVALID_FILTER";
  if (is_of_fields) Require(code == grpc::INVALID_ARGUMENT && bad_request.field_violations_size() > 0, "no field named", about);
  for (const auto& violation : bad_request.field_violations()) {
    Require(NamesField(*method.input_type(), violation.field()), "no field of the request", about + " at " + violation.field());
    Require(IsCleanText(violation.description(), /*lines=*/false), "a description that is no clean text", about);
  }
}

// Etags, page tokens and names, to be used in later requests.
void Learn(const Message& message, Pools& pools) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated() && pools.learned.size() < kMaxLearned) {
      const bool is_wanted = field->name() == "etag" || field->name() == "next_page_token" || field->name() == "name";
      if (is_wanted) pools.learned.push_back(reflection.GetString(message, field));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map()) {
      if (!field->is_repeated()) Learn(reflection.GetMessage(message, field), pools);
      for (int i = 0; field->is_repeated() && i < reflection.FieldSize(message, field); ++i) {
        Learn(reflection.GetRepeatedMessage(message, field, i), pools);
      }
    }
  }
}

bool IsTrue(const Message& message, const char* name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  return field != nullptr && message.GetReflection()->GetBool(message, field);
}

class Script {
 public:
  Script(v1::Role role, bool is_raw, Choices& choices) : role_(role), is_raw_(is_raw), choices_(choices), world_(role) {}

  void Run() {
    for (size_t calls = 0; calls < kMaxCalls && !choices_.AtEnd(); ++calls) CallOnce();
    CheckThatItApplies();
  }

 private:
  void CallOnce() {
    static const std::vector<const MethodDescriptor*> methods = AllMethods();
    const MethodDescriptor& method = *methods[choices_.Below(methods.size())];
    if (is_raw_ && choices_.Below(4) == 3) {
      // gRPC may turn it away before we see it, in its own words.
      const std::string request(AsText(choices_.Take(choices_.Below(256))));
      static_cast<void>(world_.Call(server::PathOf(method), {request}));
      return;
    }
    std::vector<std::string> requests;
    bool is_trial = false;
    const size_t count = method.client_streaming() ? 1 + choices_.Below(3) : 1;
    for (size_t i = 0; i < count; ++i) {
      const std::unique_ptr<Message> request = NewMessage(*method.input_type());
      FillMessage(*request, pools_, choices_);
      is_trial = IsTrue(*request, "validate_only");
      requests.push_back(request->SerializeAsString());
    }
    const Snapshot before = world_.Take();
    const Answer answer = world_.Call(server::PathOf(method), requests);
    const bool was_cancelled = answer.is_given_up && answer.status.error_code() == grpc::CANCELLED;
    if (!answer.status.ok() && !was_cancelled) CheckError(answer.status, method);
    const bool is_allowed = role_ >= server::RulesOf(method).role();
    if (!is_allowed) CULVERT_CHECK(answer.status.error_code() == grpc::PERMISSION_DENIED && answer.messages.empty());
    if (!method.server_streaming()) CULVERT_CHECK(answer.messages.size() == (answer.status.ok() ? 1 : 0));
    for (const std::string& bytes : answer.messages) CheckAnswer(bytes, method);
    // Who only looks changes nothing, and neither does who is refused or only tries.
    const bool may_change = server::RulesOf(method).audited() && answer.status.ok() && !is_trial;
    // While somebody watches, what changes by itself is looked for and counts as a change: sessions, for one. And a drain ends when it does.
    moves_by_itself_ |= &method == watch_method_ || (method.name() == "StartDrain" && answer.status.ok());
    if (may_change) return;
    const Snapshot after = world_.Take();
    Require(IsSame(before, after, /*has_revision=*/!moves_by_itself_), "changed by a call that must not",
            method.full_name() + ": " + before.Text() + " became " + after.Text());
  }

  void CheckAnswer(const std::string& bytes, const MethodDescriptor& method) {
    CULVERT_CHECK(bytes.find(kCanary) == std::string::npos);
    const std::unique_ptr<Message> response = NewMessage(*method.output_type());
    CULVERT_CHECK(response->ParseFromString(bytes));
    Learn(*response, pools_);
  }

  // What is exported at the end is what is there: applied, it changes nothing.
  void CheckThatItApplies() {
    if (role_ < v1::ROLE_OPERATOR) return;
    const Snapshot before = world_.Take();
    const Answer exported = world_.Call("culvert.v1.ConfigService/Export", {""});
    v1::ExportResponse all;
    CULVERT_CHECK(exported.status.ok() && exported.messages.size() == 1 && all.ParseFromString(exported.messages[0]));
    v1::ApplyRequest request;
    *request.mutable_objects() = all.objects();
    const Answer applied = world_.Call("culvert.v1.ConfigService/Apply", {request.SerializeAsString()});
    v1::ApplyResponse results;
    Require(applied.status.ok(), "an export that is refused", applied.status.error_message());
    CULVERT_CHECK(results.ParseFromString(applied.messages[0]) && results.results_size() == all.objects_size());
    for (const v1::ApplyResponse::Result& result : results.results()) {
      const bool is_same = result.action() == v1::ApplyResponse::ACTION_UNCHANGED && result.changed_paths().empty();
      Require(is_same, "an export that is a change", result.ShortDebugString());
    }
    const Snapshot after = world_.Take();
    // To apply what has a ttl puts its end off, which readers of a watch are told.
    const bool has_lease = std::ranges::any_of(before.objects, [](const v1::Object& object) { return server::MetadataOf(object).has_ttl(); });
    Require(IsSame(before, after, !has_lease && !moves_by_itself_), "changed by its own export", before.Text() + " became " + after.Text());
  }

  static bool IsSame(const Snapshot& before, const Snapshot& after, bool has_revision) {
    return after.bytes == before.bytes && (!has_revision || after.revision == before.revision);
  }

  const v1::Role role_;
  const MethodDescriptor* const watch_method_ = server::MethodTaking(*v1::WatchRequest::descriptor());
  bool moves_by_itself_ = false;
  const bool is_raw_;
  Choices& choices_;
  ApiWorld world_;
  Pools pools_;
};

}  // namespace

void Api(ByteView input) {
  Choices choices(input);
  static constexpr v1::Role kRoles[] = {v1::ROLE_ADMIN, v1::ROLE_OPERATOR, v1::ROLE_OPERATOR, v1::ROLE_VIEWER};
  const size_t first = choices.Below(16);
  Script(kRoles[first / 4], (first & 1) != 0, choices).Run();
}

}  // namespace culvert::fuzz
