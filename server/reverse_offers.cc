#include "server/reverse_offers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/dialer_runtime.h"
#include "server/worker_context.h"

namespace culvert::server {

// One stream on its way to being parked, or parked.
struct ReverseOffers::Offer final : private StreamObserver {
  explicit Offer(Host& owner) : host(owner) {}
  void Dial(WorkerContext& context, DialPlan plan) {
    dial.emplace(context, std::move(plan), static_cast<StreamObserver&>(*this));
    dial->Start();
  }
  void Watch() { stream.stream->set_observer(this); }
  void OnStreamReady() override { host.ScheduleOffers(); }

  Host& host;
  DialerRuntime* dialer = nullptr;
  std::optional<server::Dial> dial;
  SessionStream stream;                // once it is dialled
  AddressedStream* header = nullptr;   // `stream.stream`
  const EndpointDriver* driver = nullptr;
  SessionHandle carrier;
  TimePoint agree_by = kInfiniteFuture;
  bool is_parked = false;
};

ReverseOffers::ReverseOffers(WorkerContext& context, Host& host, ForwardRuntime& forward, uint32_t share)
    : context_(context),
      host_(host),
      forward_(forward),
      share_(share),
      dialer_(forward.config->dialer),
      reverse_(forward.config->reverse),
      timer_(context.timers, *this),
      wanted_(share) {
  look_at_ = context_.now + kLookInterval;
  timer_.Set(context_.now);
}

ReverseOffers::~ReverseOffers() { EndAll(); }

void ReverseOffers::OnTimer(TimePoint /*now*/) { host_.ScheduleOffers(); }

void ReverseOffers::Begin() {
  DialerRuntime* dialer = host_.DialerOf(forward_);
  if (dialer == nullptr) return OnFailed("DIAL_FAILED", "the dialer is paused or at max_sessions");
  auto offer = std::make_unique<Offer>(host_);
  offer->dialer = dialer;
  DialPlan plan{.transport = dialer->config()->transport,
                .targets = dialer->NextTargets(),
                .dialer = dialer,
                .socket = dialer->config()->socket,
                .timeout = dialer->config()->dial_timeout};
  offer->Dial(context_, std::move(plan));
  offers_.push_back(std::move(offer));
  host_.ScheduleOffers();  // it may be done already
}

void ReverseOffers::OnFailed(const std::string& reason, const std::string& message) {
  const std::shared_ptr<const ForwardConfig>& config = forward_.config;
  if (context_.now >= not_before_) {
    backoff_.OnFailure(context_.now, std::chrono::milliseconds(100), std::chrono::seconds(30), *context_.random);
    not_before_ = backoff_.until();
  }
  // Told when it changes, not with every attempt.
  const std::string text = absl::StrCat(reason, ": ", message);
  if (text == last_failure_) return;
  last_failure_ = text;
  context_.events.Emit(context_.now, {true, "OfferFailed", "forward/" + config->id.name, absl::StrCat(config->reverse, ": ", text)});
}

bool ReverseOffers::RunOffer(Offer& offer) {
  if (offer.dial) {
    if (!offer.dial->is_done()) return false;
    std::optional<Dial::Connection> connection = offer.dial->TakeConnection();
    if (!connection) {
      offer.dialer->tally().OnFailed();
      OnFailed(offer.dial->error_reason(), offer.dial->error_message());
      return true;
    }
    offer.dial.reset();
    if (connection->quic != nullptr) {
      offer.driver = connection->driver;
      offer.carrier = connection->carrier;
      offer.stream.quic = connection->quic.get();
      offer.stream.session = connection->session;
      offer.stream.stream = std::move(connection->quic);
    } else {
      Session session;
      session.forward = forward_.config;
      session.tally = &offer.dialer->tally();
      session.dialer = offer.dialer->config();
      session.target = connection->target;
      if (connection->tls == nullptr) {
        offer.stream = OpenEndpointSession(context_, *connection->driver, connection->stream, connection->remote, std::move(session));
      } else {
        offer.stream = OpenTlsSession(context_, *connection->driver, connection->stream, connection->remote, std::move(connection->tls),
                                      std::move(session));
      }
    }
    frontdoor::Request open;
    open.reverse = forward_.config->reverse;
    open.forward = forward_.config->id.name;
    auto header = std::make_unique<AddressedStream>(std::move(offer.stream.stream), open);
    offer.header = header.get();
    offer.stream.stream = std::move(header);
    offer.stream.owner = offer.dialer;
    offer.Watch();
    offer.agree_by = context_.now + kAgreeTimeout;
  }
  const AddressedStream::State state = offer.header->Advance();
  if (state == AddressedStream::State::kRefused) {
    OnFailed(std::string(RefusalName(offer.header->refusal())), offer.header->refusal_message());
    return true;
  }
  if (offer.stream.stream->IsBroken() || offer.stream.stream->AtEnd()) {
    OnFailed("SESSION_LOST", "the session to the public side ended");
    return true;
  }
  if (state == AddressedStream::State::kWaiting) {
    if (context_.now < offer.agree_by) return false;
    OnFailed("NO_ANSWER", "the public side did not answer in time");
    return true;
  }
  if (!std::exchange(offer.is_parked, true)) {
    offer.agree_by = kInfiniteFuture;
    backoff_.OnSuccess();
    not_before_ = {};
    last_failure_.clear();
    if (!std::exchange(was_parked_, true)) {
      context_.events.Emit(context_.now, {false, "ReverseOffered", "forward/" + forward_.config->id.name,
                                          absl::StrCat(forward_.config->reverse, " is offered through dialer/", forward_.config->dialer)});
    }
  }
  ByteView view;
  if (offer.stream.stream->Peek(1, std::span(&view, 1)) == 0) return false;
  offer.stream.stream->Consume(0);
  // The public side has something for it.
  offer.stream.stream->set_observer(nullptr);
  offer.stream.door = frontdoor::CreateAddressedDoor();
  ++taken_lately_;
  host_.OnTaken(forward_, std::move(offer.stream));
  return true;
}

void ReverseOffers::Run() {
  for (auto at = offers_.begin(); at != offers_.end();) {
    at = RunOffer(**at) ? offers_.erase(at) : std::next(at);
  }
  if (is_stopped_) return;
  if (context_.now >= look_at_) {
    // As many as were taken in the last second are worth having at hand.
    wanted_ = std::clamp(std::max(share_, taken_lately_), share_, std::max(kMostParked, share_));
    taken_lately_ = 0;
    look_at_ = context_.now + kLookInterval;
  }
  const uint32_t wanted = std::max(wanted_, std::min(share_ + taken_lately_, kMostParked));
  while (offers_.size() < wanted && context_.now >= not_before_) {
    const size_t before = offers_.size();
    Begin();
    if (offers_.size() == before) break;
  }
  uint64_t parked = 0;
  TimePoint next = look_at_;
  for (const auto& offer : offers_) {
    parked += offer->is_parked ? 1 : 0;
    next = std::min(next, offer->agree_by);
  }
  if (parked == 0 && std::exchange(was_parked_, false)) {
    context_.events.Emit(context_.now, {true, "ReverseLost", "forward/" + forward_.config->id.name,
                                        absl::StrCat(forward_.config->reverse, " is not offered any more")});
  }
  forward_.tally.counters.reverse_parked = parked;
  if (offers_.size() < wanted) next = std::min(next, std::max(not_before_, context_.now + std::chrono::milliseconds(1)));
  timer_.Set(next);
}

void ReverseOffers::Stop() {
  is_stopped_ = true;
  timer_.Cancel();
  EndAll();
}

void ReverseOffers::EndAll() {
  for (const auto& offer : offers_) {
    if (offer->stream.stream != nullptr) offer->stream.stream->Close();
  }
  offers_.clear();
  forward_.tally.counters.reverse_parked = 0;
}

void ReverseOffers::EndOn(SlotHandle handle, const Session& session) {
  std::erase_if(offers_, [&](const std::unique_ptr<Offer>& offer) {
    if (offer->stream.stream == nullptr) return false;
    const bool is_on = offer->stream.session == handle || (offer->driver != nullptr && offer->driver == session.driver && offer->carrier == session.carrier);
    if (is_on) offer->stream.stream->Reset(CloseReason::kAdmin);
    return is_on;
  });
}

}  // namespace culvert::server
