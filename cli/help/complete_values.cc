#include "cli/help/complete_values.h"

#include "cli/objects/api_methods.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "culvert/v1/session.grpc.pb.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr int kMostNames = 1000;

// One page: a second page would only be scrolled past. `list(response)` answers the names.
template <typename Service, typename Request, typename Response, typename Take>
std::vector<std::string> Page(Client& client, grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              Take&& take) {
  Request request;
  request.set_page_size(kMostNames);
  Response response;
  std::vector<std::string> names;
  if (client.Call<Service>(method, request, &response)) return names;
  for (const auto& one : take(response)) {
    if constexpr (requires { one.metadata(); }) {
      names.push_back(one.metadata().name());
    } else {
      names.push_back(one.name());
    }
  }
  return names;
}

// The message at the end of "a.b.", or nullptr.
const Descriptor* Below(const Descriptor* message, const std::string& path) {
  size_t begin = 0;
  for (size_t dot = path.find('.'); message != nullptr && dot != std::string::npos; dot = path.find('.', begin)) {
    const FieldDescriptor* field = manifest::FindField(message, path.substr(begin, dot - begin));
    message = field != nullptr && manifest::IsBlock(field) && !field->is_repeated() ? field->message_type() : nullptr;
    begin = dot + 1;
  }
  return message;
}

std::vector<std::string> ValuesOf(const FieldDescriptor* field) {
  if (field->enum_type() != nullptr) return manifest::ShortNames(field->enum_type());
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return {"true", "false"};
  return {};
}

}  // namespace

std::vector<std::string> LiveNames(Client& client, Kind kind) {
  std::vector<std::string> names;
  switch (kind) {
    case Kind::kListener:
      return Page<v1::ListenerService>(client, &v1::ListenerService::Stub::ListListeners, [](auto& page) { return page.listeners(); });
    case Kind::kDialer:
      return Page<v1::DialerService>(client, &v1::DialerService::Stub::ListDialers, [](auto& page) { return page.dialers(); });
    case Kind::kForward:
      return Page<v1::ForwardService>(client, &v1::ForwardService::Stub::ListForwards, [](auto& page) { return page.forwards(); });
    case Kind::kSession:
      names = Page<v1::SessionService>(client, &v1::SessionService::Stub::ListSessions, [](auto& page) { return page.sessions(); });
      break;
    case Kind::kStream:
      names = Page<v1::SessionService>(client, &v1::SessionService::Stub::ListStreams, [](auto& page) { return page.streams(); });
      break;
    case Kind::kUdpFlow:
      names = Page<v1::SessionService>(client, &v1::SessionService::Stub::ListUdpFlows, [](auto& page) { return page.udp_flows(); });
      break;
    case Kind::kEvent:
      break;
  }
  for (std::string& name : names) name = BriefName(kind, name);
  return names;
}

std::vector<Candidate> FieldPaths(const Descriptor* message, const std::string& typed, bool assigns) {
  std::vector<Candidate> all;
  const size_t equals = typed.find('=');
  const std::string path = typed.substr(0, equals);
  const size_t dot = path.rfind('.');
  const std::string head = dot == std::string::npos ? "" : path.substr(0, dot + 1);
  message = Below(message, head);
  if (message == nullptr) return all;
  if (assigns && equals != std::string::npos) {
    const FieldDescriptor* field = manifest::FindField(message, path.substr(head.size()));
    if (field == nullptr) return all;
    for (const std::string& value : ValuesOf(field)) all.push_back({path + "=" + value, ""});
    return all;
  }
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor* field = message->field(i);
    const bool is_block = manifest::IsBlock(field) && !field->is_map() && !(assigns && field->is_repeated());
    if (assigns && (manifest::RulesOf(field).output_only() || field->is_map())) continue;
    all.push_back({head + field->name() + (is_block ? "." : assigns ? "=" : ""), ""});
  }
  return all;
}

std::vector<Candidate> Methods() {
  std::vector<Candidate> all;
  for (const ApiMethod& method : ApiMethods()) all.push_back({method.name, method.IsServerStreaming() ? "streams" : ""});
  return all;
}

}  // namespace culvert::cli
