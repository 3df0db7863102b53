#include "server/connect_run.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/dialer_runtime.h"
#include "server/way.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

constexpr Duration kAnswerTimeout = std::chrono::seconds(10);
// Such a call ends with its caller; nobody else has a view of it.
constexpr PumpOptions kPumpOptions{.idle_timeout = std::chrono::hours(24), .half_close_linger = std::chrono::seconds(2)};

}  // namespace

// The call's side as a stream for the pump.
class ConnectRun::ChannelStream final : public ByteStream {
 public:
  explicit ChannelStream(ConnectChannel& channel) : channel_(channel) {}

  size_t Peek(size_t limit, std::span<ByteView> views) override {
    if (is_ended_ || views.empty() || limit == 0) return 0;
    while (taken_ == message_.size()) {
      taken_ = 0;
      message_.clear();
      if (!channel_.WorkerReceive(message_)) {
        message_.clear();
        return 0;
      }
    }
    views[0] = AsBytes(message_).subspan(taken_, std::min(limit, message_.size() - taken_));
    return 1;
  }
  void Consume(size_t size) override { taken_ += size; }
  bool AtEnd() const override { return !is_ended_ && taken_ == message_.size() && channel_.IsCallerFinished(); }
  size_t WritableBytes() override { return is_ended_ ? 0 : channel_.WorkerRoom(); }
  size_t Write(std::span<const ByteView> views) override {
    std::string message;
    size_t room = WritableBytes();
    for (const ByteView view : views) {
      const size_t taken = std::min(room, view.size());
      message.append(AsText(view.first(taken)));
      room -= taken;
    }
    const size_t size = message.size();
    if (size > 0) channel_.WorkerSend(std::move(message));
    return size;
  }
  bool HasUndelivered() const override { return false; }
  bool CanHalfClose() const override { return true; }
  void FinishWriting() override { channel_.WorkerFinish(); }
  bool IsBroken() const override { return !is_ended_ && channel_.IsCallerGone(); }
  void Close() override {
    if (std::exchange(is_ended_, true)) return;
    channel_.WorkerFinish();
  }
  void Reset(CloseReason /*reason*/) override {
    if (std::exchange(is_ended_, true)) return;
    was_reset_ = true;
  }
  [[nodiscard]] bool was_reset() const { return was_reset_; }

 private:
  ConnectChannel& channel_;
  std::string message_;
  size_t taken_ = 0;
  bool is_ended_ = false;
  bool was_reset_ = false;
};

ConnectRun::ConnectRun(WorkerContext& context, Host& host, Way way, bool udp, std::shared_ptr<ConnectChannel> channel)
    : context_(context),
      host_(host),
      is_udp_(udp),
      channel_(std::move(channel)),
      timer_(context.timers, *this),
      began_at_(context.now),
      way_(std::move(way)) {}

ConnectRun::~ConnectRun() {
  if (!is_done_) Cancel("the daemon is stopping");
}

void ConnectRun::Start(SlotHandle handle) {
  handle_ = handle;
  if (way_.kind == Way::Kind::kRefused) return Fail(std::string(RefusalName(way_.refusal)), way_.message);
  if (way_.kind == Way::Kind::kSocket) return OpenUdp();
  dial_.emplace(context_, way_.plan, static_cast<StreamObserver&>(*this));
  dial_->Start();
  host_.ScheduleConnect(handle_);
}

void ConnectRun::RunDial() {
  if (!dial_->is_done()) return;
  std::optional<Dial::Connection> connection = dial_->TakeConnection();
  if (!connection) {
    way_.dialer->tally().OnFailed();
    return Fail(dial_->error_reason(), dial_->error_message());
  }
  dial_.reset();
  OnDialled(*std::move(connection));
}

