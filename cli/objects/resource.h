// Resource: one thing of the API, whatever its kind, as commands that take any kind hand it around.
// Thread: any; values.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cli/objects/kinds.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/observe.pb.h"
#include "culvert/v1/session.pb.h"

namespace culvert::cli {

// An Object holds one of its three kinds, never none.
using Resource = std::variant<v1::Object, v1::Session, v1::Stream, v1::UdpFlow, v1::Event>;

Kind KindOf(const Resource& resource);

// The message itself; of an object the listener, dialer or forward in it.
const google::protobuf::Message& MessageOf(const Resource& resource);

// As people know it: "local-pg", "k3f9q2", "k3f9q2/4", "12", of an event its revision. As the daemon wrote it: not made printable.
std::string NameOf(const Resource& resource);

// "listener/local-pg", made printable.
std::string DisplayName(const Resource& resource);

// What was fetched of one kind.
struct Group {
  Kind kind;
  std::vector<Resource> items;
};

}  // namespace culvert::cli
