// What all lists and mutations have in common, and Apply and leases, over real gRPC.
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using std::chrono::seconds;

class ApiTest : public ControlFixture {
 protected:
  grpc::Status Apply(const v1::ApplyRequest& request, v1::ApplyResponse* response) {
    response->Clear();
    return Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, response);
  }
  static v1::Object Named(v1::Object object, const std::string& label) {
    (*object.mutable_listener()->mutable_metadata()->mutable_labels())["site"] = label;
    return object;
  }
  std::vector<std::string> Names(const v1::ListListenersRequest& request, v1::ListListenersResponse* response = nullptr) {
    v1::ListListenersResponse local;
    if (response == nullptr) response = &local;
    response->Clear();
    const grpc::Status status = Call<v1::ListenerService>(&v1::ListenerService::Stub::ListListeners, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> names;
    for (const v1::Listener& listener : response->listeners()) names.push_back(listener.metadata().name());
    return names;
  }
};

TEST_F(ApiTest, ListsAreFilteredOrderedMaskedAndNumbered) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(Named(KcpListener("a", "127.0.0.1:3"), "x"), &created).ok());
  ASSERT_TRUE(Create(Named(KcpListener("b", "127.0.0.1:2"), "y"), &created).ok());
  ASSERT_TRUE(Create(Named(KcpListener("c", "127.0.0.1:1"), "x"), &created).ok());
  v1::ListListenersRequest request;
  v1::ListListenersResponse response;
  EXPECT_THAT(Names(request, &response), ElementsAre("a", "b", "c"));
  EXPECT_GT(response.revision(), 0);
  const int64_t revision = response.revision();
  request.set_filter("labels.site=x AND transport=KCP");
  EXPECT_THAT(Names(request, &response), ElementsAre("a", "c"));
  EXPECT_EQ(response.total_size(), 2);
  request.set_order_by("bind");
  EXPECT_THAT(Names(request), ElementsAre("c", "a"));
  request.set_filter("rx_bytes>5");
  EXPECT_THAT(Names(request), ElementsAre("c", "b", "a"));
  request.mutable_read_mask()->add_paths("metadata.name");
  Names(request, &response);
  EXPECT_FALSE(response.listeners(0).has_spec());
  EXPECT_EQ(response.revision(), revision) << "reading changes nothing";
  ASSERT_TRUE(Create(KcpListener("d", "127.0.0.1:4"), &created).ok());
  Names(request, &response);
  EXPECT_GT(response.revision(), revision);

  request.set_filter("labels.site=");
  const grpc::Status status = Call<v1::ListenerService>(&v1::ListenerService::Stub::ListListeners, request, &response);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonIn(status), "INVALID_FILTER");
  EXPECT_THAT(status.error_message(), HasSubstr("\n              ^"));
}

TEST_F(ApiTest, ARequestThatIsSentAgainIsAnsweredAgainAndDoneOnce) {
  v1::CreateListenerRequest request;
  *request.mutable_listener() = KcpListener("in", "127.0.0.1:1").listener();
  request.set_request_id("5a0b7a8e-0000-4000-8000-000000000001");
  v1::CreateListenerResponse first;
  v1::CreateListenerResponse second;
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &first).ok());
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &second).ok());
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(worker_.updates, 1);

  request.mutable_listener()->mutable_spec()->set_paused(true);
  grpc::Status status = Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &second);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << "another request under the same id";
  request.set_request_id("no spaces");
  status = Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &second);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("request_id"));

  // What failed may be tried again under its id.
  request.set_request_id("retry");
  *request.mutable_listener() = KcpListener("in2", "127.0.0.1:1").listener();
  EXPECT_FALSE(Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &second).ok());
  v1::DeleteListenerRequest erase;
  v1::DeleteListenerResponse erased;
  erase.set_name("in");
  ASSERT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::DeleteListener, erase, &erased).ok());
  EXPECT_TRUE(Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &second).ok());
}

TEST_F(ApiTest, OnlyApplyTakesLargeRequests) {
  v1::CreateListenerRequest request;
  *request.mutable_listener() = KcpListener("in", "127.0.0.1:1").listener();
  (*request.mutable_listener()->mutable_metadata()->mutable_annotations())["x"] = std::string(1 << 20, 'x');
  v1::CreateListenerResponse response;
  const grpc::Status status = Call<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, &response);
  EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonIn(status), "LIMIT_EXCEEDED");
}

