#include "server/object_kind.h"

#include "core/base/check.h"

namespace culvert::server {

const KindText& KindInfo(Kind kind) {
  static constexpr KindText kTexts[] = {
      {"listener", "Listener", "listeners"}, {"dialer", "Dialer", "dialers"}, {"forward", "Forward", "forwards"}};
  return kTexts[static_cast<size_t>(kind)];
}

std::string ObjectKey::ToString() const { return std::string(KindInfo(kind).singular) + "/" + name; }

std::optional<Kind> KindOf(const v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kListener: return Kind::kListener;
    case v1::Object::kDialer: return Kind::kDialer;
    case v1::Object::kForward: return Kind::kForward;
    case v1::Object::KIND_NOT_SET: break;
  }
  return std::nullopt;
}

ObjectKey KeyOf(const v1::Object& object) {
  const std::optional<Kind> kind = KindOf(object);
  CULVERT_CHECK(kind.has_value());
  return {*kind, MetadataOf(object).name()};
}

const v1::Metadata& MetadataOf(const v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kListener: return object.listener().metadata();
    case v1::Object::kDialer: return object.dialer().metadata();
    default: return object.forward().metadata();
  }
}

v1::Metadata& MutableMetadataOf(v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kListener: return *object.mutable_listener()->mutable_metadata();
    case v1::Object::kDialer: return *object.mutable_dialer()->mutable_metadata();
    default: return *object.mutable_forward()->mutable_metadata();
  }
}

const google::protobuf::Message& BodyOf(const v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kListener: return object.listener();
    case v1::Object::kDialer: return object.dialer();
    default: return object.forward();
  }
}

google::protobuf::Message& MutableBodyOf(v1::Object& object) {
  switch (object.kind_case()) {
    case v1::Object::kListener: return *object.mutable_listener();
    case v1::Object::kDialer: return *object.mutable_dialer();
    default: return *object.mutable_forward();
  }
}

const v1::KcpSpec* KcpOf(const v1::Object& object) {
  if (object.has_listener() && object.listener().spec().has_kcp()) return &object.listener().spec().kcp();
  if (object.has_dialer() && object.dialer().spec().has_kcp()) return &object.dialer().spec().kcp();
  return nullptr;
}

v1::KcpSpec* MutableKcpOf(v1::Object& object) {
  if (KcpOf(object) == nullptr) return nullptr;
  return object.has_listener() ? object.mutable_listener()->mutable_spec()->mutable_kcp()
                               : object.mutable_dialer()->mutable_spec()->mutable_kcp();
}

const v1::QuicSpec* QuicOf(const v1::Object& object) {
  if (object.has_listener() && object.listener().spec().has_quic()) return &object.listener().spec().quic();
  if (object.has_dialer() && object.dialer().spec().has_quic()) return &object.dialer().spec().quic();
  return nullptr;
}

v1::QuicSpec* MutableQuicOf(v1::Object& object) {
  if (QuicOf(object) == nullptr) return nullptr;
  return object.has_listener() ? object.mutable_listener()->mutable_spec()->mutable_quic()
                               : object.mutable_dialer()->mutable_spec()->mutable_quic();
}

v1::Transport TransportOf(const v1::Object& object) {
  if (object.has_listener()) return object.listener().spec().transport();
  if (object.has_dialer()) return object.dialer().spec().transport();
  return v1::TRANSPORT_UNSPECIFIED;
}

const v1::TlsSpec* TlsOf(const v1::Object& object) {
  if (object.has_listener() && object.listener().spec().has_tls()) return &object.listener().spec().tls();
  if (object.has_dialer() && object.dialer().spec().has_tls()) return &object.dialer().spec().tls();
  return nullptr;
}

std::string StripCollection(std::string_view name, std::string_view collection) {
  if (name.size() > collection.size() && name.starts_with(collection) && name[collection.size()] == '/') {
    name.remove_prefix(collection.size() + 1);
  }
  return std::string(name);
}

}  // namespace culvert::server
