#include "cli/objects/kind_types.h"

#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/forward.pb.h"
#include "culvert/v1/listener.pb.h"
#include "culvert/v1/session.pb.h"

namespace culvert::cli {

const google::protobuf::Descriptor& DescriptorOf(Kind kind) {
  switch (kind) {
    case Kind::kListener: return *v1::Listener::descriptor();
    case Kind::kDialer: return *v1::Dialer::descriptor();
    case Kind::kForward: return *v1::Forward::descriptor();
    case Kind::kSession: return *v1::Session::descriptor();
    case Kind::kStream: return *v1::Stream::descriptor();
    case Kind::kUdpFlow: return *v1::UdpFlow::descriptor();
    case Kind::kEvent: break;
  }
  return *v1::Event::descriptor();
}

const google::protobuf::Descriptor* SpecOf(Kind kind) {
  switch (kind) {
    case Kind::kListener: return v1::ListenerSpec::descriptor();
    case Kind::kDialer: return v1::DialerSpec::descriptor();
    case Kind::kForward: return v1::ForwardSpec::descriptor();
    default: return nullptr;
  }
}

v1::WatchKind WatchKindOf(Kind kind) {
  switch (kind) {
    case Kind::kListener: return v1::WATCH_KIND_LISTENER;
    case Kind::kDialer: return v1::WATCH_KIND_DIALER;
    case Kind::kForward: return v1::WATCH_KIND_FORWARD;
    case Kind::kSession: return v1::WATCH_KIND_SESSION;
    case Kind::kEvent: return v1::WATCH_KIND_EVENT;
    default: return v1::WATCH_KIND_UNSPECIFIED;
  }
}

}  // namespace culvert::cli
