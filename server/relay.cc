// Life of a relay, in the order of its phases: the door is read (RunDoor), the way is found (Proceed), dialled (RunDial) or waited for
// (RunWaiting), the near side is told (RunAnswering), bytes are pumped (RunPump).
#include "server/relay.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/monotonic_clock.h"
#include "server/addressed_stream.h"
#include "server/dialer_runtime.h"
#include "server/listener_runtime.h"
#include "server/proxy_header.h"
#include "server/worker_context.h"

namespace culvert::server {
namespace {

constexpr size_t kDoorPeek = 4096;
constexpr Duration kOfferWait = std::chrono::seconds(1);
// How long what a refused peer still sends is taken, so that it gets to read why.
constexpr Duration kLeaveTime = std::chrono::seconds(2);

}  // namespace

Relay::Relay(WorkerContext& context, Host& host, const Parties& parties, SessionStream near)
    : context_(context),
      host_(host),
      parties_(parties),
      options_{.idle_timeout = parties.forward->config->idle_timeout,
               .half_close_linger = parties.forward->config->half_close_linger},
      timer_(context.timers, *this),
      near_(std::move(near)),
      opened_at_(context.now),
      opened_at_unix_ns_(io::UnixNanoseconds()) {}

Relay::~Relay() {
  if (pump_) {
    Account();
    parties_.forward->tally.OnClosed();
  }
}

void Relay::Start(SlotHandle handle) {
  handle_ = handle;
  if (Session* session = context_.sessions->Find(near_.session)) {
    if (session->transport != Transport::kQuic) session->relay = handle;
    session->forward = parties_.forward->config;
    near_address_ = session->remote;
  }
  near_.stream->set_observer(this);
  if (near_.door == nullptr) {
    Proceed({});
  } else {
    timer_.Set(context_.now + kDoorTimeout);
  }
  host_.Schedule(handle_);
}

bool Relay::Run() {
  const bool waits_for_far = phase_ == Phase::kDialling || phase_ == Phase::kWaiting || phase_ == Phase::kAnswering;
  if (waits_for_far && near_.stream->IsBroken()) {
    // Who wanted the stream is gone before it was opened.
    dial_.reset();
    waiter_.reset();
    near_.stream->Close();
    if (far_.stream != nullptr) far_.stream->Reset(CloseReason::kAborted);
    parties_.forward->tally.OnFailed();
    Record(EndedRecord::Verdict::kBroken, kEndedBySource);
    phase_ = Phase::kDone;
    return false;
  }
  if (phase_ == Phase::kDoor) RunDoor();
  if (phase_ == Phase::kDialling) RunDial();
  if (phase_ == Phase::kWaiting) RunWaiting();
  if (phase_ == Phase::kAnswering) RunAnswering();
  if (phase_ == Phase::kLeaving) RunLeaving();
  return phase_ == Phase::kPumping && RunPump();
}

// ---- The door.

void Relay::RunDoor() {
  frontdoor::Door& door = *near_.door;
  while (door.state() == frontdoor::Door::State::kReading) {
    std::array<ByteView, 4> views;
    const size_t count = near_.stream->Peek(kDoorPeek, views);
    if (count == 0) {
      if (!near_.stream->AtEnd() && !near_.stream->IsBroken()) {
        static_cast<void>(FlushDoor());
        return;
      }
      // It said nothing, or not all of it, and is gone: nobody's fault, and nobody to tell.
      near_.stream->Close();
      parties_.forward->tally.OnFailed();
      Record(EndedRecord::Verdict::kBroken, kEndedBySource);
      phase_ = Phase::kDone;
      return;
    }
    size_t used = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t taken = door.OnBytes(views[i]);
      used += taken;
      if (taken < views[i].size()) break;
    }
    near_.stream->Consume(used);
  }
  timer_.Cancel();
  if (door.state() == frontdoor::Door::State::kRefused) {
    CountRefusal(door.refusal(), absl::StrCat(source(), ": ", door.refusal_message()));
    return Leave();
  }
  const frontdoor::Request& request = door.request();
  if (parties_.is_for_offers && request.reverse.empty()) {
    return Refuse(Refusal::kNoForward, absl::StrCat("listener/", parties_.listener->config()->id.name, " has no forward"));
  }
  if (!request.reverse.empty() || request.network == frontdoor::Network::kUdp) {
    near_.stream->set_observer(nullptr);
    phase_ = Phase::kDone;
    if (!request.reverse.empty()) return host_.OnOffer(parties_, std::move(near_));
    return host_.OnUdpRequest(parties_, std::move(near_));
  }
  Proceed(request);
}

