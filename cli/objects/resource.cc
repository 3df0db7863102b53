#include "cli/objects/resource.h"

#include "absl/strings/str_cat.h"
#include "cli/text/escape.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace

Kind KindOf(const Resource& resource) {
  return std::visit(Overloaded{[](const v1::Object& object) {
                                 if (object.has_listener()) return Kind::kListener;
                                 return object.has_dialer() ? Kind::kDialer : Kind::kForward;
                               },
                               [](const v1::Session&) { return Kind::kSession; },
                               [](const v1::Stream&) { return Kind::kStream; },
                               [](const v1::UdpFlow&) { return Kind::kUdpFlow; },
                               [](const v1::Event&) { return Kind::kEvent; }},
                    resource);
}

const google::protobuf::Message& MessageOf(const Resource& resource) {
  using google::protobuf::Message;
  return std::visit(Overloaded{[](const v1::Object& object) -> const Message& {
                                 if (object.has_listener()) return object.listener();
                                 if (object.has_dialer()) return object.dialer();
                                 return object.forward();
                               },
                               [](const Message& message) -> const Message& { return message; }},
                    resource);
}

std::string NameOf(const Resource& resource) {
  return std::visit(
      Overloaded{[](const v1::Object& object) { return manifest::MetadataOf(object).name(); },
                 [](const v1::Session& session) { return BriefName(Kind::kSession, session.name()); },
                 [](const v1::Stream& stream) { return BriefName(Kind::kStream, stream.name()); },
                 [](const v1::UdpFlow& flow) { return BriefName(Kind::kUdpFlow, flow.name()); },
                 [](const v1::Event& event) { return absl::StrCat(event.revision()); }},
      resource);
}

std::string DisplayName(const Resource& resource) { return Visible(ToString({KindOf(resource), NameOf(resource)})); }

}  // namespace culvert::cli
