// The services as a client sees them: real gRPC on a Unix socket, workers that are stand-ins.
#include "server/control_server.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/access/standing_calls.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class ControlServerTest : public ControlFixture {};

TEST_F(ControlServerTest, TheSocketIsForOwnerAndGroup) {
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path_).permissions() & perms::mask,
            perms::owner_read | perms::owner_write | perms::group_read | perms::group_write);
  EXPECT_EQ(std::filesystem::status(std::filesystem::path(path_).parent_path()).permissions() & perms::others_all, perms::none);
}

TEST_F(ControlServerTest, ASocketInUseIsNotTaken) {
  const absl::Status status = PrepareControlSocket(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("another process listens"));
}

TEST_F(ControlServerTest, CreateGetUpdateDelete) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(KcpListener("in", "127.0.0.1:1"), &created).ok());
  EXPECT_EQ(created.listener().metadata().manager(), "api");
  EXPECT_FALSE(created.listener().spec().kcp().has_seed());

  v1::GetListenerRequest get;
  v1::GetListenerResponse got;
  get.set_name("listeners/in");
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::GetListener, get, &got).ok());
  EXPECT_EQ(got.listener().metadata().uid(), created.listener().metadata().uid());

  v1::UpdateListenerRequest update;
  v1::UpdateListenerResponse updated;
  update.mutable_listener()->mutable_metadata()->set_name("in");
  update.mutable_listener()->mutable_spec()->set_paused(true);
  update.mutable_update_mask()->add_paths("spec.paused");
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::UpdateListener, update, &updated).ok());
  EXPECT_TRUE(updated.listener().spec().paused());
  EXPECT_EQ(updated.listener().spec().bind(), "127.0.0.1:1");
  EXPECT_EQ(updated.listener().metadata().generation(), 2);

  v1::DeleteListenerRequest erase;
  v1::DeleteListenerResponse erased;
  erase.set_name("in");
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::DeleteListener, erase, &erased).ok());
  EXPECT_EQ(erased.listener().status().counters().rx_bytes(), 10u);
  const grpc::Status missing = Call<v1::ListenerService>(&v1::ListenerService::Stub::DeleteListener, erase, &erased);
  EXPECT_EQ(missing.error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(ReasonIn(missing), "RESOURCE_NOT_FOUND");
  erase.set_allow_missing(true);
  erased.Clear();
  EXPECT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::DeleteListener, erase, &erased).ok());
  EXPECT_FALSE(erased.has_listener());
}

TEST_F(ControlServerTest, EveryEmptyRequestIsRefusedWithAFieldOrServed) {
  const auto refused = [](const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonIn(status), "INVALID_FIELD");
  };
  using L = v1::ListenerService;
  using D = v1::DialerService;
  using F = v1::ForwardService;
  using S = v1::SessionService;
  const auto call = [this]<typename Service, typename Request, typename Response>(
                        std::type_identity<Service>,
                        grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
    Response response;
    return Call<Service>(method, Request(), &response);
  };
  const std::type_identity<L> l;
  const std::type_identity<D> d;
  const std::type_identity<F> f;
  const std::type_identity<S> s;
  for (const grpc::Status& status :
       {call(l, &L::Stub::GetListener), call(l, &L::Stub::CreateListener), call(l, &L::Stub::UpdateListener),
        call(l, &L::Stub::DeleteListener), call(d, &D::Stub::GetDialer), call(d, &D::Stub::CreateDialer),
        call(d, &D::Stub::UpdateDialer), call(d, &D::Stub::DeleteDialer), call(f, &F::Stub::GetForward),
        call(f, &F::Stub::CreateForward), call(f, &F::Stub::UpdateForward), call(f, &F::Stub::DeleteForward),
        call(s, &S::Stub::GetSession), call(s, &S::Stub::CloseSession)}) {
    refused(status);
  }
  EXPECT_TRUE(call(l, &L::Stub::ListListeners).ok());
  EXPECT_TRUE(call(d, &D::Stub::ListDialers).ok());
  EXPECT_TRUE(call(f, &F::Stub::ListForwards).ok());
  EXPECT_TRUE(call(s, &S::Stub::ListSessions).ok());
  EXPECT_TRUE(call(std::type_identity<v1::ConfigService>(), &v1::ConfigService::Stub::Apply).ok());
  EXPECT_TRUE(call(std::type_identity<v1::ConfigService>(), &v1::ConfigService::Stub::Export).ok());
  EXPECT_TRUE(call(std::type_identity<v1::DaemonService>(), &v1::DaemonService::Stub::GetDaemon).ok());
}