void ConnectRun::OnDialled(Dial::Connection connection) {
  if (connection.quic != nullptr) {
    far_.quic = connection.quic.get();
    far_.session = connection.session;
    far_.stream = std::move(connection.quic);
  } else {
    Session session;
    session.tally = &way_.dialer->tally();
    session.dialer = way_.dialer->config();
    session.target = connection.target;
    if (connection.driver == nullptr) {
      far_ = OpenTcpSession(context_, std::move(connection.tcp), connection.remote, std::move(session));
    } else if (connection.tls == nullptr) {
      far_ = OpenEndpointSession(context_, *connection.driver, connection.stream, connection.remote, std::move(session));
    } else {
      far_ = OpenTlsSession(context_, *connection.driver, connection.stream, connection.remote, std::move(connection.tls), std::move(session));
    }
  }
  if (way_.open) {
    auto header = std::make_unique<AddressedStream>(std::move(far_.stream), *way_.open);
    header_ = header.get();
    far_.stream = std::move(header);
    timer_.Set(context_.now + kAnswerTimeout);
  }
  far_.stream->set_observer(this);
}

void ConnectRun::AwaitAnswer() {
  if (header_ != nullptr) {
    const AddressedStream::State state = header_->Advance();
    if (state == AddressedStream::State::kRefused) return Fail(std::string(RefusalName(header_->refusal())), header_->refusal_message());
    if (far_.stream->IsBroken()) return Fail("DIAL_FAILED", "the session to the far side ended");
    if (state == AddressedStream::State::kWaiting) return;
    timer_.Cancel();
  }
  TellOpened();
  if (is_udp_) {
    packets_.emplace(dispatch::PacketConnection::Options{});
    port_ = std::make_unique<TunnelPort>(static_cast<PacketPort::Observer&>(*this), static_cast<TunnelPort::Host&>(*this),
                                         std::move(far_.stream), header_, far_.quic, TunnelPort::Options{});
    return;
  }
  near_ = std::make_unique<ChannelStream>(*channel_);
  pump_.emplace(*near_, *far_.stream, kPumpOptions, context_.now);
}

void ConnectRun::OpenUdp() {
  const auto address = IpAddress::Parse(way_.destination.host);
  if (!address.ok()) return Fail("NOT_SUPPORTED", "a dialer of transport UDP is connected to by the address of its target, not by a name");
  auto port = SocketPort::Open(context_, static_cast<PacketPort::Observer&>(*this), address->family(), way_.dialer->config()->socket);
  if (!port.ok()) return Fail("SOCKET_FAILED", std::string(port.status().message()));
  socket_target_ = {*address, way_.destination.port};
  packets_.emplace(dispatch::PacketConnection::Options{.local = (*port)->outside_address()});
  port_ = *std::move(port);
  TellOpened();
  host_.ScheduleConnect(handle_);
}

void ConnectRun::TellOpened() {
  is_open_ = true;
  const bool has_session = context_.sessions->Find(far_.session) != nullptr;
  channel_->Open({has_session ? context_.sessions->IdOf(far_.session) : std::string(), context_.now - began_at_});
}

bool ConnectRun::Run() {
  if (is_done_) return false;
  if (channel_->IsCallerGone() && !pump_) {
    Finish({.reason = "CANCELLED", .message = "the caller is gone"});
    return false;
  }
  if (dial_) RunDial();
  if (!is_done_ && !dial_ && !is_open_ && far_.stream != nullptr) AwaitAnswer();
  if (is_done_ || !is_open_) return false;
  return is_udp_ ? RunUdp() : RunPump();
}

bool ConnectRun::RunPump() {
  const bool more = pump_->Run(context_.now);
  timer_.Set(pump_->NextDeadline());
  if (!pump_->is_done()) return more;
  if (near_->was_reset()) {
    Finish({.was_open = true, .reason = "STREAM_BROKEN", .message = "the stream was reset by the far side, or its session ended"});
  } else {
    Finish({.is_ok = true, .was_open = true});
  }
  return false;
}

