#include "server/udp_name.h"

#include <utility>

#include "core/dispatch/packed_destination.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

constexpr size_t kMostWaitingBytes = 1 << 20;

}  // namespace

UdpName::UdpName(WorkerContext& context, Owner& owner, std::string host, size_t queue_packets, bool is_foreign)
    : context_(context),
      owner_(owner),
      host_(std::move(host)),
      request_(context, *this, is_foreign),
      waiting_({queue_packets, kMostWaitingBytes}) {}

void UdpName::Send(const dispatch::Destination& destination, ByteView payload) {
  used_at_ = context_.now;
  if (context_.now < good_until_) {
    if (!address_) return owner_.Drop(UdpDrop::kResolveFailed, 1);
    return owner_.ToAddress(&Named(destination.port()), {*address_, destination.port()}, payload);
  }
  owner_.Wait(waiting_, destination, payload);
  if (request_.is_waiting()) return;
  if (const auto answer = request_.Start(host_)) OnResolved(*answer);
}

const HostPort& UdpName::Named(uint16_t port) {
  if (named_.port != port || named_.host.empty()) named_ = {host_, port};
  return named_;
}

void UdpName::OnResolved(const NameRequest::Answer& answer) {
  if (!answer.ok()) {
    address_.reset();
    good_until_ = context_.now + kFailureTime;
    return owner_.DropWaiting(waiting_, UdpDrop::kResolveFailed);
  }
  address_ = owner_.PickAddress(*answer);
  good_until_ = context_.now + kGoodFor;
  while (!waiting_.empty()) {
    dispatch::Destination destination;
    const ByteView payload = dispatch::PackedDestination::Split(waiting_.front(), destination);
    owner_.ToAddress(&Named(destination.port()), {*address_, destination.port()}, payload);
    owner_.PopWaiting(waiting_);
  }
}

}  // namespace culvert::server
