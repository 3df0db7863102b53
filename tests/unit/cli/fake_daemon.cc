#include "tests/unit/cli/fake_daemon.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/objects/api_methods.h"
#include "core/base/check.h"
#include "google/protobuf/util/field_mask_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace culvert::cli {

grpc::Status ErrorWithDetails(grpc::StatusCode code, const std::string& message, const std::string& reason,
                              const std::vector<const google::protobuf::Message*>& details) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("culvert");
  status.add_details()->PackFrom(info);
  for (const google::protobuf::Message* detail : details) status.add_details()->PackFrom(*detail);
  return {code, message, status.SerializeAsString()};
}

FakeDaemon::FakeDaemon() {
  std::string path = (std::filesystem::temp_directory_path() / "fake_daemon.").string() + std::string(6, 'X');
  CULVERT_CHECK(mkdtemp(path.data()) != nullptr);
  folder_ = path;
  daemon.set_version("9.9.9");
  daemon.set_hostname("edge-0");
  daemon.set_pid(12);
  daemon.add_features("kcp");
  who.add_principals("uid:1000");
  who.add_principals("gid:100");
  who.set_role(v1::ROLE_OPERATOR);
  who.set_channel(v1::CONTROL_CHANNEL_UNIX);
  grpc::ServerBuilder builder;
  // Windows that do not grow: how far a sender can be ahead of its reader is then known.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
  builder.RegisterService(static_cast<v1::ListenerService::Service*>(this));
  builder.RegisterService(static_cast<v1::DialerService::Service*>(this));
  builder.RegisterService(static_cast<v1::ForwardService::Service*>(this));
  builder.RegisterService(static_cast<v1::SessionService::Service*>(this));
  builder.RegisterService(static_cast<v1::ObserveService::Service*>(this));
  builder.RegisterService(static_cast<v1::ConfigService::Service*>(this));
  builder.RegisterService(static_cast<v1::DaemonService::Service*>(this));
  builder.RegisterService(static_cast<v1::AccessService::Service*>(this));
  server_ = builder.BuildAndStart();
  CULVERT_CHECK(server_ != nullptr);
}

FakeDaemon::~FakeDaemon() {
  server_->Shutdown(std::chrono::system_clock::now());
  std::filesystem::remove_all(folder_);
}

Answer FakeDaemon::Run(std::vector<std::string> arguments, const std::string& input, bool terminal) {
  arguments.insert(arguments.begin(), {"--address", "unix:" + socket()});
  return RunHere(std::move(arguments), input, terminal);
}

Answer FakeDaemon::RunHere(std::vector<std::string> arguments, const std::string& input, bool terminal) {
  std::ostringstream out, err;
  std::istringstream in(input);
  Streams io{out, err, in, terminal, out_is_terminal};
  arrange(io);
  const ExitCode code = RunCulvertctl(std::move(arguments), io, Surroundings());
  return {static_cast<int>(code), out.str(), err.str()};
}

Answer FakeDaemon::RunOn(int input, std::ostream& out, std::vector<std::string> arguments, bool terminal) {
  arguments.insert(arguments.begin(), {"--address", "unix:" + socket()});
  std::ostringstream err;
  std::istringstream in;
  Streams io{out, err, in, terminal, false};
  io.in_descriptor = input;
  arrange(io);
  const ExitCode code = RunCulvertctl(std::move(arguments), io, Surroundings());
  return {static_cast<int>(code), "", err.str()};
}

Environment FakeDaemon::Surroundings() const {
  Environment surroundings = environment;
  surroundings.get = [this](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? environment.get(name) : std::optional(found->second);
  };
  return surroundings;
}

std::string FakeDaemon::Write(const std::string& name, const std::string& text) {
  const std::string path = (folder_ / name).string();
  std::ofstream(path) << text;
  return path;
}

namespace {

grpc::Status NotFound(const std::string& what) {
  return ErrorWithDetails(grpc::StatusCode::NOT_FOUND, what + " does not exist", "RESOURCE_NOT_FOUND");
}

template <typename Object>
const Object* Find(const std::vector<Object>& objects, const std::string& name) {
  for (const Object& object : objects) {
    if (object.metadata().name() == name) return &object;
  }
  return nullptr;
}

}  // namespace

