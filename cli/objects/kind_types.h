// What the API knows the kinds as. Thread: any; no state.
#pragma once

#include "cli/objects/kinds.h"
#include "culvert/v1/observe.pb.h"
#include "google/protobuf/descriptor.h"

namespace culvert::cli {

// The message that things of a kind are.
const google::protobuf::Descriptor& DescriptorOf(Kind kind);
// The message that people declare; nullptr: they declare none of these.
const google::protobuf::Descriptor* SpecOf(Kind kind);
// WATCH_KIND_UNSPECIFIED: the daemon lists such, but lets nobody watch them.
v1::WatchKind WatchKindOf(Kind kind);

}  // namespace culvert::cli