bool ConnectRun::RunUdp() {
  // What the caller sends, as far as the connection has room.
  for (;;) {
    if (!has_message_ && !(has_message_ = channel_->WorkerReceive(message_))) break;
    const auto status = packets_->WriteTo(context_.now, AsBytes(message_), {});
    if (status == dispatch::PacketConnection::Status::kWouldBlock) break;
    if (status == dispatch::PacketConnection::Status::kTooLong) {
      Fail("TOO_LONG", absl::StrCat("a datagram has at most ", dispatch::kMaxDatagramBytes, " bytes"));
      return false;
    }
    has_message_ = false;
  }
  dispatch::Destination destination;
  ByteView payload;
  while (packets_->PeekWritten(destination, payload)) {
    static_cast<void>(port_->Send({socket_target_}, payload));
    packets_->TakeWritten();
  }
  bool more = port_->Run();
  if (is_done_) return false;
  // What has come, as far as the caller takes it; what it does not take in time makes room.
  std::array<uint8_t, dispatch::kMaxDatagramBytes> buffer;
  while (packets_->readable() > 0 && channel_->WorkerRoom() > 0) {
    const auto read = packets_->ReadFrom(context_.now, buffer);
    if (read.status != dispatch::PacketConnection::Status::kDone) break;
    channel_->WorkerSend(std::string(AsText(ByteView(buffer).first(read.size))));
    answered_at_ = context_.now;
  }
  if (channel_->IsCallerFinished() && !has_message_) {
    // Answers to what it sent last are yet to come; who wants to wait less hangs up.
    if (finished_at_ == kInfiniteFuture) finished_at_ = context_.now;
    packets_->SetReadDeadline(std::max(finished_at_, answered_at_) + kAnswerTimeout);
    // Only looked at: a buffer of no size takes nothing but an empty datagram.
    if (packets_->ReadFrom(context_.now, {}).status == dispatch::PacketConnection::Status::kTimedOut) {
      Finish({.is_ok = true, .was_open = true});
      return false;
    }
    timer_.Set(packets_->NextTimeout(context_.now).value_or(kInfiniteFuture));
  }
  return more;
}

void ConnectRun::OnPacket(PacketPort& /*port*/, const dispatch::Destination& address, ByteView payload) {
  if (is_done_ || (socket_target_.port != 0 && address.address != socket_target_)) return;
  packets_->Deliver(address, payload);
  host_.ScheduleConnect(handle_);
}

void ConnectRun::OnPortEnded(PacketPort& port) {
  if (header_ != nullptr && static_cast<TunnelPort&>(port).was_broken()) {
    return Finish({.was_open = true, .reason = "STREAM_BROKEN", .message = "the session to the far side ended"});
  }
  channel_->WorkerFinish();
  Finish({.is_ok = true, .was_open = true});
}

void ConnectRun::OnTimer(TimePoint now) {
  if (is_done_) return;
  if (pump_) {
    pump_->OnTimer(now);
    return host_.ScheduleConnect(handle_);
  }
  if (is_open_) return host_.ScheduleConnect(handle_);
  Fail("DIAL_FAILED", "the far side did not answer in time");
}

void ConnectRun::Cancel(const std::string& message) {
  if (pump_) pump_->End(context_.now, /*in_order=*/false);
  Finish({.was_open = is_open_, .reason = "SHUTTING_DOWN", .message = message});
}

void ConnectRun::Fail(const std::string& reason, const std::string& message) {
  Finish({.was_open = is_open_, .reason = reason, .message = message});
}

void ConnectRun::Finish(ConnectChannel::Outcome outcome) {
  if (std::exchange(is_done_, true)) return;
  timer_.Cancel();
  dial_.reset();
  if (port_ != nullptr) port_->End(/*in_order=*/true);
  if (!pump_ && far_.stream != nullptr) far_.stream->Reset(CloseReason::kAborted);
  channel_->SetWorkerWake(nullptr);
  channel_->End(std::move(outcome));
  host_.ScheduleConnect(handle_);
}

}  // namespace culvert::server