grpc::Status FakeDaemon::ListListeners(Ctx*, const v1::ListListenersRequest* request,
                                       v1::ListListenersResponse* response) {
  last_filter = request->filter();
  return List(listeners, *request, response, [&](const auto& one) { *response->add_listeners() = one; });
}
grpc::Status FakeDaemon::ListDialers(Ctx*, const v1::ListDialersRequest* request, v1::ListDialersResponse* response) {
  last_filter = request->filter();
  return List(dialers, *request, response, [&](const auto& one) { *response->add_dialers() = one; });
}
grpc::Status FakeDaemon::ListForwards(Ctx*, const v1::ListForwardsRequest* request,
                                      v1::ListForwardsResponse* response) {
  last_filter = request->filter();
  return List(forwards, *request, response, [&](const auto& one) { *response->add_forwards() = one; });
}
grpc::Status FakeDaemon::ListSessions(Ctx*, const v1::ListSessionsRequest* request,
                                      v1::ListSessionsResponse* response) {
  last_filter = request->filter();
  last_session_list = *request;
  return List(sessions, *request, response, [&](const auto& one) { *response->add_sessions() = one; });
}

grpc::Status FakeDaemon::GetListener(Ctx*, const v1::GetListenerRequest* request, v1::GetListenerResponse* response) {
  const v1::Listener* found = Find(listeners, request->name());
  if (!found) return NotFound("listener/" + request->name());
  *response->mutable_listener() = *found;
  return grpc::Status::OK;
}
grpc::Status FakeDaemon::GetDialer(Ctx*, const v1::GetDialerRequest* request, v1::GetDialerResponse* response) {
  const v1::Dialer* found = Find(dialers, request->name());
  if (!found) return NotFound("dialer/" + request->name());
  *response->mutable_dialer() = *found;
  return grpc::Status::OK;
}
grpc::Status FakeDaemon::GetForward(Ctx*, const v1::GetForwardRequest* request, v1::GetForwardResponse* response) {
  const v1::Forward* found = Find(forwards, request->name());
  if (!found) return NotFound("forward/" + request->name());
  *response->mutable_forward() = *found;
  return grpc::Status::OK;
}
grpc::Status FakeDaemon::GetSession(Ctx*, const v1::GetSessionRequest* request, v1::GetSessionResponse* response) {
  for (const v1::Session& session : sessions) {
    if (session.name() != "sessions/" + request->name()) continue;
    *response->mutable_session() = session;
    return grpc::Status::OK;
  }
  return NotFound("session/" + request->name());
}

namespace {

void PutInto(v1::Object& object, const v1::Listener& body) { *object.mutable_listener() = body; }
void PutInto(v1::Object& object, const v1::Dialer& body) { *object.mutable_dialer() = body; }
void PutInto(v1::Object& object, const v1::Forward& body) { *object.mutable_forward() = body; }

}  // namespace

// Keeps what it is given, with an etag that is another after every change.
template <typename Body, typename Request, typename Response>
grpc::Status FakeDaemon::Create(std::vector<Body>& bodies, const Request& request, const Body& body, Body* out, Response* response) {
  ++changes;
  last_change.Clear();
  PutInto(last_change, body);
  last_validate_only = request.validate_only();
  request_ids.push_back(request.request_id());
  if (on_change) {
    if (const grpc::Status status = on_change(last_change); !status.ok()) return status;
  }
  if (Find(bodies, body.metadata().name()) != nullptr) {
    return ErrorWithDetails(grpc::StatusCode::ALREADY_EXISTS, body.metadata().name() + " exists already", "RESOURCE_EXISTS");
  }
  *out = body;
  out->mutable_metadata()->set_generation(1);
  out->mutable_metadata()->set_etag("\"1\"");
  response->mutable_warnings()->Assign(warnings.begin(), warnings.end());
  if (!request.validate_only()) bodies.push_back(*out);
  return grpc::Status::OK;
}

