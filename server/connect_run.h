// ConnectRun: one Connect call on its worker: a stream, or datagrams, through a dialer, joined to the call's channel.
// Thread: confined to one worker; the channel is shared.
#pragma once

#include <memory>
#include <optional>

#include "core/dispatch/packet_connection.h"
#include "server/addressed_stream.h"
#include "server/connect_channel.h"
#include "server/dial.h"
#include "server/pump.h"
#include "server/session_streams.h"
#include "server/socket_port.h"
#include "server/tunnel_port.h"
#include "server/way.h"

namespace culvert::server {

class ConnectRun final : private StreamObserver, private TimerHandler, private PacketPort::Observer, private TunnelPort::Host {
 public:
  class Host {
   public:
    virtual void ScheduleConnect(SlotHandle run) = 0;

   protected:
    ~Host() = default;
  };

  // `way`: where to, found by the host. `udp`: datagrams.
  ConnectRun(WorkerContext& context, Host& host, Way way, bool udp, std::shared_ptr<ConnectChannel> channel);
  ~ConnectRun();
  ConnectRun(const ConnectRun&) = delete;
  ConnectRun& operator=(const ConnectRun&) = delete;

  void Start(SlotHandle handle);
  [[nodiscard]] bool Run();
  void Cancel(const std::string& message);
  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] const DialerRuntime* dialer() const { return way_.dialer; }

 private:
  class ChannelStream;

  void OnStreamReady() override { host_.ScheduleConnect(handle_); }
  void OnTunnelReady() override { host_.ScheduleConnect(handle_); }
  void OnTimer(TimePoint now) override;
  void OnPacket(PacketPort& port, const dispatch::Destination& address, ByteView payload) override;
  void OnPortEnded(PacketPort& port) override;
  void RunDial();
  void OnDialled(Dial::Connection connection);
  void OpenUdp();
  void AwaitAnswer();
  [[nodiscard]] bool RunPump();
  [[nodiscard]] bool RunUdp();
  void TellOpened();
  void Fail(const std::string& reason, const std::string& message);
  void Finish(ConnectChannel::Outcome outcome);

  WorkerContext& context_;
  Host& host_;
  const bool is_udp_;
  const std::shared_ptr<ConnectChannel> channel_;
  SlotHandle handle_;
  Timer timer_;
  const TimePoint began_at_;
  Way way_;
  std::optional<Dial> dial_;
  SessionStream far_;
  AddressedStream* header_ = nullptr;
  std::unique_ptr<ChannelStream> near_;
  std::optional<Pump> pump_;
  // Datagrams: the call is the program at one end of a packet connection, the port is the other.
  std::optional<dispatch::PacketConnection> packets_;
  std::unique_ptr<PacketPort> port_;
  SocketAddress socket_target_;
  TimePoint finished_at_ = kInfiniteFuture;  // the caller has nothing more to send
  TimePoint answered_at_{};
  std::string message_;  // from the caller, that waits for room
  bool has_message_ = false;
  bool is_open_ = false;
  bool is_done_ = false;
};

}  // namespace culvert::server