TEST_F(ControlServerTest, ListsArePagedAndSorted) {
  v1::ApplyRequest apply;
  v1::ApplyResponse applied;
  for (int i = 0; i < 25; ++i) *apply.add_objects() = TcpListener("l" + std::to_string(i), "127.0.0.1:0");
  ASSERT_TRUE(Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, apply, &applied).ok());
  v1::ListListenersRequest list;
  list.set_page_size(10);
  std::vector<std::string> names;
  int pages = 0;
  do {
    v1::ListListenersResponse page;
    ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::ListListeners, list, &page).ok());
    EXPECT_EQ(page.total_size(), 25);
    for (const v1::Listener& listener : page.listeners()) names.push_back(listener.metadata().name());
    list.set_page_token(page.next_page_token());
    ++pages;
  } while (!list.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(names.size(), 25u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST_F(ControlServerTest, ManyViolationsStillReachTheClient) {
  v1::ApplyRequest apply;
  v1::ApplyResponse applied;
  for (int i = 0; i < 1000; ++i) *apply.add_objects() = TcpListener("l" + std::to_string(i), std::string(100, 'x'));
  const grpc::Status status = Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, apply, &applied);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(InfoOf(status).metadata().at("field"), "objects[0].spec.bind");
}

TEST_F(ControlServerTest, MessagesAreLimited) {
  v1::ApplyRequest apply;
  v1::ApplyResponse applied;
  (*apply.add_objects()->mutable_listener()->mutable_metadata()->mutable_labels())["k"] = std::string(5 << 20, 'x');
  const grpc::Status status = Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, apply, &applied);
  EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
}

TEST_F(ControlServerTest, HealthFollowsTheDaemon) {
  const auto check = [this](const std::string& service) {
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service(service);
    const grpc::Status status = Call<grpc::health::v1::Health>(&grpc::health::v1::Health::Stub::Check, request, &response);
    return status.ok() ? response.status() : grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN;
  };
  for (const char* service : {"", "culvert.liveness", "culvert.readiness", "culvert.startup"}) {
    EXPECT_EQ(check(service), grpc::health::v1::HealthCheckResponse::SERVING) << service;
  }
  server_->SetServing(false);
  EXPECT_EQ(check("culvert.readiness"), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(check("nonsense"), grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST_F(ControlServerTest, WatchStatsGivesAFrameAtOnceAndEndsWhenTheDaemonStops) {
  worker_.sessions.push_back({.id = "s1"});
  grpc::ClientContext context;
  v1::WatchStatsRequest request;
  request.mutable_interval()->set_nanos(100'000'000);
  const auto reader = Observe()->WatchStats(&context, request);
  v1::WatchStatsResponse frame;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(reader->Read(&frame));
    EXPECT_EQ(frame.samples_size(), 1);
    EXPECT_TRUE(frame.end_of_frame());
  }
  const auto begin = Clock::now();
  Stop();
  EXPECT_LT(Clock::now() - begin, milliseconds(1500)) << "an open stream held up the stop";
  while (reader->Read(&frame)) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(ReasonIn(status), "DAEMON_STOPPING");
}

TEST_F(ControlServerTest, AReaderThatDoesNotReadHoldsUpNothing) {
  // More than the transport takes in for a reader that does not read.
  for (int i = 0; i < 5000; ++i) worker_.sessions.push_back({.id = std::to_string(i) + std::string(1000, 'x')});
  grpc::ClientContext context;
  v1::WatchStatsRequest request;
  request.mutable_interval()->set_nanos(100'000'000);
  const auto stalled = Observe()->WatchStats(&context, request);
  grpc::ClientContext other;
  const auto reader = Observe()->WatchStats(&other, request);
  v1::WatchStatsResponse frame;
  for (int ends = 0; ends < 5; ends += frame.end_of_frame() ? 1 : 0) ASSERT_TRUE(reader->Read(&frame));
  // What the stalled reader gets now is old by at most what was on its way; the rest was conflated.
  uint64_t conflated = 0;
  for (int ends = 0; ends < 5 && conflated == 0; ends += frame.end_of_frame() ? 1 : 0) {
    ASSERT_TRUE(stalled->Read(&frame));
    conflated = frame.conflated_frames();
  }
  EXPECT_GT(conflated, 0u);
  const auto begin = Clock::now();
  Stop();
  EXPECT_LT(Clock::now() - begin, milliseconds(3000));
}

TEST_F(ControlServerTest, WatchStatsChecksItsIntervalAndLimitsItsReaders) {
  const auto first_status = [this](const v1::WatchStatsRequest& request) {
    grpc::ClientContext context;
    const auto reader = Observe()->WatchStats(&context, request);
    v1::WatchStatsResponse frame;
    while (reader->Read(&frame)) {
    }
    return reader->Finish();
  };
  v1::WatchStatsRequest request;
  request.mutable_interval()->set_nanos(99'000'000);
  EXPECT_EQ(first_status(request).error_code(), grpc::INVALID_ARGUMENT);

  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchStatsResponse>>> readers;
  v1::WatchStatsResponse frame;
  for (size_t i = 0; i < StandingCalls::MostOfOneCaller(*v1::WatchStatsRequest::descriptor()); ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(Observe()->WatchStats(contexts.back().get(), v1::WatchStatsRequest()));
    ASSERT_TRUE(readers.back()->Read(&frame));
  }
  const grpc::Status refused = first_status(v1::WatchStatsRequest());
  EXPECT_EQ(refused.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonIn(refused), "LIMIT_EXCEEDED");
  // A reader that goes away makes room.
  contexts.front()->TryCancel();
  while (readers.front()->Read(&frame)) {
  }
  EXPECT_EQ(readers.front()->Finish().error_code(), grpc::CANCELLED);
  bool is_let_in = false;
  const auto give_up = Clock::now() + std::chrono::seconds(10);
  while (!is_let_in && Clock::now() < give_up) {
    grpc::ClientContext context;
    const auto reader = Observe()->WatchStats(&context, v1::WatchStatsRequest());
    is_let_in = reader->Read(&frame);
    context.TryCancel();
  }
  EXPECT_TRUE(is_let_in);
}

// Who only wants what there is counts too, as long as it does not read it.
TEST_F(ControlServerTest, ReadersOfEventsAreLimitedWhetherTheyFollowOrNot) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ListEventsResponse>>> readers;
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(TcpListener("in", "127.0.0.1:1"), &created).ok());
  v1::ListEventsRequest request;
  request.set_follow(true);
  v1::ListEventsResponse response;
  for (size_t i = 0; i < StandingCalls::MostOfOneCaller(*v1::ListEventsRequest::descriptor()); ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(Observe()->ListEvents(contexts.back().get(), request));
    ASSERT_TRUE(readers.back()->Read(&response));
  }
  request.set_follow(false);
  grpc::ClientContext context;
  const auto refused = Observe()->ListEvents(&context, request);
  EXPECT_FALSE(refused->Read(&response));
  EXPECT_EQ(ReasonIn(refused->Finish()), "LIMIT_EXCEEDED");
}