template <typename Body, typename Request, typename Response>
grpc::Status FakeDaemon::Update(std::vector<Body>& bodies, const Request& request, const Body& body, Body* out, Response* response) {
  ++changes;
  last_change.Clear();
  PutInto(last_change, body);
  last_mask.assign(request.update_mask().paths().begin(), request.update_mask().paths().end());
  last_validate_only = request.validate_only();
  request_ids.push_back(request.request_id());
  if (on_change) {
    if (const grpc::Status status = on_change(last_change); !status.ok()) return status;
  }
  const Body* found = Find(bodies, body.metadata().name());
  if (found == nullptr) return NotFound(body.metadata().name());
  if (!body.metadata().etag().empty() && body.metadata().etag() != found->metadata().etag()) {
    return ErrorWithDetails(grpc::StatusCode::ABORTED, body.metadata().name() + " has changed", "ETAG_MISMATCH");
  }
  *out = *found;
  google::protobuf::util::FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  google::protobuf::util::FieldMaskUtil::MergeMessageTo(body, request.update_mask(), options, out);
  out->mutable_metadata()->set_etag(absl::StrCat(found->metadata().etag(), "+"));
  response->mutable_warnings()->Assign(warnings.begin(), warnings.end());
  if (!request.validate_only()) *const_cast<Body*>(found) = *out;
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::CreateListener(Ctx*, const v1::CreateListenerRequest* request, v1::CreateListenerResponse* response) {
  return Create(listeners, *request, request->listener(), response->mutable_listener(), response);
}
grpc::Status FakeDaemon::UpdateListener(Ctx*, const v1::UpdateListenerRequest* request, v1::UpdateListenerResponse* response) {
  return Update(listeners, *request, request->listener(), response->mutable_listener(), response);
}
grpc::Status FakeDaemon::CreateDialer(Ctx*, const v1::CreateDialerRequest* request, v1::CreateDialerResponse* response) {
  return Create(dialers, *request, request->dialer(), response->mutable_dialer(), response);
}
grpc::Status FakeDaemon::UpdateDialer(Ctx*, const v1::UpdateDialerRequest* request, v1::UpdateDialerResponse* response) {
  return Update(dialers, *request, request->dialer(), response->mutable_dialer(), response);
}
grpc::Status FakeDaemon::CreateForward(Ctx*, const v1::CreateForwardRequest* request, v1::CreateForwardResponse* response) {
  return Create(forwards, *request, request->forward(), response->mutable_forward(), response);
}
grpc::Status FakeDaemon::UpdateForward(Ctx*, const v1::UpdateForwardRequest* request, v1::UpdateForwardResponse* response) {
  return Update(forwards, *request, request->forward(), response->mutable_forward(), response);
}

grpc::Status FakeDaemon::Watch(Ctx*, const v1::WatchRequest* request, WatchWriter* writer) {
  last_watch_request = *request;
  ++watches;
  for (const v1::WatchResponse& message : watched) writer->Write(message);
  if (on_watch) return on_watch(*request, *writer);
  return ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "culvertd is stopping", "DAEMON_STOPPING");
}

grpc::Status FakeDaemon::DeleteListener(Ctx*, const v1::DeleteListenerRequest* request,
                                        v1::DeleteListenerResponse* response) {
  deleted.push_back("listener/" + request->name());
  drain_timeout = request->drain_timeout();
  if (on_delete) return on_delete(deleted.back(), request->force());
  const v1::Listener* found = Find(listeners, request->name());
  if (!found) return request->allow_missing() ? grpc::Status::OK : NotFound(deleted.back());
  *response->mutable_listener() = *found;
  return grpc::Status::OK;
}
grpc::Status FakeDaemon::DeleteDialer(Ctx*, const v1::DeleteDialerRequest* request,
                                      v1::DeleteDialerResponse* response) {
  deleted.push_back("dialer/" + request->name());
  if (on_delete) return on_delete(deleted.back(), request->force());
  const v1::Dialer* found = Find(dialers, request->name());
  if (!found) return request->allow_missing() ? grpc::Status::OK : NotFound(deleted.back());
  *response->mutable_dialer() = *found;
  return grpc::Status::OK;
}
grpc::Status FakeDaemon::DeleteForward(Ctx*, const v1::DeleteForwardRequest* request,
                                       v1::DeleteForwardResponse* response) {
  deleted.push_back("forward/" + request->name());
  if (on_delete) return on_delete(deleted.back(), false);
  const v1::Forward* found = Find(forwards, request->name());
  if (!found) return request->allow_missing() ? grpc::Status::OK : NotFound(deleted.back());
  *response->mutable_forward() = *found;
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::ProbeDialer(Ctx*, const v1::ProbeDialerRequest* request,
                                     grpc::ServerWriter<v1::ProbeDialerResponse>* writer) {
  last_probe = *request;
  if (request->has_name() && request->name() == "missing") return NotFound("dialer/missing");
  for (const v1::ProbeDialerResponse& step : probe_steps) writer->Write(step);
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::CloseSession(Ctx*, const v1::CloseSessionRequest* request,
                                      v1::CloseSessionResponse* response) {
  last_close = *request;
  closes.push_back(*request);
  if (request->name() == "missing") return NotFound("session/missing");
  response->set_closed_count(request->filter().empty() ? 1 : static_cast<int32_t>(sessions.size()));
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::ListStreams(Ctx*, const v1::ListStreamsRequest* request, v1::ListStreamsResponse* response) {
  last_filter = request->filter();
  if (request->page_token().empty()) {
    ++stream_lists;
    const grpc::Status status = on_list_streams ? on_list_streams(stream_lists) : grpc::Status::OK;
    if (!status.ok()) return status;
  }
  return List(streams, *request, response, [&](const auto& one) { *response->add_streams() = one; });
}
grpc::Status FakeDaemon::ListUdpFlows(Ctx*, const v1::ListUdpFlowsRequest* request,
                                      v1::ListUdpFlowsResponse* response) {
  last_filter = request->filter();
  return List(flows, *request, response, [&](const auto& one) { *response->add_udp_flows() = one; });
}
grpc::Status FakeDaemon::CloseStream(Ctx*, const v1::CloseStreamRequest* request, v1::CloseStreamResponse*) {
  last_close_stream = *request;
  return request->name() == "sessions/a/streams/404" ? NotFound("stream/a/404") : grpc::Status::OK;
}
grpc::Status FakeDaemon::CloseUdpFlow(Ctx*, const v1::CloseUdpFlowRequest* request, v1::CloseUdpFlowResponse*) {
  last_close_flow = *request;
  return request->name() == "udpFlows/404" ? NotFound("udpflow/404") : grpc::Status::OK;
}

grpc::Status FakeDaemon::Connect(Ctx*, ConnectStream* stream) {
  v1::ConnectRequest first;
  if (!stream->Read(&first) || !first.has_open()) return {grpc::StatusCode::INVALID_ARGUMENT, "open is wanted"};
  return on_connect(first.open(), *stream);
}

grpc::Status FakeDaemon::ListEvents(Ctx*, const v1::ListEventsRequest* request,
                                    grpc::ServerWriter<v1::ListEventsResponse>* writer) {
  last_events = *request;
  for (const v1::ListEventsResponse& message : events) writer->Write(message);
  if (!request->follow()) return grpc::Status::OK;
  if (on_follow) on_follow(*writer);
  return ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "culvertd is stopping", "DAEMON_STOPPING");
}

grpc::Status FakeDaemon::WatchStats(Ctx*, const v1::WatchStatsRequest* request,
                                    grpc::ServerWriter<v1::WatchStatsResponse>* writer) {
  last_watch = *request;
  for (const v1::WatchStatsResponse& message : stats) writer->Write(message);
  return ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "culvertd is stopping", "DAEMON_STOPPING");
}

grpc::Status FakeDaemon::Tap(Ctx*, const v1::TapRequest* request, grpc::ServerWriter<v1::TapResponse>* writer) {
  last_tap = *request;
  for (const v1::TapResponse& message : taps) writer->Write(message);
  return request->follow() ? ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "culvertd is stopping", "DAEMON_STOPPING") : grpc::Status::OK;
}

