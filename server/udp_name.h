// UdpName: a name that a UDP client sends to, and what waits for its address. An address is used for a while before it is asked for
// again; a name without one is not asked for again at once, whatever its client does.
// Thread: confined to one worker.
#pragma once

#include <optional>
#include <string>

#include "core/dispatch/destination.h"
#include "core/transport/packet_queue.h"
#include "server/name_request.h"
#include "server/udp_drop.h"

namespace culvert::server {

class UdpName final : private NameRequest::Owner {
 public:
  static constexpr Duration kGoodFor = std::chrono::seconds(30);
  static constexpr Duration kFailureTime = std::chrono::seconds(2);

  class Owner {
   public:
    // The one of the addresses that datagrams go to.
    virtual IpAddress PickAddress(const Resolver::Addresses& addresses) const = 0;
    virtual void ToAddress(const HostPort* name, const SocketAddress& address, ByteView payload) = 0;
    // What waits is counted with everything that waits there.
    virtual void Wait(PacketQueue& queue, const dispatch::Destination& destination, ByteView payload) = 0;
    virtual void PopWaiting(PacketQueue& queue) = 0;
    virtual void DropWaiting(PacketQueue& queue, UdpDrop reason) = 0;
    virtual void Drop(UdpDrop reason, uint64_t count) = 0;

   protected:
    ~Owner() = default;
  };

  // `is_foreign`: somebody else chose the name. `owner` outlives it.
  UdpName(WorkerContext& context, Owner& owner, std::string host, size_t queue_packets, bool is_foreign);
  ~UdpName() { owner_.DropWaiting(waiting_, UdpDrop::kResolveFailed); }
  UdpName(const UdpName&) = delete;
  UdpName& operator=(const UdpName&) = delete;

  void Send(const dispatch::Destination& destination, ByteView payload);
  [[nodiscard]] TimePoint used_at() const { return used_at_; }
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }

 private:
  void OnResolved(const NameRequest::Answer& answer) override;
  const HostPort& Named(uint16_t port);

  WorkerContext& context_;
  Owner& owner_;
  const std::string host_;
  HostPort named_;
  NameRequest request_;
  PacketQueue waiting_;
  std::optional<IpAddress> address_;
  TimePoint good_until_{};
  TimePoint used_at_{};
};

}  // namespace culvert::server
