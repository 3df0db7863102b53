// Observations of the workers as messages of the API.
// Thread: any.
#pragma once

#include "culvert/v1/observe.pb.h"
#include "culvert/v1/session.pb.h"
#include "culvert/v1/types.pb.h"
#include "server/event_log.h"
#include "server/worker.h"

namespace culvert::server {

v1::Counters ToProto(const ObjectCounters& counters);
v1::Session ToProto(const SessionSnapshot& session);
v1::Stream ToProto(const StreamSnapshot& stream);
v1::UdpFlow ToProto(const UdpFlowSnapshot& flow);
v1::TapRecord ToProto(const EndedRecord& record);
v1::TlsSession ToProto(const SessionTls& tls);
v1::PathStats ToPathStats(const SessionStats& stats);
v1::SocketStatus ToProto(const io::UdpSocket::Granted& granted);
v1::Event ToProto(const Event& event);
v1::TimeInLimit ToProto(const TimeInLimit& time);
google::protobuf::Duration ToProto(Duration duration);
google::protobuf::Timestamp ToTimestamp(int64_t unix_ns);

}  // namespace culvert::server