TEST_F(ControlServerTest, ListEventsGivesWhatHappenedAndGoesOn) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(TcpListener("in", "127.0.0.1:1"), &created).ok());
  supervisor_->RecordEvent(EventType::kWarning, "DialFailed", "dialer/out", "refused");
  const auto all = [this](const v1::ListEventsRequest& request, std::vector<v1::Event>* events) {
    grpc::ClientContext context;
    const auto reader = Observe()->ListEvents(&context, request);
    for (v1::ListEventsResponse response; reader->Read(&response);) {
      events->insert(events->end(), response.events().begin(), response.events().end());
    }
    return reader->Finish();
  };
  std::vector<v1::Event> events;
  v1::ListEventsRequest request;
  ASSERT_TRUE(all(request, &events).ok());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].reason(), "Created");
  EXPECT_EQ(events[0].subject(), "listener/in");
  EXPECT_EQ(events[0].type(), v1::Event::TYPE_NORMAL);
  EXPECT_GT(events[1].revision(), events[0].revision());
  EXPECT_EQ(events[1].count(), 1u);
  EXPECT_EQ(events[1].type(), v1::Event::TYPE_WARNING);
  EXPECT_GT(events[1].last_time().seconds(), 1'600'000'000);

  request.set_subject("dialer/out");
  request.set_type(v1::Event::TYPE_WARNING);
  request.mutable_since()->set_seconds(3600);
  request.set_last(1);
  request.set_follow(true);
  grpc::ClientContext context;
  const auto reader = Observe()->ListEvents(&context, request);
  v1::ListEventsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_EQ(response.events_size(), 1);
  EXPECT_EQ(response.events(0).subject(), "dialer/out");
  supervisor_->RecordEvent(EventType::kWarning, "DialFailed", "dialer/other", "refused");
  supervisor_->RecordEvent(EventType::kWarning, "DialFailed", "dialer/out", "refused");
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_EQ(response.events_size(), 1);
  EXPECT_EQ(response.events(0).count(), 2u);
  EXPECT_EQ(response.missed(), 0u);
  Stop();
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(ReasonIn(status), "DAEMON_STOPPING");
}