bool Relay::FlushDoor() {
  if (near_.door == nullptr) return true;
  while (!near_.door->output().empty()) {
    if (near_.stream->WritableBytes() == 0) return false;
    const ByteView view = near_.door->output();
    const size_t written = near_.stream->Write(std::span(&view, 1));
    if (written == 0) return false;
    near_.door->TakeOutput(written);
  }
  return true;
}

std::string Relay::source() const {
  if (near_.door != nullptr && !near_.door->request().source.empty()) return near_.door->request().source;
  if (const Session* session = context_.sessions->Find(near_.session)) return session->remote.ToString();
  return near_address_.port != 0 ? near_address_.ToString() : std::string();
}

// ---- The way.

void Relay::Proceed(const frontdoor::Request& request) {
  // Only where another daemon opened the stream is it somebody else who names destinations.
  const bool is_remote = parties_.listener == nullptr || parties_.listener->config()->is_addressed;
  way_ = host_.FindWay(*parties_.forward, request, is_remote);
  parties_.dialer = way_.dialer;
  if (way_.dialer != nullptr) parties_.far_tally = &way_.dialer->tally();
  if (way_.open && way_.open->source.empty()) way_.open->source = source();
  switch (way_.kind) {
    case Way::Kind::kRefused:
    case Way::Kind::kSocket:
      return Refuse(way_.refusal, way_.message);
    case Way::Kind::kReverse:
      phase_ = Phase::kWaiting;
      // Connections that wait long are held before they become relays; what comes by other ways, or lost a race, waits a moment.
      timer_.Set(context_.now + std::min(parties_.forward->config->reverse_wait, kOfferWait));
      waiter_.emplace(host_.reverse_board(), way_.reverse, static_cast<ReverseBoard::Waiter::Owner&>(*this));
      return;
    case Way::Kind::kDial:
      phase_ = Phase::kDialling;
      if (way_.plan.targets.empty()) {
        named_.target = way_.destination;
        way_.plan.targets = {&named_};
      }
      dial_.emplace(context_, way_.plan, static_cast<StreamObserver&>(*this));
      dial_->Start();
  }
}

void Relay::RunDial() {
  if (!dial_->is_done()) return;
  std::optional<Dial::Connection> connection = dial_->TakeConnection();
  if (!connection) {
    const Refusal refusal = RefusalOfDial(dial_->error_reason(), way_.dialer != nullptr);
    const std::string message = dial_->error_message();
    dial_.reset();
    if (parties_.dialer != nullptr) parties_.dialer->tally().OnFailed();
    return Refuse(refusal, message);
  }
  dial_.reset();
  OnDialled(*std::move(connection));
}

void Relay::OnDialled(Dial::Connection connection) {
  if (connection.quic != nullptr) {
    EndpointStream* const quic = connection.quic.get();
    far_ = {.stream = std::move(connection.quic), .session = connection.session};
    far_.quic = quic;
    far_driver_ = connection.driver;
    far_carrier_ = connection.carrier;
  } else {
    OpenFarSession(connection);
  }
  connect_latency_ = context_.now - opened_at_;
  if (!SendProxyHeader()) return Refuse(Refusal::kInternal, "the backend does not take a PROXY header");
  WrapFar();
  phase_ = Phase::kAnswering;
}

void Relay::OpenFarSession(Dial::Connection& connection) {
  Session session;
  session.forward = parties_.forward->config;
  session.tally = parties_.far_tally;
  session.relay = handle_;
  if (parties_.dialer != nullptr) {
    session.dialer = parties_.dialer->config();
    session.target = connection.target;
  }
  if (connection.driver == nullptr) {
    far_ = OpenTcpSession(context_, std::move(connection.tcp), connection.remote, std::move(session));
  } else if (connection.tls == nullptr) {
    far_ = OpenEndpointSession(context_, *connection.driver, connection.stream, connection.remote, std::move(session));
  } else {
    far_ = OpenTlsSession(context_, *connection.driver, connection.stream, connection.remote, std::move(connection.tls),
                          std::move(session));
    far_target_ = connection.target;
  }
}

void Relay::RunWaiting() {
  std::optional<SessionStream> offer = host_.reverse_board().Take(way_.reverse);
  if (offer) return TakeOffer(*std::move(offer));
  if (parties_.forward->config->reverse_wait > Duration::zero()) return;  // until the timer says otherwise
  Refuse(Refusal::kNoForward, absl::StrCat("nobody offers ", way_.reverse));
}