TEST_F(ApiTest, ApplyTellsBeforeAndAfter) {
  v1::ApplyRequest request;
  v1::ApplyResponse response;
  *request.add_objects() = KcpListener("in", "127.0.0.1:1");
  request.set_validate_only(true);
  ASSERT_TRUE(Apply(request, &response).ok());
  EXPECT_EQ(response.results(0).action(), v1::ApplyResponse::ACTION_CREATED);
  EXPECT_FALSE(response.results(0).has_before());
  EXPECT_EQ(response.results(0).after().listener().spec().bind(), "127.0.0.1:1");
  EXPECT_FALSE(response.results(0).after().listener().spec().kcp().has_seed());
  EXPECT_EQ(worker_.updates, 0);

  request.set_validate_only(false);
  ASSERT_TRUE(Apply(request, &response).ok());
  const int64_t revision = response.revision();
  request.mutable_objects(0)->mutable_listener()->mutable_spec()->set_max_sessions(7);
  ASSERT_TRUE(Apply(request, &response).ok());
  EXPECT_THAT(response.results(0).changed_paths(), ElementsAre("spec.max_sessions"));
  EXPECT_FALSE(response.results(0).disruptive());
  EXPECT_EQ(response.results(0).before().listener().spec().max_sessions(), 0u);
  EXPECT_EQ(response.results(0).after().listener().spec().max_sessions(), 7u);
  EXPECT_GT(response.revision(), revision);
}

TEST_F(ApiTest, PruneDeletesWhatTheManagerOwnsAndDidNotName) {
  v1::CreateListenerResponse created;
  ASSERT_TRUE(Create(KcpListener("mine", "127.0.0.1:1"), &created).ok());  // of manager "api"
  v1::ApplyRequest request;
  v1::ApplyResponse response;
  request.set_manager("controller-a");
  *request.add_objects() = KcpListener("l1", "127.0.0.1:2");
  *request.add_objects() = KcpListener("l2", "127.0.0.1:3");
  ASSERT_TRUE(Apply(request, &response).ok());
  EXPECT_EQ(response.results(0).after().listener().metadata().manager(), "controller-a");

  request.mutable_objects()->RemoveLast();
  request.set_prune(true);
  request.set_validate_only(true);
  ASSERT_TRUE(Apply(request, &response).ok());
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(1).name(), "l2");
  EXPECT_EQ(response.results(1).action(), v1::ApplyResponse::ACTION_DELETED);
  EXPECT_TRUE(response.results(1).disruptive());
  EXPECT_TRUE(response.results(1).has_before());
  EXPECT_FALSE(response.results(1).has_after());
  EXPECT_THAT(Names({}), ElementsAre("l1", "l2", "mine"));
  request.set_validate_only(false);
  ASSERT_TRUE(Apply(request, &response).ok());
  EXPECT_THAT(Names({}), ElementsAre("l1", "mine"));
}

TEST_F(ApiTest, ObjectsOfOthersAreTakenOverOnlyByForce) {
  v1::ApplyRequest request;
  v1::ApplyResponse response;
  request.set_manager("a");
  *request.add_objects() = KcpListener("l", "127.0.0.1:1");
  ASSERT_TRUE(Apply(request, &response).ok());
  request.set_manager("b");
  ASSERT_TRUE(Apply(request, &response).ok()) << "what is as it should be needs no permission";
  request.mutable_objects(0)->mutable_listener()->mutable_spec()->set_max_sessions(9);
  grpc::Status status = Apply(request, &response);
  EXPECT_EQ(status.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonIn(status), "MANAGED_BY_OTHER");
  request.set_force_conflicts(true);
  ASSERT_TRUE(Apply(request, &response).ok());
  EXPECT_THAT(response.results(0).changed_paths(), ElementsAre("spec.max_sessions", "metadata.manager"));
  EXPECT_EQ(response.results(0).after().listener().metadata().manager(), "b");
  request.set_manager("file");
  EXPECT_EQ(Apply(request, &response).error_code(), grpc::INVALID_ARGUMENT);
  request.set_manager("Not A Name");
  EXPECT_EQ(Apply(request, &response).error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(ApiTest, AWrongFilterOfCloseSessionClosesNothing) {
  v1::CloseSessionRequest request;
  v1::CloseSessionResponse response;
  EXPECT_EQ(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, request, &response).error_code(), grpc::INVALID_ARGUMENT);
  request.set_filter("stat=ACTIVE");
  EXPECT_EQ(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, request, &response).error_code(), grpc::INVALID_ARGUMENT);
  request.set_filter("dialer=far");
  request.set_name("x");
  EXPECT_EQ(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, request, &response).error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(ApiTest, ManySessionsAreClosedByAFilter) {
  for (int i = 0; i < 500; ++i) {
    SessionSnapshot session;
    session.id = "s" + std::to_string(1000 + i);
    session.dialer = i % 5 == 0 ? "near" : "far";
    worker_.sessions.push_back(session);
  }
  v1::CloseSessionRequest request;
  v1::CloseSessionResponse response;
  request.set_filter("dialer=far");
  request.set_validate_only(true);
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, request, &response).ok());
  EXPECT_EQ(response.closed_count(), 400);
  EXPECT_EQ(worker_.sessions.size(), 500u);
  request.set_validate_only(false);
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::CloseSession, request, &response).ok());
  EXPECT_EQ(response.closed_count(), 400);
  EXPECT_EQ(worker_.sessions.size(), 100u);
}