TEST_F(ControlServerTest, ListEventsSplitsWhatIsMuchAndJudgesItsRequest) {
  v1::ApplyRequest apply;
  v1::ApplyResponse applied;
  for (int i = 0; i < 1000; ++i) *apply.add_objects() = TcpListener("l" + std::to_string(i), "127.0.0.1:0");
  ASSERT_TRUE(Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, apply, &applied).ok());
  grpc::ClientContext context;
  const auto reader = Observe()->ListEvents(&context, v1::ListEventsRequest());
  int count = 0;
  int messages = 0;
  for (v1::ListEventsResponse response; reader->Read(&response); ++messages) count += response.events_size();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(count, 1000);
  EXPECT_GT(messages, 1);

  const auto field = [this](const std::string& text) {
    v1::ListEventsRequest request;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request));
    grpc::ClientContext own;
    const auto refused = Observe()->ListEvents(&own, request);
    v1::ListEventsResponse response;
    EXPECT_FALSE(refused->Read(&response));
    const grpc::Status status = refused->Finish();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
    return InfoOf(status).metadata().at("field");
  };
  EXPECT_EQ(field("subject: 'out'"), "subject");
  EXPECT_EQ(field("subject: 'dialer/'"), "subject");
  EXPECT_EQ(field("type: 7"), "type");
  EXPECT_EQ(field("since { seconds: -1 }"), "since");
  EXPECT_EQ(field("last: -1"), "last");
}

TEST_F(ControlServerTest, ProbesStreamTheirStepsAndErrors) {
  const auto probe = [this](const v1::ProbeDialerRequest& request, std::vector<v1::ProbeDialerResponse>* steps) {
    grpc::ClientContext context;
    const auto stub = v1::DialerService::NewStub(channel_);
    const auto reader = stub->ProbeDialer(&context, request);
    v1::ProbeDialerResponse step;
    while (reader->Read(&step)) steps->push_back(step);
    return reader->Finish();
  };
  std::vector<v1::ProbeDialerResponse> steps;
  v1::ProbeDialerRequest request;
  EXPECT_EQ(ReasonIn(probe(request, &steps)), "INVALID_FIELD");
  request.set_name("nobody");
  EXPECT_EQ(probe(request, &steps).error_code(), grpc::NOT_FOUND);
  request.set_count(101);
  EXPECT_EQ(probe(request, &steps).error_code(), grpc::INVALID_ARGUMENT);
  request.set_count(1);
  request.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
  request.mutable_spec()->add_targets("db:1");
  EXPECT_TRUE(probe(request, &steps).ok());
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].phase(), v1::ProbeDialerResponse::PHASE_READY);
}

TEST_F(ControlServerTest, AProbeWithoutEndEndsWithTheDaemon) {
  worker_.is_silent = true;
  grpc::ClientContext context;
  v1::ProbeDialerRequest request;
  request.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
  request.mutable_spec()->add_targets("db:1");
  const auto stub = v1::DialerService::NewStub(channel_);
  const auto reader = stub->ProbeDialer(&context, request);
  const auto begin = Clock::now();
  Stop();
  EXPECT_LT(Clock::now() - begin, milliseconds(3500));
  v1::ProbeDialerResponse step;
  EXPECT_FALSE(reader->Read(&step));
  EXPECT_FALSE(reader->Finish().ok());
}

TEST_F(ControlServerTest, SessionsAreListedByOwnerAndClosed) {
  worker_.sessions = {{.id = "a", .listener = "in"}, {.id = "b", .dialer = "out"}};
  v1::ListSessionsRequest list;
  v1::ListSessionsResponse page;
  list.set_dialer("out");
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::ListSessions, list, &page).ok());
  ASSERT_EQ(page.sessions_size(), 1);
  EXPECT_EQ(page.sessions(0).name(), "sessions/b");
  v1::CloseSessionRequest close;
  v1::CloseSessionResponse closed;
  close.set_name("sessions/b");
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, close, &closed).ok());
  EXPECT_EQ(closed.closed_count(), 1);
  EXPECT_EQ(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, close, &closed).error_code(), grpc::NOT_FOUND);
}

}  // namespace
}  // namespace culvert::server