void Relay::TakeOffer(SessionStream offer) {
  waiter_.reset();
  timer_.Cancel();
  far_ = std::move(offer);
  if (Session* session = context_.sessions->Find(far_.session)) {
    if (session->transport != Transport::kQuic) session->relay = handle_;
    session->forward = parties_.forward->config;
  }
  connect_latency_ = context_.now - opened_at_;
  WrapFar();
  phase_ = Phase::kAnswering;
}

void Relay::WrapFar() {
  if (way_.open) {
    auto addressed = std::make_unique<AddressedStream>(std::move(far_.stream), *way_.open);
    far_header_ = addressed.get();
    far_.stream = std::move(addressed);
  }
  far_.stream->set_observer(this);
}

bool Relay::SendProxyHeader() {
  if (!parties_.forward->config->proxy_protocol) return true;
  const Session* session = context_.sessions->Find(near_.session);
  const auto told = SocketAddress::Parse(source());
  const ProxyHeader header(told.ok() ? *told : SocketAddress(), session != nullptr ? session->local : SocketAddress(), /*is_udp=*/false);
  const ByteView view = header.view();
  // A fresh socket takes so little at once.
  return far_.stream->WritableBytes() > 0 && far_.stream->Write(std::span(&view, 1)) == view.size();
}

// ---- The answer.

void Relay::RunAnswering() {
  if (near_.door == nullptr) return BeginPump();
  if (near_.door->state() == frontdoor::Door::State::kRequested) {
    if (far_header_ != nullptr) {
      const AddressedStream::State state = far_header_->Advance();
      if (state == AddressedStream::State::kRefused) return Refuse(far_header_->refusal(), far_header_->refusal_message());
      if (far_.stream->IsBroken()) return Refuse(Refusal::kDialFailed, "the session to the far side ended");
      if (state == AddressedStream::State::kWaiting) {
        if (timer_.is_set()) return;
        return timer_.Set(opened_at_ + (parties_.dialer != nullptr ? parties_.dialer->config()->dial_timeout : kDoorTimeout) + kDoorTimeout);
      }
    }
    timer_.Cancel();
    const Session* far = context_.sessions->Find(far_.session);
    const bool is_outside = far_header_ == nullptr && far != nullptr;
    near_.door->Answer(Refusal::kNone, "", is_outside ? far->local : SocketAddress());
  }
  if (!FlushDoor()) return;
  BeginPump();
}

void Relay::BeginPump() {
  phase_ = Phase::kPumping;
  pump_.emplace(*near_.stream, *far_.stream, options_, context_.now);
  parties_.forward->tally.OnOpened();
}

void Relay::CountRefusal(Refusal refusal, const std::string& message) {
  parties_.forward->tally.OnFailed();
  ++parties_.forward->tally.counters.refused[static_cast<size_t>(refusal)];
  Record(EndedRecord::Verdict::kRefused, RefusalName(refusal), message);
  context_.events.Emit(context_.now, {true, "StreamRefused", "forward/" + parties_.forward->config->id.name,
                                      absl::StrCat(std::string(RefusalName(refusal)), ": ", message)});
}

void Relay::Refuse(Refusal refusal, const std::string& message) {
  timer_.Cancel();
  dial_.reset();
  waiter_.reset();
  CountRefusal(refusal, message);
  if (far_.stream != nullptr) far_.stream->Reset(CloseReason::kAborted);
  if (near_.door != nullptr && near_.door->state() == frontdoor::Door::State::kRequested) {
    near_.door->Answer(refusal, message, {});
    return Leave();
  }
  phase_ = Phase::kDone;
  near_.stream->Reset(CloseReason::kAborted);
}

// What was answered must not be lost to what the peer sent meanwhile: closing a socket with unread input resets it.
void Relay::Leave() {
  if (!FlushDoor()) {
    phase_ = Phase::kDone;
    return near_.stream->Reset(CloseReason::kAborted);
  }
  if (!near_.stream->CanHalfClose()) {
    phase_ = Phase::kDone;
    return near_.stream->Close();
  }
  near_.stream->FinishWriting();
  phase_ = Phase::kLeaving;
  timer_.Set(context_.now + kLeaveTime);
  host_.Schedule(handle_);
}

void Relay::RunLeaving() {
  std::array<ByteView, 4> views;
  while (const size_t count = near_.stream->Peek(kDoorPeek, views)) {
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) size += views[i].size();
    near_.stream->Consume(size);
  }
  if (!near_.stream->AtEnd() && !near_.stream->IsBroken()) return;
  timer_.Cancel();
  near_.stream->Close();
  phase_ = Phase::kDone;
}