TEST_F(ApiTest, SessionsThatEndedAreListedWhenAskedFor) {
  SessionSnapshot session;
  session.id = "open";
  worker_.sessions.push_back(session);
  session.id = "gone";
  session.closed_at_unix_ns = 1'780'000'000'000'000'000;
  session.close_reason = "IDLE_TIMEOUT";
  worker_.closed.push_back(session);
  v1::ListSessionsRequest request;
  v1::ListSessionsResponse response;
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::ListSessions, request, &response).ok());
  EXPECT_EQ(response.sessions_size(), 1);
  request.set_include_closed(true);
  request.set_filter("close_reason=IDLE_TIMEOUT AND state=CLOSED");
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::ListSessions, request, &response).ok());
  ASSERT_EQ(response.sessions_size(), 1);
  EXPECT_EQ(response.sessions(0).name(), "sessions/gone");
  v1::GetSessionRequest get;
  v1::GetSessionResponse got;
  get.set_name("gone");
  ASSERT_TRUE(Call<v1::SessionService>(&v1::SessionService::Stub::GetSession, get, &got).ok());
  EXPECT_TRUE(got.session().has_close_time());
}

TEST_F(ApiTest, TheLogsLevelIsChangedAndGoesBack) {
  v1::SetLogLevelRequest request;
  v1::SetLogLevelResponse response;
  const LogLevel before = GetLogLevel();
  request.set_level(v1::LOG_LEVEL_ERROR);
  request.set_component("dialer");
  ASSERT_TRUE(Call<v1::DaemonService>(&v1::DaemonService::Stub::SetLogLevel, request, &response).ok());
  EXPECT_FALSE(IsLogged(LogLevel::kWarning, "dialer"));
  EXPECT_EQ(GetLogLevel(), before);
  EXPECT_TRUE(IsLogged(LogLevel::kError, "dialer"));
  SetLogLevel("dialer", std::nullopt);
  request.set_component("dailer");
  const grpc::Status status = Call<v1::DaemonService>(&v1::DaemonService::Stub::SetLogLevel, request, &response);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("did you mean dialer?"));
  request.clear_level();
  EXPECT_EQ(Call<v1::DaemonService>(&v1::DaemonService::Stub::SetLogLevel, request, &response).error_code(), grpc::INVALID_ARGUMENT);
}

// --- Leases -----------------------------------------------------------------------------------------------------------

TEST_F(ApiTest, AnObjectWithALeaseGoesUnlessItIsRenewed) {
  v1::ApplyRequest request;
  v1::ApplyResponse response;
  for (const char* name : {"kept", "left"}) {
    v1::Object object = KcpListener(name, std::string(name) == "kept" ? "127.0.0.1:1" : "127.0.0.1:2");
    object.mutable_listener()->mutable_metadata()->mutable_ttl()->set_seconds(2);
    *request.add_objects() = object;
  }
  ASSERT_TRUE(Apply(request, &response).ok());
  EXPECT_TRUE(response.results(0).after().listener().metadata().has_expire_time());
  request.mutable_objects()->RemoveLast();
  const auto give_up = std::chrono::steady_clock::now() + seconds(20);
  std::vector<std::string> names;
  do {
    ASSERT_TRUE(Apply(request, &response).ok());
    EXPECT_EQ(response.results(0).action(), v1::ApplyResponse::ACTION_UNCHANGED) << "renewing alone is no change";
    names = Names({});
  } while (names.size() != 1 && std::chrono::steady_clock::now() < give_up);
  EXPECT_THAT(names, ElementsAre("kept"));
}

TEST_F(ApiTest, ALeaseInThePastIsRefused) {
  v1::Object object = KcpListener("in", "127.0.0.1:1");
  object.mutable_listener()->mutable_metadata()->mutable_expire_time()->set_seconds(1);
  v1::CreateListenerResponse response;
  grpc::Status status = Create(object, &response);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("metadata.expire_time: lies in the past"));
  object.mutable_listener()->mutable_metadata()->clear_expire_time();
  object.mutable_listener()->mutable_metadata()->mutable_ttl()->set_nanos(5);
  EXPECT_EQ(Create(object, &response).error_code(), grpc::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace culvert::server