grpc::Status FakeDaemon::TailLogs(Ctx*, const v1::TailLogsRequest* request, grpc::ServerWriter<v1::TailLogsResponse>* writer) {
  last_logs = *request;
  for (const v1::TailLogsResponse& message : logs) writer->Write(message);
  return request->follow() ? ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "culvertd is stopping", "DAEMON_STOPPING") : grpc::Status::OK;
}

grpc::Status FakeDaemon::GetConfigStatus(Ctx*, const v1::GetConfigStatusRequest*, v1::GetConfigStatusResponse* response) {
  *response = config_status;
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::Apply(Ctx*, const v1::ApplyRequest* request, v1::ApplyResponse* response) {
  last_apply = *request;
  ++applies;
  return on_apply ? on_apply(*request, response) : grpc::Status::OK;
}

grpc::Status FakeDaemon::Export(Ctx*, const v1::ExportRequest*, v1::ExportResponse* response) {
  for (const v1::Listener& one : listeners) *response->add_objects()->mutable_listener() = one;
  for (const v1::Dialer& one : dialers) *response->add_objects()->mutable_dialer() = one;
  for (const v1::Forward& one : forwards) *response->add_objects()->mutable_forward() = one;
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::WhoAmI(Ctx*, const v1::WhoAmIRequest*, v1::WhoAmIResponse* response) {
  *response = who;
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::TestPermissions(Ctx*, const v1::TestPermissionsRequest* request, v1::TestPermissionsResponse* response) {
  asked_permissions.assign(request->methods().begin(), request->methods().end());
  for (const std::string& name : asked_permissions) {
    const auto method = FindMethod(name);
    if (method.ok() && method->rules().role() == v1::ROLE_VIEWER) response->add_allowed(name);
  }
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::GetDaemon(Ctx*, const v1::GetDaemonRequest*, v1::GetDaemonResponse* response) {
  *response->mutable_daemon() = daemon;
  if (!drains.empty()) *response->mutable_daemon()->mutable_drain() = NextDrain();
  return grpc::Status::OK;
}

v1::Drain FakeDaemon::NextDrain() {
  v1::Drain drain = drains.front();
  if (drains.size() > 1) drains.erase(drains.begin());
  return drain;
}

grpc::Status FakeDaemon::StartDrain(Ctx*, const v1::StartDrainRequest* request, v1::StartDrainResponse* response) {
  last_drain = *request;
  *response->mutable_drain() = NextDrain();
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::CancelDrain(Ctx*, const v1::CancelDrainRequest*, v1::CancelDrainResponse* response) {
  ++cancels;
  *response->mutable_drain() = NextDrain();
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::ReloadCredentials(Ctx*, const v1::ReloadCredentialsRequest*, v1::ReloadCredentialsResponse* response) {
  *response = reloaded;
  return grpc::Status::OK;
}

}  // namespace culvert::cli