// ---- The pump.

bool Relay::RunPump() {
  const bool more = pump_->Run(context_.now);
  Account();
  Arm();
  if (far_target_ != nullptr && (pump_->is_done() || counted_from_far_ > 0)) JudgeTarget();
  if (!pump_->is_done()) return more;
  phase_ = Phase::kDone;
  // Where nobody waited for the answer it comes as the end of the stream.
  if (far_header_ == nullptr || far_header_->state() != AddressedStream::State::kRefused) {
    RecordPump();
  } else {
    Record(EndedRecord::Verdict::kRefused, RefusalName(far_header_->refusal()), absl::StrCat("far side: ", far_header_->refusal_message()));
    ++parties_.forward->tally.counters.refused[static_cast<size_t>(far_header_->refusal())];
    context_.events.Emit(context_.now,
                         {true, "StreamRefused", "forward/" + parties_.forward->config->id.name,
                          absl::StrCat("far side: ", std::string(RefusalName(far_header_->refusal())), ": ", far_header_->refusal_message())});
  }
  return more;
}

void Relay::JudgeTarget() {
  TargetState& target = *std::exchange(far_target_, nullptr);
  if (far_.tls->failure() != tls::TlsFailure::kNone) {
    parties_.dialer->OnTargetFailed(target, std::string(tls::TlsFailureName(far_.tls->failure())),
                                    absl::StrCat("TLS with ", target.target.ToString(), ": ", far_.tls->failure_message()));
    return;
  }
  target.error_reason.clear();
  target.error_message.clear();
}

void Relay::OnTimer(TimePoint now) {
  armed_for_ = kInfiniteFuture;
  switch (phase_) {
    case Phase::kDoor:
      // It had its time to say what it wants.
      CountRefusal(Refusal::kMalformed, absl::StrCat(source(), ": no whole request in time"));
      near_.stream->Reset(CloseReason::kAborted);
      phase_ = Phase::kDone;
      break;
    case Phase::kWaiting:
      if (std::optional<SessionStream> offer = host_.reverse_board().Take(way_.reverse)) {
        TakeOffer(*std::move(offer));
      } else {
        Refuse(Refusal::kNoForward, absl::StrCat("nobody offers ", way_.reverse));
      }
      break;
    case Phase::kAnswering:
      Refuse(Refusal::kDialFailed, "the far side did not answer in time");
      break;
    case Phase::kPumping:
      pump_->OnTimer(now);
      break;
    case Phase::kLeaving:
      near_.stream->Close();
      phase_ = Phase::kDone;
      break;
    case Phase::kDialling:
    case Phase::kDone:
      return;
  }
  host_.Schedule(handle_);
}

void Relay::Account() {
  ObjectCounters& counters = parties_.forward->tally.counters;
  counters.rx_bytes += pump_->bytes_from_near() - std::exchange(counted_from_near_, pump_->bytes_from_near());
  counters.tx_bytes += pump_->bytes_from_far() - std::exchange(counted_from_far_, pump_->bytes_from_far());
}

bool Relay::IsQuiet(Duration silence) const {
  if (phase_ == Phase::kDoor || phase_ == Phase::kWaiting || phase_ == Phase::kLeaving) return true;
  return pump_ && !pump_->is_stalled() && context_.now - pump_->last_moved() >= silence;
}

void Relay::Arm() {
  // Deadlines mostly move later with every byte: the timer is only ever moved earlier, and looks again when it fires.
  const TimePoint next = pump_->NextDeadline();
  if (next >= armed_for_) return;
  armed_for_ = next;
  timer_.Set(next);
}

void Relay::End(bool in_order) {
  if (phase_ == Phase::kDone) return;
  const bool is_leaving = phase_ == Phase::kLeaving;
  phase_ = Phase::kDone;
  if (is_leaving) return near_.stream->Close();  // it was refused and counted
  if (pump_) {
    pump_->End(context_.now, in_order);
    RecordPump();
    if (far_target_ != nullptr) JudgeTarget();
    return;
  }
  dial_.reset();
  waiter_.reset();
  near_.stream->Reset(CloseReason::kAdmin);
  if (far_.stream != nullptr) far_.stream->Reset(CloseReason::kAdmin);
  parties_.forward->tally.OnFailed();
  Record(EndedRecord::Verdict::kBroken, kEndedHere);
}

}  // namespace culvert::server
